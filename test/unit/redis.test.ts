import { redisTarget, shareRedis } from "../../lib/redis.ts";

test.each([
  ["redis://host", null, { host: "host", port: 6379, db: 0 }],
  ["redis://host:7000/3", null, { host: "host", port: 7000, db: 3 }],
  ["redis://me:p%40ss%2Fword@host", null, { host: "host", username: "me", password: "p@ss/word" }],
  ["redis://:secret@host", null, { password: "secret" }],
  ["rediss://host", null, { tls: {} }],
  [
    "redis-cluster://a:7000,b:7001, c",
    [
      { host: "a", port: 7000 },
      { host: "b", port: 7001 },
      { host: "c", port: 6379 },
    ],
    {},
  ],
  [
    "redis-cluster://:p%40ss@a:7000,b",
    [
      { host: "a", port: 7000 },
      { host: "b", port: 6379 },
    ],
    { password: "p@ss" },
  ],
])("%s", (url, nodes, options) => {
  const target = redisTarget(url);
  expect(target.nodes).toEqual(nodes);
  expect(target.options).toMatchObject({ ...options, commandTimeout: 250, enableOfflineQueue: false });
});

test("without a user name none is sent", () => {
  expect(redisTarget("redis://:secret@host").options).not.toHaveProperty("username");
});

test("one connection for each address; away, commands fail at once and it is said once", async () => {
  const told: string[] = [];
  const first = shareRedis("redis://127.0.0.1:1", (text) => told.push(text));
  const second = shareRedis("redis://127.0.0.1:1", (text) => told.push(text));
  expect(second.client).toBe(first.client);
  await expect(first.client.incr("x")).rejects.toThrow();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(told).toEqual(["Redis is away"]);
  first.release();
  const still = shareRedis("redis://127.0.0.1:1", () => {});
  expect(still.client).toBe(first.client);
  still.release();
  second.release();
  const third = shareRedis("redis://127.0.0.1:1", () => {});
  expect(third.client).not.toBe(first.client);
  third.release();
});

/** Posts on two nodes with MongoDB and Redis: what one changes the other shows, whatever Redis does. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { Redis } from "ioredis";
import { DocumentMigrations } from "../../lib/documents/migrations.ts";
import { openMongo } from "../../lib/documents/mongo.ts";
import { redisTarget } from "../../lib/redis.ts";
import { memoryBoard, redisBoard } from "../../services/posts/boards.ts";
import { LIFETIME } from "../../services/posts/showing.ts";
import type { Forum, PostList } from "../support/posts.ts";
import { eventually, startForum } from "../support/posts.ts";
import { describeWith, startRedis } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startMongodb } from "../support/servers/mongodb.ts";

/** Nobody sees on another node what is older (milliseconds). */
const OLDEST = 1_000;

describeWith(["redis", "mongodb"], "posts on two nodes", () => {
  let mongodb: Awaited<ReturnType<typeof startMongodb>>;
  let redis: Server;
  let env: Record<string, string>;
  let one: Forum;
  let other: Forum;
  let author: string;

  beforeAll(async () => {
    [mongodb, redis] = await Promise.all([startMongodb(), startRedis()]);
    const url = `${mongodb.url}/posts_on_two_nodes`;
    const store = openMongo(url);
    await new DocumentMigrations(store.db, "posts").up();
    await store.close();
    env = { POSTS_DB_URL: url, REDIS_URL: redis.url };
    one = await startForum(env);
    other = await startForum(env, one.world);
  }, 120_000);
  afterAll(async () => {
    await Promise.all([one?.stop(), other?.stop()]);
    await Promise.all([mongodb?.stop(), redis?.stop()]);
  }, 60_000);
  beforeEach(() => void (author = one.person("Author")));

  const hottest = async (forum: Forum, limit = 3): Promise<string[]> =>
    (await forum.ok<PostList>("GET", `/posts/hot?limit=${limit}`)).items.map(({ id }) => id);
  const likes = (forum: Forum, id: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => forum.like(id, one.person())));
  const titleOn = async (forum: Forum, id: string): Promise<string> => (await forum.get(id)).title;
  const listedOn = async (forum: Forum, id: string): Promise<boolean> =>
    (await hottest(forum, 100)).includes(id);

  test("a change is seen on the other within a second, and at once where it was made", async () => {
    const { id } = await one.post(author);
    expect(await titleOn(other, id)).toBe("Paper boats");
    await listedOn(other, id);
    await one.ok("PATCH", `/posts/${id}`, { as: author, body: { title: "Changed" } });
    expect(await titleOn(one, id)).toBe("Changed");
    await sleep(OLDEST);
    expect(await titleOn(other, id)).toBe("Changed");
    const { items } = await other.ok<PostList>("GET", "/posts/hot?limit=100");
    expect(items.find((post) => post.id === id)?.title).toBe("Changed");
  });

  test("what is removed is gone from the other within a second", async () => {
    const { id } = await one.post(author);
    await eventually(async () => (await listedOn(other, id)) || undefined);
    expect(await titleOn(other, id)).toBe("Paper boats");
    await one.ok("DELETE", `/posts/${id}`, { as: author });
    expect(await listedOn(one, id)).toBe(false);
    expect(await one.outcome("GET", `/posts/${id}`)).toBe("404 NOT_FOUND");
    await sleep(OLDEST);
    expect(await other.outcome("GET", `/posts/${id}`)).toBe("404 NOT_FOUND");
    expect(await listedOn(other, id)).toBe(false);
  });

  test("a node that keeps what it read for longer does not (control)", async () => {
    const { ms } = LIFETIME;
    LIFETIME.ms = 30_000;
    const late = await startForum(env, one.world).finally(() => (LIFETIME.ms = ms));
    try {
      const { id } = await one.post(author);
      await titleOn(late, id);
      await one.ok("PATCH", `/posts/${id}`, { as: author, body: { title: "Changed" } });
      await sleep(OLDEST);
      expect(await titleOn(late, id)).toBe("Paper boats");
    } finally {
      await late.stop();
    }
  }, 60_000);

  test("likes on both at once are counted exactly", async () => {
    const { id } = await one.post(author);
    await Promise.all([likes(one, id, 150), likes(other, id, 150)]);
    const counted = async (forum: Forum) => (await forum.stored(id))?.likeCount;
    expect([await counted(one), await counted(other)]).toEqual([300, 300]);
    await eventually(async () => (await hottest(other))[0] === id || undefined);
    await eventually(async () => (await hottest(one))[0] === id || undefined);
  }, 120_000);

  test("views on both are all counted", async () => {
    const { id } = await one.post(author);
    await Promise.all([one, other].flatMap((forum) => Array.from({ length: 40 }, () => forum.get(id))));
    await eventually(async () => (await one.stored(id))?.viewCount === 80 || undefined);
  });

  const troubles = [
    { name: "frozen", cause: async () => redis.pause(), mend: async () => redis.resume() },
    { name: "killed", cause: () => redis.kill(), mend: () => redis.restart() },
    { name: "flushed", cause: () => flush(), mend: async () => undefined },
  ];
  async function flush(): Promise<void> {
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
  }

  test.each(troubles)(
    "with Redis $name nothing is lost, then and afterwards",
    async ({ cause, mend }) => {
      const { id: first } = await one.post(author);
      const { id: second } = await one.post(author);
      const before = await one.store.posts.find({ shown: true }, { sort: { likeCount: -1 }, limit: 1 });
      const most = before[0]?.likeCount ?? 0;
      await hottest(one);
      await cause();
      try {
        await likes(one, second, most + 30);
        expect((await one.stored(second))?.likeCount).toBe(most + 30);
        for (const forum of [one, other])
          await eventually(async () => (await hottest(forum))[0] === second || undefined);
      } finally {
        await mend();
      }
      await likes(other, first, most + 60);
      for (const forum of [one, other])
        await eventually(
          async () =>
            JSON.stringify((await hottest(forum, 2)).toSorted()) ===
              JSON.stringify([first, second].toSorted()) || undefined,
          90_000,
        );
      await one.ok("DELETE", `/posts/${first}`, { as: author });
      expect(await listedOn(one, first)).toBe(false);
    },
    240_000,
  );

  test("a board in Redis is as one in memory", async () => {
    const client = new Redis({ ...redisTarget(redis.url).options, commandTimeout: 5_000 });
    await new Promise((resolve) => client.once("ready", resolve));
    const change = fc.record({
      id: fc.nat(1_500),
      rank: fc.integer({ min: 1, max: 9_999 }),
      drop: fc.boolean(),
    });
    try {
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(change, { maxLength: 100 }),
          fc.integer({ min: 990, max: 1_010 }),
          async (changes, size) => {
            const boards = [redisBoard(client, `run-${++runs}`), memoryBoard()];
            const entries = Array.from({ length: size }, (_, i) => ({ id: `${i}`, rank: size - i }));
            const found = [];
            for (const board of boards) {
              await board.put("all", { id: "missed", rank: 1 });
              await board.fill("all", entries, true, "0");
              expect(await board.read("all", null, 10)).toBeNull();
              await board.fill("all", entries.slice(0, 1_000), size <= 1_000, await board.generation("all"));
              for (const { id, rank, drop } of changes)
                await (drop ? board.drop("all", `${id}`) : board.put("all", { id: `${id}`, rank }));
              const first = await board.read("all", null, 50);
              found.push([first, await board.read("all", first?.entries.at(-1) ?? null, 2_000)]);
            }
            expect(found[0]).toEqual(found[1]);
          },
        ),
        { numRuns: 20 },
      );
    } finally {
      client.disconnect();
    }
  }, 60_000);
});

/** Redis, alone, in every kind of trouble. */
import { Redis } from "ioredis";
import { guardRedis, redisTarget } from "../../lib/redis.ts";
import { redisSuite } from "../support/redis-suite.ts";
import type { Fault } from "../support/redis-suite.ts";
import { describeWith, startRedis } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startToxiproxy } from "../support/servers/toxiproxy.ts";
import type { Proxy } from "../support/servers/toxiproxy.ts";

describeWith(["redis", "toxiproxy"], "Redis", () => {
  let server: Server;
  let proxy: Proxy;
  const nothing = async (): Promise<void> => undefined;
  const flush = async (): Promise<void> => {
    const redis = new Redis(server.url);
    await redis.flushall();
    redis.disconnect();
  };
  const faults = (): Fault[] => [
    { name: "frozen", cause: async () => server.pause(), mend: async () => server.resume() },
    { name: "killed", cause: () => server.kill(), mend: () => server.restart() },
    { name: "flushed", cause: flush, mend: nothing },
    { name: "slow", cause: () => proxy.slow(600), mend: () => proxy.mend() },
    { name: "cut off", cause: () => proxy.cut(), mend: () => proxy.mend() },
  ];

  redisSuite(async () => {
    const [redis, toxiproxy] = await Promise.all([startRedis(), startToxiproxy()]);
    server = redis;
    proxy = await toxiproxy.proxy(`127.0.0.1:${redis.port}`);
    return {
      url: `redis://127.0.0.1:${proxy.port}`,
      async stop() {
        await Promise.all([redis.stop(), toxiproxy.stop()]);
      },
    };
  }, faults);

  test("frozen costs its time-out a few times, and not with each command", async () => {
    const { options } = redisTarget(server.url);
    const timedOut = async (redis: Redis): Promise<number> => {
      let count = 0;
      for (let n = 0; n < 12; n++)
        await redis
          .get("key")
          .catch((error: Error) => (count += Number(error.message === "Command timed out")));
      redis.disconnect();
      return count;
    };
    const [guarded, bare] = [guardRedis(new Redis(options)), new Redis(options)];
    await Promise.all(
      [guarded, bare].map((redis) => {
        redis.on("error", () => undefined);
        return new Promise((resolve) => redis.once("ready", resolve));
      }),
    );
    server.pause();
    try {
      expect(await timedOut(guarded)).toBeLessThanOrEqual(4);
      expect(await timedOut(bare)).toBe(12);
    } finally {
      server.resume();
    }
  });
});

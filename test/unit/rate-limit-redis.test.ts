import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Cluster, Redis } from "ioredis";
import { RateLimiter, redisCounters } from "../../lib/rate-limit.ts";

const found = spawnSync("redis-server", ["--version"]).status === 0;
(found || process.env.REQUIRE_SERVERS === "1" ? describe : describe.skip)(
  "counters in Redis (redis-server)",
  () => {
    const servers: ChildProcess[] = [];
    let folder = "";

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "rate-limit-"));
    });
    afterAll(async () => {
      for (const server of servers) server.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    });

    async function start(...more: string[]): Promise<number> {
      const port = await freePort();
      const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...more];
      servers.push(spawn("redis-server", args, { stdio: "ignore" }));
      return port;
    }

    test("counters add up, end with their window, and a key of another type spoils only itself", async () => {
      const redis = client(await start());
      try {
        const counters = redisCounters(redis);
        const end = (Math.floor(Date.now() / 60_000) + 2) * 60_000;
        await counters.add(
          [
            ["a", 2],
            ["b", 1],
          ],
          end,
        );
        await redis.set(`rate:${end / 1000}:c`, "no number");
        expect(
          Object.fromEntries(
            await counters.add(
              [
                ["a", 3],
                ["c", 1],
                ["d", 1],
              ],
              end,
            ),
          ),
        ).toEqual({ a: 5, d: 1 });
        expect(await redis.pexpiretime(`rate:${end / 1000}:a`)).toBe(end);
        expect(Object.fromEntries(await counters.add([["a", 1]], end + 60_000))).toEqual({ a: 1 });
        const make = () => new RateLimiter({ limit: 10, prefix: "user:", shared: counters, now: () => end });
        const [one, two] = [make(), make()];
        for (let n = 0; n < 10; n += 1) one.hit("x");
        let allowed = 0;
        for (; allowed < 10 && two.hit("x").allowed; allowed += 1) await wait(100);
        expect(allowed).toBeLessThan(10); // alone it would be 10
      } finally {
        redis.disconnect();
      }
    });

    test("on a Cluster, with keys of all slots", async () => {
      const buses = [await freePort(), await freePort()];
      const ports = [await start(...clustered(0, buses)), await start(...clustered(1, buses))];
      const nodes = ports.map(client);
      const [first, second] = nodes;
      if (!first || !second) throw new Error("two nodes expected");
      let cluster: Cluster | undefined;
      try {
        await first.call("CLUSTER", "ADDSLOTSRANGE", 0, 8191);
        await second.call("CLUSTER", "ADDSLOTSRANGE", 8192, 16_383);
        await first.call("CLUSTER", "MEET", "127.0.0.1", ports[1] ?? 0, buses[1] ?? 0);
        for (const node of nodes) {
          for (let n = 0; n < 200; n += 1) {
            if (String(await node.call("CLUSTER", "INFO")).includes("cluster_state:ok")) break;
            await wait(50);
          }
        }
        cluster = new Cluster([{ host: "127.0.0.1", port: ports[0] ?? 0 }]);
        cluster.on("error", () => {});
        const counters = redisCounters(cluster);
        const entries = Array.from({ length: 200 }, (_, n): [string, number] => [`10.0.0.${n}`, n + 1]);
        const end = (Math.floor(Date.now() / 60_000) + 2) * 60_000;
        await counters.add(entries, end);
        expect([...(await counters.add(entries, end))].toSorted(([, a], [, b]) => a - b)).toEqual(
          entries.map(([key, delta]) => [key, 2 * delta]),
        );
        expect(Math.min(await first.dbsize(), await second.dbsize())).toBeGreaterThan(50);
      } finally {
        cluster?.disconnect();
        for (const node of nodes) node.disconnect();
      }
    });
  },
);

const clustered = (n: number, buses: number[]) =>
  `--cluster-enabled yes --cluster-config-file nodes-${n}.conf --cluster-port ${buses[n]}`.split(" ");

function client(port: number): Redis {
  const redis = new Redis(port, "127.0.0.1", { retryStrategy: () => 50 });
  redis.on("error", () => {});
  return redis;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { folder, freePort, type Server, serve } from "./child.ts";
import { need } from "./found.ts";

export interface RedisCluster {
  /** REDIS_URL of all nodes, with the password. */
  readonly url: string;
  readonly nodes: Server[];
  /** The node that is now master of a key. */
  masterOf: (key: string) => Promise<Server>;
  /** Empties every master. */
  flush: () => Promise<void>;
  stop: () => Promise<void>;
}

const run = promisify(execFile);
const FORMING_MS = 20_000;

/** Starts three masters with a replica each, with a password; returns when all slots are served and copied. */
export async function startRedisCluster(): Promise<RedisCluster> {
  need("redis-cli");
  const password = randomBytes(8).toString("hex");
  const nodes = await Promise.all(Array.from({ length: 6 }, () => startNode(password)));
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const cli = (...args: string[]): Promise<{ stdout: string }> =>
    run(need("redis-cli"), ["--no-auth-warning", "-a", password, ...args], { timeout: FORMING_MS });
  try {
    await cli("--cluster", "create", ...addresses, "--cluster-replicas", "1", "--cluster-yes");
    await formed(nodes, password);
  } catch (error) {
    await stop();
    throw error;
  }
  const living = (): Server => nodes.find(({ pid }) => isAlive(pid)) as Server;
  const on = <T>({ port }: Server, work: (redis: Redis) => Promise<T>): Promise<T> =>
    ask(port, password, work);
  return {
    url: `redis-cluster://:${password}@${addresses.join(",")}`,
    nodes,
    async masterOf(key) {
      const { slot, slots } = await on(living(), async (redis) => ({
        slot: Number(await redis.call("CLUSTER", "KEYSLOT", key)),
        slots: (await redis.call("CLUSTER", "SLOTS")) as [number, number, [string, number]][],
      }));
      const port = slots.find(([from, to]) => from <= slot && slot <= to)?.[2][1];
      return nodes.find((node) => node.port === port) as Server;
    },
    async flush() {
      for (const node of nodes.filter(({ pid }) => isAlive(pid)))
        await on(node, async (redis) => {
          if (String(await redis.call("ROLE")).startsWith("master")) await redis.flushall();
        });
    },
    stop,
  };
}

async function startNode(password: string): Promise<Server> {
  const [dir, port, bus] = [await folder("redis"), await freePort(), await freePort()];
  return serve({
    command: need("redis-server"),
    args: [
      "--port",
      `${port}`,
      "--bind",
      "127.0.0.1",
      "--dir",
      dir,
      "--save",
      "",
      "--appendonly",
      "yes",
      "--cluster-enabled",
      "yes",
      "--cluster-node-timeout",
      "1000",
      "--cluster-port",
      `${bus}`,
      "--repl-diskless-sync-delay",
      "0",
      "--requirepass",
      password,
      "--masterauth",
      password,
    ],
    dir,
    url: `redis://:${password}@127.0.0.1:${port}`,
    port,
    probe: (pid) =>
      ask(port, password, async (redis) => (await redis.info("server")).includes(`process_id:${pid}\r\n`)),
  });
}

/** Every node knows the whole cluster, and each replica its master. */
async function formed(nodes: Server[], password: string): Promise<void> {
  for (const end = Date.now() + FORMING_MS; Date.now() < end; await sleep(50)) {
    const ready = await Promise.all(
      nodes.map(({ port }) =>
        ask(port, password, async (redis) => {
          const role = await redis.info("replication");
          const whole = String(await redis.call("CLUSTER", "INFO")).includes("cluster_state:ok");
          return whole && (/connected_slaves:1/.test(role) || /master_link_status:up/.test(role));
        }).catch(() => false),
      ),
    );
    if (ready.every(Boolean)) return;
  }
  throw new Error(`the Redis cluster was not whole within ${FORMING_MS} ms`);
}

async function ask<T>(port: number, password: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({
    port,
    host: "127.0.0.1",
    password,
    lazyConnect: true,
    connectTimeout: 1000,
    commandTimeout: 2000,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  redis.on("error", () => {}); // what is asked rejects
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

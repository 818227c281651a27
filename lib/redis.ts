/**
 * Connections to Redis by URL: `redis://` and `rediss://` for one server, `redis-cluster://host:port,host:port` for a
 * Cluster, each with `user:password@` where it is needed. One connection for each URL in a process, counted.
 */
import { Cluster, Redis } from "ioredis";
import type { RedisOptions } from "ioredis";

/** Redis is a help and never a must: who asks it is answered or refused at once, whatever state it is in. */
const QUICK = {
  /** Milliseconds; also when Redis is frozen and not dead. */
  commandTimeout: 250,
  connectTimeout: 1_000,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
} satisfies RedisOptions;

export interface RedisTarget {
  /** The first nodes to ask of a Cluster; null for a single server. */
  nodes: { host: string; port: number }[] | null;
  /** Of the single server, or of each connection to a node of the Cluster. */
  options: RedisOptions;
}

/** What a URL says, as ioredis wants it. */
export function redisTarget(url: string): RedisTarget {
  if (!url.startsWith("redis-cluster://")) return { nodes: null, options: { ...QUICK, ...serverOf(url) } };
  const rest = url.slice("redis-cluster://".length);
  const at = rest.lastIndexOf("@") + 1;
  const credentials = credentialsOf(new URL(`redis://${rest.slice(0, at)}host`));
  const nodes = rest
    .slice(at)
    .split(",")
    .map((each) => new URL(`redis://${each.trim()}`));
  return {
    nodes: nodes.map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6379) })),
    options: { ...QUICK, ...credentials },
  };
}

function serverOf(url: string): RedisOptions {
  const parsed = new URL(url);
  return {
    host: parsed.hostname,
    port: Number(parsed.port || 6379),
    ...credentialsOf(parsed),
    db: Number(parsed.pathname.slice(1) || 0),
    ...(parsed.protocol === "rediss:" && { tls: {} }),
  };
}

function credentialsOf({ username, password }: URL): RedisOptions {
  return {
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
  };
}

interface Shared {
  client: Redis | Cluster;
  users: number;
}

const open = new Map<string, Shared>();

/**
 * The process's connection to `url`; `release` it when done. `warn` is told once when Redis goes away and once when it
 * is back; commands meanwhile fail at once.
 */
export function shareRedis(
  url: string,
  warn: (text: string, data?: object) => void,
): { client: Redis | Cluster; release(): void } {
  let shared = open.get(url);
  if (!shared) open.set(url, (shared = { client: connect(url, warn), users: 0 }));
  const mine = shared;
  mine.users += 1;
  return {
    client: mine.client,
    release() {
      mine.users -= 1;
      if (mine.users > 0) return;
      open.delete(url);
      mine.client.disconnect();
    },
  };
}

function connect(url: string, warn: (text: string, data?: object) => void): Redis | Cluster {
  const { nodes, options } = redisTarget(url);
  const client = nodes
    ? new Cluster(nodes, { redisOptions: options, enableOfflineQueue: false, slotsRefreshTimeout: 1_000 })
    : new Redis(options);
  let away = false;
  client.on("error", (error: Error) => {
    if (!away) warn("Redis is away", { error: error.message });
    away = true;
  });
  client.on("ready", () => {
    if (away) warn("Redis is back");
    away = false;
  });
  return client;
}

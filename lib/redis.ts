/**
 * Connections to Redis by URL: `redis://` and `rediss://` for one server, `redis-cluster://host:port,host:port` for a
 * Cluster, each with `user:password@` where it is needed. One connection for each URL in a process, counted.
 */
import { Cluster, Redis } from "ioredis";
import type { ClusterOptions, Command, RedisOptions } from "ioredis";

/** Redis is a help and never a must: who asks it is answered or refused at once, whatever state it is in. */
const QUICK = {
  /** Milliseconds; also when Redis is frozen and not dead. */
  commandTimeout: 250,
  connectTimeout: 1_000,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
} satisfies RedisOptions;

/** Milliseconds for one command in a Cluster, redirections and fail-over included. */
const CLUSTER_LIMIT = 500;
/** So many commands in a row without an answer, and nobody asks for a while. */
const PATIENCE = 3;
const LEFT_ALONE = 1_000;

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

/** Options of a Cluster whose nodes' connections have these. */
export function clusterOptions(redisOptions: RedisOptions): ClusterOptions {
  return {
    redisOptions,
    enableOfflineQueue: false,
    slotsRefreshTimeout: 1_000,
    slotsRefreshInterval: 5_000,
    maxRedirections: 4,
    clusterRetryStrategy: () => 500,
  };
}

/**
 * Makes a client leave a Redis alone that does not answer: after three commands in a row that ran out of time or lost
 * their connection, commands fail at once for a second; then one is let through to see. So a frozen Redis costs its
 * time-out once a second, and not with each command.
 */
export function guardRedis<C extends Redis | Cluster>(client: C): C {
  const send = client.sendCommand.bind(client) as (command: Command, stream?: unknown) => unknown;
  let unanswered = 0;
  let until = 0;
  const settle = (error?: Error): void => {
    // A refusal is an answer.
    unanswered = error && error.name !== "ReplyError" ? unanswered + 1 : 0;
    until = unanswered >= PATIENCE ? Date.now() + LEFT_ALONE : 0;
  };
  client.sendCommand = ((command: Command, stream?: unknown): unknown => {
    // A connection that is being made asks for itself.
    if (client.status === "ready" && Date.now() < until) {
      command.reject(new Error("Redis does not answer and is left alone for a moment."));
      return command.promise;
    }
    if (unanswered >= PATIENCE) until = Date.now() + LEFT_ALONE;
    const answer = send(command, stream);
    const limited = client instanceof Cluster ? withLimit(command) : (command.promise as Promise<unknown>);
    limited.then(
      () => settle(),
      (error: Error) => settle(error),
    );
    return client instanceof Cluster ? limited : answer;
  }) as C["sendCommand"];
  return client;
}

/** What a Cluster does about redirections and fail-over has no time-out of its own. */
function withLimit(command: Command): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("Command timed out")), CLUSTER_LIMIT);
    (command.promise as Promise<unknown>).then(resolve, reject).finally(() => clearTimeout(timer));
  });
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
  const client = guardRedis(nodes ? new Cluster(nodes, clusterOptions(options)) : new Redis(options));
  tellAway(client, warn);
  return client;
}

/** `warn` is told once when Redis goes away, and once when it is back. */
export function tellAway(client: Redis | Cluster, warn: (text: string, data?: object) => void): void {
  let away = false;
  client.on("error", (error: Error) => {
    if (!away) warn("Redis is away", { error: error.message });
    away = true;
  });
  client.on("ready", () => {
    if (away) warn("Redis is back");
    away = false;
  });
}

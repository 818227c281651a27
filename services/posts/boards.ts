/** Where the hottest posts are kept: in Redis for all nodes, or in memory where there is one node. */
import type { Cluster, Redis } from "ioredis";
import { LRUCache } from "lru-cache";
import type { Board, Entry } from "./ranking.ts";
import { isBehind, ON_BOARD } from "./ranking.ts";

/** Seconds after which a board is built anew, whatever it may have missed. */
const KEPT = 60;
/** Boards with fewer entries than this are built anew, unless nothing is behind them. */
const TOO_FEW = ON_BOARD / 2;
const SCOPES = 500;

/** Is on a board behind which there is nothing; below every score. */
const END = "*";
const END_RANK = -1;

/** What is put below the last entry of a board that does not have everything is among what it does not have. */
const PUT = `
if redis.call('exists', KEYS[1]) == 0 then
  redis.call('incr', KEYS[2])
  redis.call('expire', KEYS[2], ${KEPT})
  return 0
end
local last = redis.call('zrange', KEYS[1], 0, 0, 'WITHSCORES')
if last[1] ~= '${END}' and tonumber(ARGV[1]) < tonumber(last[2]) then
  redis.call('zrem', KEYS[1], ARGV[2])
else
  redis.call('zadd', KEYS[1], ARGV[1], ARGV[2])
  redis.call('zremrangebyrank', KEYS[1], 0, -${ON_BOARD + 2})
end
return 1`;
const DROP = `
if redis.call('exists', KEYS[1]) == 0 then
  redis.call('incr', KEYS[2])
  redis.call('expire', KEYS[2], ${KEPT})
  return 0
end
redis.call('zrem', KEYS[1], ARGV[1])
if redis.call('zcard', KEYS[1]) < ${TOO_FEW} and not redis.call('zscore', KEYS[1], '${END}') then
  redis.call('del', KEYS[1])
end
return 1`;
const FILL = `
if redis.call('exists', KEYS[1]) == 1 or (redis.call('get', KEYS[2]) or '0') ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 2 do redis.call('zadd', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('expire', KEYS[1], ${KEPT})
return 1`;

/** A sorted set for each scope. */
export function redisBoard(redis: Redis | Cluster, namespace: string): Board {
  // In braces what a Cluster is to keep on one node.
  const keysOf = (scope: string): [string, string] => [
    `${namespace}:hot:{${scope}}`,
    `${namespace}:hot:{${scope}}:missed`,
  ];
  return {
    async read(scope, after, limit) {
      // Those with the same rank as `after`, itself among them, are left out below.
      const asked = limit + (after ? 10 : 1);
      const flat = await redis.zrevrangebyscore(
        keysOf(scope)[0],
        after?.rank ?? "+inf",
        "-inf",
        "WITHSCORES",
        "LIMIT",
        0,
        asked,
      );
      return flat.length === 0 ? null : pageOf(entriesOf(flat), after, limit);
    },
    async put(scope, { id, rank }) {
      await redis.eval(PUT, 2, ...keysOf(scope), rank, id);
    },
    async drop(scope, id) {
      await redis.eval(DROP, 2, ...keysOf(scope), id);
    },
    async generation(scope) {
      return (await redis.get(keysOf(scope)[1])) ?? "0";
    },
    async fill(scope, entries, whole, generation) {
      const all = withEnd(entries, whole).flatMap(({ id, rank }) => [rank, id]);
      await redis.eval(FILL, 2, ...keysOf(scope), generation, ...all);
    },
  };
}

function entriesOf(flat: readonly string[]): Entry[] {
  return Array.from({ length: flat.length / 2 }, (_, i) => ({
    id: flat[2 * i] as string,
    rank: Number(flat[2 * i + 1]),
  }));
}

function withEnd(entries: readonly Entry[], whole: boolean): Entry[] {
  return whole ? [...entries, { id: END, rank: END_RANK }] : [...entries];
}

/** @param found in order, from `after` on */
function pageOf(found: readonly Entry[], after: Entry | null, limit: number) {
  const behind = after ? found.filter((entry) => isBehind(entry, after)) : found;
  const posts = behind.filter(({ id }) => id !== END);
  const entries = posts.slice(0, limit);
  const ends = behind.at(-1)?.id === END && entries.length === posts.length;
  return { entries, ends };
}

/** For a node that is alone. */
export function memoryBoard(): Board {
  /** In their order. */
  const boards = new LRUCache<string, Entry[]>({ max: SCOPES });
  let missed = 0;
  const miss = (): void => {
    missed++;
  };
  const without = (entries: readonly Entry[], id: string) => entries.filter((entry) => entry.id !== id);
  const lasting = (entries: Entry[]): Entry[] => entries.slice(0, ON_BOARD + 1);
  return {
    async read(scope, after, limit) {
      const entries = boards.get(scope);
      return entries ? pageOf(entries, after, limit) : null;
    },
    async put(scope, entry) {
      const entries = boards.get(scope);
      const last = entries?.at(-1);
      if (!entries || !last) return miss();
      const others = without(entries, entry.id);
      const at = others.findIndex((other) => isBehind(other, entry));
      const isLow = last.id !== END && isBehind(entry, last);
      boards.set(scope, isLow ? others : lasting(others.toSpliced(at < 0 ? others.length : at, 0, entry)));
    },
    async drop(scope, id) {
      const entries = boards.get(scope);
      if (!entries) return miss();
      const others = without(entries, id);
      if (others.length < TOO_FEW && others.at(-1)?.id !== END) boards.delete(scope);
      else boards.set(scope, others);
    },
    async generation() {
      return String(missed);
    },
    async fill(scope, entries, whole, generation) {
      if (!boards.has(scope) && generation === String(missed)) boards.set(scope, withEnd(entries, whole));
    },
  };
}

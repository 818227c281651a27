/**
 * Requests counted in fixed windows, at once and in memory; what this process has counted is settled with a counter
 * that all share every 100 ms, or as soon as one key has a tenth of its limit to settle.
 * Why not a package: docs/decisions/0004-rate-limits.md.
 */
import type { Cluster, Redis } from "ioredis";
import { LRUCache } from "lru-cache";

const SETTLE_MS = 100;
/** Keys remembered in a window. Beyond it the one unused longest is forgotten, and learnt again from the shared count. */
const MAX_KEYS = 100_000;

/** Counters that several processes add to. */
export interface SharedCounters {
  /**
   * Adds each delta to its key's counter of the window that ends at `windowEnd` (milliseconds since 1970), and gives
   * the new totals. A key whose counter could not be reached is left out.
   */
  add(entries: [key: string, delta: number][], windowEnd: number): Promise<Map<string, number>>;
}

export interface RateLimit {
  allowed: boolean;
  /** 0: switched off, everything is allowed and there is nothing to tell. */
  limit: number;
  /** Left in this window after this request. */
  remaining: number;
  /** Seconds until the window ends. */
  resetSeconds: number;
}

interface Count {
  /** The last total that the shared counter told: everybody's, with what this process had settled. */
  shared: number;
  /** Counted here and never to be settled, since the attempt failed (it may have been added all the same). */
  local: number;
  /** On its way to the shared counter. */
  sent: number;
  /** Not sent yet. */
  pending: number;
}

export interface RateLimiterOptions {
  /** Requests in a window; 0 switches the limit off. */
  limit: number;
  windowSeconds?: number;
  /** Tells these counters from those of other limits. */
  prefix: string;
  /** Without it the count is this process's own. */
  shared?: SharedCounters;
  now?: () => number;
}

/**
 * What passes in a window: alone exactly `limit`. With n processes at most `limit - 1` and, for each of them, the most
 * that it ever let pass before it heard of it from the shared counter: a tenth of the limit where the counter answers
 * at once, and else what comes in the time of an answer. While the counter is away each process counts for itself,
 * so at most n × `limit` passes.
 */
export class RateLimiter {
  /** May be changed at any time; counts as from the next request. */
  limit: number;
  /** How often a count could not be settled. */
  failures = 0;
  readonly #windowMs: number;
  readonly #prefix: string;
  readonly #shared: SharedCounters | undefined;
  readonly #now: () => number;
  readonly #dirty = new Map<string, Count>();
  readonly #counts = new LRUCache<string, Count>({
    max: MAX_KEYS,
    dispose: (_count, key) => this.#dirty.delete(key),
  });
  #windowEnd = 0;
  #settling: Promise<void> | undefined;
  #urgent = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ limit, windowSeconds = 60, prefix, shared, now = Date.now }: RateLimiterOptions) {
    this.limit = limit;
    this.#windowMs = windowSeconds * 1000;
    this.#prefix = prefix;
    this.#shared = shared;
    this.#now = now;
  }

  /** Counts a request of `key`, if it is allowed. `limit` is for keys with a limit of their own. */
  hit(key: string, limit: number = this.limit): RateLimit {
    if (limit <= 0) return { allowed: true, limit: 0, remaining: 0, resetSeconds: 0 };
    const now = this.#now();
    this.#rollTo(now);
    let count = this.#counts.get(key);
    if (!count) this.#counts.set(key, (count = { shared: 0, local: 0, sent: 0, pending: 0 }));
    const before = count.shared + count.local + count.sent + count.pending;
    const allowed = before < limit;
    if (allowed) this.#count(key, count, limit);
    return {
      allowed,
      limit,
      remaining: Math.max(0, limit - before - 1),
      resetSeconds: Math.max(1, Math.ceil((this.#windowEnd - now) / 1000)),
    };
  }

  /** Settles every 100 ms from now on. */
  start(): void {
    if (this.#shared) this.#timer ??= setInterval(() => void this.#settle(), SETTLE_MS).unref();
  }

  /** Ends that. What the last 100 ms counted stays unsettled: a counter that hangs must not hold up the end. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #count(key: string, count: Count, limit: number): void {
    count.pending += 1;
    if (!this.#shared) return;
    this.#dirty.set(key, count);
    if (count.pending < limit / 10) return;
    if (this.#settling) this.#urgent = true;
    else void this.#settle();
  }

  #rollTo(now: number): void {
    const end = (Math.floor(now / this.#windowMs) + 1) * this.#windowMs;
    if (end === this.#windowEnd) return;
    this.#windowEnd = end;
    this.#counts.clear();
  }

  /** One at a time; never rejects. */
  #settle(): Promise<void> {
    this.#settling ??= this.#settleAll().finally(() => (this.#settling = undefined));
    return this.#settling;
  }

  async #settleAll(): Promise<void> {
    do {
      this.#urgent = false;
      this.#rollTo(this.#now());
      await this.#send();
    } while (this.#urgent);
  }

  async #send(): Promise<void> {
    if (!this.#shared || this.#dirty.size === 0) return;
    const sent = [...this.#dirty];
    this.#dirty.clear();
    const entries = sent.map(([key, count]): [string, number] => {
      count.sent = count.pending;
      count.pending = 0;
      return [this.#prefix + key, count.sent];
    });
    const totals = await this.#shared.add(entries, this.#windowEnd).catch(() => new Map<string, number>());
    for (const [key, count] of sent) {
      const total = totals.get(this.#prefix + key);
      if (total === undefined) {
        // Not sent again: it may have been added although the answer was lost, and twice would shut people out.
        this.failures += 1;
        count.local += count.sent;
      } else {
        count.shared = total;
      }
      count.sent = 0;
    }
  }
}

/**
 * Counters in Redis, single or Cluster: a key for each counter and window, gone when its window is over. Each command
 * names one key, so that a Cluster may spread them; they leave together and are answered together.
 */
export function redisCounters(redis: Redis | Cluster): SharedCounters {
  return {
    async add(entries, windowEnd) {
      const totals = new Map<string, number>();
      await Promise.all(
        entries.map(async ([key, delta]) => {
          const name = `rate:${windowEnd / 1000}:${key}`;
          try {
            const [total] = await Promise.all([redis.incrby(name, delta), redis.pexpireat(name, windowEnd)]);
            totals.set(key, total);
          } catch {
            // Left out: the limiter counts it as not settled.
          }
        }),
      );
      return totals;
    },
  };
}

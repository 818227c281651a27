/** How many requests a minute: of an address, of a user, and of an address to the routes that guess at passwords. */
import type { Logger } from "moleculer";
import { AppError } from "../../lib/errors.ts";
import { RateLimiter, redisCounters } from "../../lib/rate-limit.ts";
import { shareRedis } from "../../lib/redis.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import type { Address } from "./address.ts";
import type { Exchange } from "./exchange.ts";
import type { LimitName } from "./recorder.ts";

/** Many people sit behind an address of CAMPUS_NETWORKS. */
const CAMPUS_FACTOR = 100;

export class Limits {
  readonly anonymous: RateLimiter;
  readonly user: RateLimiter;
  readonly auth: RateLimiter;
  readonly #release: () => void;
  readonly #untie: () => void;

  constructor({ settings, live }: Runtime, log: Logger) {
    const redis = settings.redisUrl
      ? shareRedis(settings.redisUrl, (text, data) => log.warn(text, data))
      : null;
    const shared = redis ? redisCounters(redis.client) : undefined;
    const limiter = (prefix: keyof typeof settings.rateLimits) =>
      new RateLimiter({ limit: live.get(`limits.${prefix}PerMinute`), prefix: `${prefix}:`, shared });
    this.anonymous = limiter("anonymous");
    this.user = limiter("user");
    this.auth = limiter("auth");
    this.#untie = live.onTold(() => {
      for (const prefix of ["anonymous", "user", "auth"] as const)
        this[prefix].limit = live.get(`limits.${prefix}PerMinute`);
    });
    this.#release = () => redis?.release();
    for (const each of [this.anonymous, this.user, this.auth]) each.start();
  }

  close(): void {
    for (const each of [this.anonymous, this.user, this.auth]) each.stop();
    this.#untie();
    this.#release();
  }
}

const open = new WeakMap<Runtime, { limits: Limits; users: number }>();

/** The limits of a node: its gateways share one count of sign-ins. Each closes them when it ends. */
export function openLimits(runtime: Runtime, log: Logger): { limits: Limits; close: () => void } {
  let shared = open.get(runtime);
  if (!shared) open.set(runtime, (shared = { limits: new Limits(runtime, log), users: 0 }));
  const mine = shared;
  mine.users += 1;
  return {
    limits: mine.limits,
    close() {
      mine.users -= 1;
      if (mine.users > 0) return;
      open.delete(runtime);
      mine.limits.close();
    },
  };
}

/** Counts a request by its address; throws a 429. */
export function countAddress(exchange: Exchange, name: "anonymous" | "auth"): void {
  const { key, campus }: Address = exchange.address;
  const { limit } = exchange.gateway.limits[name];
  count(exchange, name, key, campus ? limit * CAMPUS_FACTOR : limit);
}

/** Counts a request by its user; throws a 429. */
export function countUser(exchange: Exchange, user: string): void {
  count(exchange, "user", user, exchange.gateway.limits.user.limit);
}

function count({ res, gateway }: Exchange, name: LimitName, key: string, limit: number): void {
  const state = gateway.limits[name].hit(key, limit);
  if (state.limit === 0) return;
  res.setHeader("RateLimit-Limit", state.limit);
  res.setHeader("RateLimit-Remaining", state.remaining);
  res.setHeader("RateLimit-Reset", state.resetSeconds);
  if (state.allowed) return;
  gateway.recorder.limited(name);
  throw new AppError("RATE_LIMITED", { retryAfter: state.resetSeconds });
}

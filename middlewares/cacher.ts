/** The cacher of cached actions: memory in one process, Redis in a cluster. */
import { Cachers } from "moleculer";
import type { BrokerOptions, ServiceBroker } from "moleculer";
import { clusterOptions, guardRedis, redisTarget, tellAway } from "../lib/redis.ts";
import type { Settings } from "../lib/settings.ts";

/** Redis away or frozen costs its command time-out and no answer: a read misses, a write is left out. */
class ForgivingRedisCacher extends Cachers.Redis {
  override init(broker: ServiceBroker): void {
    super.init(broker);
    guardRedis(this.client);
    // Moleculer's would log each command of the time without Redis, and each try to connect.
    const { logger } = this;
    tellAway(this.client, (text, data) => logger.warn(`${text} (cache)`, data));
    this.logger = { ...QUIET, warn: (...told: unknown[]) => logger.warn(...told) };
  }

  override get(key: string): ReturnType<RedisCacher["get"]> {
    // What a miss is to the broker, its types do not say.
    return super.get(key).catch(() => undefined as never);
  }

  override set(key: string, data: unknown, ttl?: number): ReturnType<RedisCacher["set"]> {
    return super.set(key, data, ttl).catch(() => undefined as never);
  }

  override async close(): Promise<void> {
    this.client.disconnect();
  }
}

const nothing = (): void => undefined;
const QUIET = {
  fatal: nothing,
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  trace: nothing,
};

type RedisCacher = InstanceType<typeof Cachers.Redis>;

export function cacherOf(settings: Settings): BrokerOptions["cacher"] {
  if (!settings.redisUrl) return new Cachers.MemoryLRU({ max: 10_000, ttl: 30, clone: copyOf });
  const { nodes, options } = redisTarget(settings.redisUrl);
  const connection = nodes ? { cluster: { nodes, options: clusterOptions(options) } } : { redis: options };
  // Every connection waits for nothing: redisTarget gives short time-outs and no offline queue.
  return new ForgivingRedisCacher({
    ttl: 30,
    pingInterval: 0,
    ...connection,
  });
}

/** A copy of JSON. lodash's, which `clone: true` takes, needs four times as long. */
function copyOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) copy[key] = copyOf((value as Record<string, unknown>)[key]);
  return copy;
}

/**
 * Reads from replicas, but for who has just written: a change marks the people whom it concerns in Redis, and for 15 s
 * their reads go to the primary. Without replicas every read goes to the primary and nothing is marked.
 */
import type { Cluster, Redis } from "ioredis";
import type { Logger, ServiceBroker } from "moleculer";
import type { Statements } from "../lib/database.ts";
import type { Mixin } from "../lib/implement.ts";
import { shareRedis } from "../lib/redis.ts";
import { Replicas } from "../lib/replicas.ts";
import type { SqlDomain } from "../lib/settings.ts";
import type { DatabaseMethods } from "./database.ts";
import { runtimeOf } from "./runtime.ts";
import type { ServerState } from "./runtime.ts";

const MARK_MS = 15_000;

export interface ReadYourWritesMethods {
  /** Where `user` reads from: a replica, or the primary after a write that concerns them and when Redis is away. */
  reads(user: string | null): Promise<Statements>;
  /** Between the commit and the answer: the next reads of these people see the change. Never fails. */
  wrote(users: readonly (string | null)[]): Promise<void>;
}

interface Shared {
  replicas: Replicas;
  redis: { client: Redis | Cluster; release(): void } | null;
  /** When Redis last did not take or tell a mark: for as long as that would have held, marks may be missing. */
  failedAt: number;
  users: number;
}

/** Replicas of a broker; clubs alone has them. */
const shared = new WeakMap<ServiceBroker, Shared>();

/** Needs the database mixin beside it. */
export function readYourWrites(domain: SqlDomain): Mixin<ReadYourWritesMethods> {
  type Self = DatabaseMethods & { broker: ServiceBroker; logger: Logger; $reading?: Shared | null };
  const keyOf = (user: string): string => `ryw:${domain}:${user}`;
  const mixin = {
    // Not in "created": those of other mixins may come later.
    async started(this: Self) {
      this.$reading = acquire(this, domain);
      await this.$reading?.replicas.start();
    },
    async stopped(this: Self) {
      const own = this.$reading;
      if (!own || --own.users > 0) return;
      shared.delete(this.broker);
      runtimeOf(this.broker).probes.delete("replicas");
      own.redis?.release();
      await own.replicas.stop();
    },
    methods: {
      async reads(this: Self, user: string | null): Promise<Statements> {
        const own = this.$reading;
        const replica = own?.replicas.next();
        if (!replica) return this.db.primary;
        if (!user) return replica;
        const marked = await own?.redis?.client.exists(keyOf(user)).catch(() => failed(own));
        const sure = own !== null && own !== undefined && Date.now() - own.failedAt > MARK_MS;
        return marked === 0 && sure ? replica : this.db.primary;
      },
      async wrote(this: Self, users: readonly (string | null)[]): Promise<void> {
        const own = this.$reading;
        const client = own?.redis?.client;
        if (!own || !client) return;
        const people = users.filter((user): user is string => user !== null);
        await Promise.all(
          people.map((user) => client.set(keyOf(user), 1, "PX", MARK_MS).catch(() => failed(own))),
        );
      },
    },
  };
  // Moleculer types methods by `this` of any; the mixin's own types are in ReadYourWritesMethods.
  return mixin as unknown as Mixin<ReadYourWritesMethods>;
}

function failed(own: Shared): null {
  own.failedAt = Date.now();
  return null;
}

function acquire(
  service: DatabaseMethods & { broker: ServiceBroker; logger: Logger },
  domain: SqlDomain,
): Shared | null {
  const { settings } = runtimeOf(service.broker);
  if (!settings.sqlUrls.clubs || settings.clubsReadUrls.length === 0) return null;
  const known = shared.get(service.broker);
  if (known) {
    known.users++;
    return known;
  }
  const warn = (text: string, data?: object): void => service.logger.warn(text, data);
  const made: Shared = {
    replicas: new Replicas(service.db.primary, settings.clubsReadUrls, warn),
    redis: settings.redisUrl ? shareRedis(settings.redisUrl, warn) : null,
    failedAt: 0,
    users: 1,
  };
  shared.set(service.broker, made);
  const look = async () => ({ replicas: made.replicas.states });
  const servers = (): ServerState[] =>
    made.replicas.servers.map(({ host, ...state }) => ({
      name: `${domain}@${host}`,
      kind: "mysql-replica",
      up: state.lagMs !== null,
      ...state,
    }));
  runtimeOf(service.broker).probes.set("replicas", { kind: "mysql", look, servers });
  return made;
}

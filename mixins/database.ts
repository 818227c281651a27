/**
 * The SQL database of a domain for its services: changes with messages and idempotency keys in one transaction,
 * consumers with an inbox, reads that see one's own writes. Services of one domain on one node share a connection.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { Logger, ServiceBroker } from "moleculer";
import { Sequelize } from "sequelize";
import type { Acted } from "../lib/audit.ts";
import { Database, mysqlOptions } from "../lib/database.ts";
import type { Origin, Tx } from "../lib/database.ts";
import type { Envelope } from "../lib/declare.ts";
import type { Ctx, Mixin } from "../lib/implement.ts";
import { PRIMARY, slowStatements } from "../lib/mysql.ts";
import { copyBefore, Migrations } from "../lib/migrations.ts";
import { poolOf } from "../lib/pools.ts";
import { SettingsError } from "../lib/settings.ts";
import type { Settings, SqlDomain } from "../lib/settings.ts";
import { describeSqliteError, sqlite, StoreInUseError } from "../lib/sqlite.ts";
import { chosenStatus } from "../middlewares/idempotency.ts";
import type { IdempotencyStore } from "../middlewares/idempotency.ts";
import { actedMessage, record } from "./acting.ts";
import type { RefusalMethods } from "./acting.ts";
import { closeKey, keysOf } from "./idempotency-keys.ts";
import { waitForMigrations } from "./migrated.ts";
import type { Outbox } from "./outbox.ts";
import { sqlOutbox } from "./outbox-sql.ts";
import { Relay } from "./relay.ts";
import { runtimeOf } from "./runtime.ts";

/** Domains whose tables are sharded, and the column that the outbox is sharded by. */
const SHARD_KEYS: Partial<Record<SqlDomain, string>> = { users: "user_id" };

export interface DatabaseMethods extends RefusalMethods {
  db: Database;
  outbox: Outbox;
  relay: Relay;
  idempotencyKeys: IdempotencyStore;
  /**
   * Runs a change: rows, messages (`tx.tell`), what the audit log is told of it, and the answer to the request's
   * Idempotency-Key commit together. What `work` returns is the answer: the handler returns it as it is. `work` may run
   * again after a deadlock.
   */
  change<R>(ctx: Ctx, work: (tx: Tx) => Promise<R>): Promise<R>;
  /** Runs the effect of a message, once however often it comes. */
  consume(ctx: Ctx<Envelope>, work: (tx: Tx) => Promise<void>): Promise<void>;
  /** Takes an action's answer for these values of its cache keys out of every node's cache. */
  forget(action: string, ...values: string[]): Promise<void>;
}

interface Shared {
  db: Database;
  outbox: Outbox;
  relay: Relay;
  ready: Promise<void>;
  users: number;
}

const shared = new WeakMap<ServiceBroker, Map<SqlDomain, Shared>>();

/** Gives a service the database of its domain. */
export function database(domain: SqlDomain): Mixin<DatabaseMethods> {
  const mixin = {
    created(this: DatabaseMethods & { broker: ServiceBroker; logger: Logger }) {
      const own = acquire(this.broker, domain, this.logger);
      this.db = own.db;
      this.outbox = own.outbox;
      this.relay = own.relay;
      this.idempotencyKeys = keysOf(own.db);
    },
    async started(this: DatabaseMethods & { broker: ServiceBroker }) {
      await shared.get(this.broker)?.get(domain)?.ready;
    },
    async stopped(this: DatabaseMethods & { broker: ServiceBroker }) {
      await release(this.broker, domain);
    },
    methods: {
      async change<R>(this: DatabaseMethods, ctx: Ctx, work: (tx: Tx) => Promise<R>): Promise<R> {
        const key = ctx.locals.idempotency;
        const origin: Origin = { actor: ctx.locals.user, requestId: ctx.requestID ?? null };
        const answer = await this.db.transaction(async (tx) => {
          const body = await work(tx);
          await record(tx, ctx, domain, body);
          if (key && !key.closed)
            await closeKey(tx, ctx.locals.user as string, key.row, key.lease, {
              status: chosenStatus(ctx),
              body,
            });
          return body;
        }, origin);
        if (key) key.closed = true;
        this.relay.nudge();
        return answer;
      },
      async consume(
        this: DatabaseMethods,
        ctx: Ctx<Envelope>,
        work: (tx: Tx) => Promise<void>,
      ): Promise<void> {
        const { id, actor, requestId } = ctx.params;
        const consumer = String(ctx.action?.name);
        await this.db.transaction(
          async (tx) => {
            if (await tx.insertNew("inbox", { id, consumer, received_at: Date.now() })) await work(tx);
          },
          { actor, requestId },
        );
        this.relay.nudge();
      },
      async tellRefused(this: DatabaseMethods, ctx: Ctx, acted: Acted): Promise<void> {
        await this.db.transaction((tx) => tx.tell(actedMessage(ctx, domain, acted)));
        this.relay.nudge();
      },
      async forget(this: { broker: ServiceBroker }, action: string, ...values: string[]): Promise<void> {
        // As the cacher writes the key of an action whose keys are strings.
        const key = `${action}:${values.map((value) => `"${value}"`).join("|")}`;
        await this.broker.cacher?.del(key).catch(() => undefined);
        // A memory cache is private to its node.
        if (!runtimeOf(this.broker).settings.redisUrl) void this.broker.broadcast("cache.forget", { key });
      },
    },
    events: {
      "cache.forget"(this: { broker: ServiceBroker }, ctx: { params: { key: string } }) {
        void this.broker.cacher?.del(ctx.params.key);
      },
    },
  };
  // Moleculer types methods by `this` of any; the mixin's own types are in DatabaseMethods.
  return mixin as unknown as Mixin<DatabaseMethods>;
}

function acquire(broker: ServiceBroker, domain: SqlDomain, log: Logger): Shared {
  const ofBroker = shared.get(broker) ?? new Map<SqlDomain, Shared>();
  shared.set(broker, ofBroker);
  const known = ofBroker.get(domain);
  if (known) {
    known.users++;
    return known;
  }
  const { settings, readiness, probes } = runtimeOf(broker);
  const warn = (text: string, data: object): void => log.warn(text, { domain, ...data });
  const sequelize = connect(settings, domain, warn);
  const db = new Database(sequelize, SHARD_KEYS[domain] ?? null);
  const outbox = sqlOutbox(db);
  const relay = new Relay(broker, domain, outbox, log);
  const ready = prepare(settings, domain, sequelize, log, (reason) =>
    reason ? readiness.block(`${domain}-database`, reason) : readiness.clear(`${domain}-database`),
  );
  const made = { db, outbox, relay, ready, users: 1 };
  const ask = async (): Promise<void> => void (await db.primary.number("SELECT 1"));
  const kind = settings.sqlUrls[domain] ? "mysql" : "sqlite";
  probes.set(domain, { kind, look: ask, pool: () => poolOf(sequelize) });
  // Whoever waits for it meets the error; nobody may be waiting yet.
  ready.catch(() => undefined);
  ofBroker.set(domain, made);
  return made;
}

async function release(broker: ServiceBroker, domain: SqlDomain): Promise<void> {
  const own = shared.get(broker)?.get(domain);
  if (!own || --own.users > 0) return;
  shared.get(broker)?.delete(domain);
  runtimeOf(broker).probes.delete(domain);
  await own.relay.stop();
  await own.db.sequelize.close();
}

/** The file of a domain that runs embedded. */
export function storeFile(settings: Settings, domain: SqlDomain): string {
  return path.join(settings.dataDir, `${domain}.sqlite`);
}

/**
 * Sequelize for a domain: its MySQL address, or an SQLite file in DATA_DIR.
 * @param warn of a service, which has limits and tells of slow statements; what else works on the store has neither
 */
export function connect(
  settings: Settings,
  domain: SqlDomain,
  warn: ((text: string, data: object) => void) | null = null,
): Sequelize {
  const url = settings.sqlUrls[domain];
  const slow = warn && slowStatements(warn);
  if (url) return new Sequelize({ ...mysqlOptions(url, warn && PRIMARY), ...slow });
  try {
    mkdirSync(settings.dataDir, { recursive: true });
  } catch (error) {
    throw new SettingsError(
      `DATA_DIR "${settings.dataDir}" cannot be made: ${(error as Error).message}. Name a folder that this user may write.`,
    );
  }
  return new Sequelize({
    dialect: "sqlite",
    dialectModule: sqlite,
    storage: storeFile(settings, domain),
    logging: false,
    pool: { max: 50 },
    ...slow,
  });
}

/** Embedded: migrates at start, after a copy. On a server: not ready while migrations are pending. */
async function prepare(
  settings: Settings,
  domain: SqlDomain,
  sequelize: Sequelize,
  log: Logger,
  block: (reason: string | null) => void,
): Promise<void> {
  const migrations = new Migrations(sequelize, domain);
  if (settings.sqlUrls[domain]) return waitForMigrations(migrations, domain, log, block);
  const file = storeFile(settings, domain);
  try {
    const pending = await migrations.pending();
    if (pending.length === 0) return;
    if ((await migrations.executed()).length > 0) await copyBefore(sequelize, file, pending[0] as string);
    await migrations.up();
  } catch (error) {
    throw explainStore(error, file);
  }
}

/** An error of an embedded store as a sentence for the operator. */
export function explainStore(error: unknown, file: string): unknown {
  const original = (error as { original?: unknown }).original ?? error;
  if (original instanceof StoreInUseError) return new SettingsError(original.message);
  const sentence = describeSqliteError(error, file);
  return sentence ? new SettingsError(sentence) : error;
}

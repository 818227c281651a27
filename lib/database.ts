/** SQL of one domain: one Sequelize instance for the process, statements with named values, transactions. */
import { QueryTypes, Sequelize, Transaction, UniqueConstraintError } from "sequelize";
import type { Options } from "sequelize";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { newId } from "./ids.ts";
import type { Envelope } from "./declare.ts";
import { mysqlDriver, PRIMARY } from "./mysql.ts";
import type { SqlLimits } from "./mysql.ts";

export type Value = string | number | null;
export type Values = Record<string, Value | readonly Value[]>;
export type Row = Record<string, Value>;

/** Of one statement. */
const ROWS_AT_ONCE = 100;

/**
 * Runs statements whose values are named (`:id`) and always bound, never written into the text; a list fills
 * `IN (:ids)`. Columns hold strings and whole numbers alone, so that rows are the same on SQLite and MySQL.
 */
export class Statements {
  readonly sequelize: Sequelize;
  readonly transaction: Transaction | null;

  constructor(sequelize: Sequelize, transaction: Transaction | null) {
    this.sequelize = sequelize;
    this.transaction = transaction;
  }

  /** All rows of a SELECT. */
  async all<R extends object = Row>(sql: string, values: Values = {}): Promise<R[]> {
    const { text, bind } = bound(sql, values);
    return this.sequelize.query<R>(text, {
      bind,
      type: QueryTypes.SELECT,
      transaction: this.transaction,
    });
  }

  /** The first row of a SELECT, or null. */
  async one<R extends object = Row>(sql: string, values: Values = {}): Promise<R | null> {
    return (await this.all<R>(sql, values))[0] ?? null;
  }

  /** The number in the only column of the only row (`SELECT COUNT(*) AS n`). */
  async number(sql: string, values: Values = {}): Promise<number> {
    const row = await this.one(sql, values);
    return Number(Object.values(row ?? {})[0] ?? 0);
  }

  /** Runs an UPDATE or DELETE; returns how many rows it changed (an UPDATE: matched). */
  async run(sql: string, values: Values = {}): Promise<number> {
    const { text, bind } = bound(sql, values);
    // BULKUPDATE is the type whose answer is the number of affected rows on both dialects.
    return this.sequelize.query(text, { bind, type: QueryTypes.BULKUPDATE, transaction: this.transaction });
  }

  /** Inserts one row. */
  async insert(table: string, row: Row): Promise<void> {
    const columns = Object.keys(row);
    const sql = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map((column) => `:${column}`).join(", ")})`;
    const { text, bind } = bound(sql, row);
    await this.sequelize.query(text, { bind, type: QueryTypes.INSERT, transaction: this.transaction });
  }

  /** Inserts rows of the same columns. Outside a transaction a failure may leave the first of them. */
  async insertAll(table: string, rows: readonly Row[]): Promise<void> {
    const columns = Object.keys(rows[0] ?? {});
    const into = `INSERT INTO ${table} (${columns.join(", ")})`;
    for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
      const some = rows
        .slice(from, from + ROWS_AT_ONCE)
        .map((row) => columns.map((name) => row[name] ?? null));
      const { text, bind } = this.sequelize.getDialect() === "mysql" ? listed(some) : asJson(some);
      await this.sequelize.query(`${into} ${text}`, {
        bind,
        type: QueryTypes.INSERT,
        transaction: this.transaction,
      });
      // An embedded store answers at once: without this, requests would wait until all of it is written.
      await nextTurn();
    }
  }

  /** Inserts one row unless a unique key has it already; returns whether it is new. */
  async insertNew(table: string, row: Row): Promise<boolean> {
    try {
      await this.insert(table, row);
      return true;
    } catch (error) {
      if (error instanceof UniqueConstraintError) return false;
      throw error;
    }
  }
}

interface Bound {
  text: string;
  bind: Value[] | Record<string, Value>;
}

function listed(rows: readonly Value[][]): Bound {
  let at = 0;
  const places = rows.map((row) => `(${row.map(() => `$${++at}`).join(", ")})`);
  return { text: `VALUES ${places.join(", ")}`, bind: rows.flat() };
}

/** The same for SQLite: each bound value costs it more than to read it out of JSON, which keeps strings and whole numbers. */
function asJson(rows: readonly Value[][]): Bound {
  const values = (rows[0] ?? []).map((_, i) => `json_extract(value, '$[${i}]')`);
  return { text: `SELECT ${values.join(", ")} FROM json_each($rows)`, bind: { rows: JSON.stringify(rows) } };
}

/** `:name` → bound values; lists are spread. Quoted text in statements holds no colons. */
function bound(sql: string, values: Values): { text: string; bind: Record<string, Value> } {
  const bind: Record<string, Value> = {};
  const text = sql.replace(/:([a-z]\w*)/gi, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`The statement names :${name}, which has no value.`);
    if (!Array.isArray(value)) {
      bind[name] = value as Value;
      return `$${name}`;
    }
    if (value.length === 0) return "NULL";
    return value.map((item: Value, i) => ((bind[`${name}_${i}`] = item), `$${name}_${i}`)).join(", ");
  });
  return { text, bind };
}

/** What a message says, before it has its id, time and origin. */
export interface NewMessage {
  type: string;
  aggregate: Envelope["aggregate"];
  data: object;
  /** Where it is not on whose behalf the transaction runs. */
  actor?: string | null;
  requestId?: string | null;
}

/** On whose behalf a transaction runs; goes into its messages. */
export interface Origin {
  actor: string | null;
  requestId: string | null;
}

const NOBODY: Origin = { actor: null, requestId: null };

/** Statements inside a transaction; `tell` puts a message into the outbox of the same transaction. */
export class Tx extends Statements {
  /** Runs after the commit and before the answer (cache keys, nudges). */
  readonly afterCommit: (() => void | Promise<void>)[] = [];
  /** The column that shards the outbox, where the domain is sharded. */
  readonly #shardKey: string | null;
  readonly #origin: Origin;

  constructor(sequelize: Sequelize, transaction: Transaction, shardKey: string | null, origin: Origin) {
    super(sequelize, transaction);
    this.#shardKey = shardKey;
    this.#origin = origin;
  }

  /** Adds a message to the outbox: it is delivered if, and only if, the transaction commits. Returns its id. */
  async tell(message: NewMessage): Promise<string> {
    const envelope = this.#envelopeOf(message);
    await this.requeue(envelope);
    return envelope.id;
  }

  /** Adds many messages; those with `dueAt` (milliseconds since 1970) are delivered no earlier. */
  async tellAll(messages: readonly (NewMessage & { dueAt?: number })[]): Promise<void> {
    const rows = messages.map(({ dueAt, ...message }) => this.#rowOf(this.#envelopeOf(message), "[]", dueAt));
    await this.insertAll("outbox", rows);
  }

  /** Puts a message into the outbox; `done` is the JSON list of consumers that need it no more. */
  async requeue(envelope: Envelope, done = "[]"): Promise<void> {
    await this.insert("outbox", this.#rowOf(envelope, done));
  }

  #envelopeOf(message: NewMessage): Envelope {
    return { id: newId(), at: Date.now(), ...this.#origin, ...message };
  }

  #rowOf(envelope: Envelope, done: string, dueAt = Date.now()): Row {
    return {
      id: envelope.id,
      type: envelope.type,
      envelope: JSON.stringify(envelope),
      created_at: envelope.at,
      due_at: dueAt,
      attempts: 0,
      done,
      ...(this.#shardKey && { [this.#shardKey]: envelope.aggregate.id }),
    };
  }
}

const RETRIES = 5;
/** Milliseconds after which nothing is tried again: whoever asked has 10 s, and each try may wait for locks. */
const RETRY_FOR = 4_000;

export class Database {
  readonly sequelize: Sequelize;
  /** Reads and writes on the primary; who may read from a replica chooses by mixins/read-your-writes.ts. */
  readonly primary: Statements;
  readonly #shardKey: string | null;

  constructor(sequelize: Sequelize, shardKey: string | null = null) {
    this.sequelize = sequelize;
    this.primary = new Statements(sequelize, null);
    this.#shardKey = shardKey;
  }

  /**
   * Runs `work` in one transaction and commits; a deadlock or a busy store runs it again (5 times with jitter), so
   * it must do nothing but statements. Not nested. When the connection is lost during the commit nobody knows
   * whether it took place: it is not run again, and the caller's Idempotency-Key tells at the next try.
   */
  async transaction<R>(work: (tx: Tx) => Promise<R>, origin: Origin = NOBODY): Promise<R> {
    const end = Date.now() + RETRY_FOR;
    for (let attempt = 1; ; attempt++) {
      try {
        const [result, tx] = await this.sequelize.transaction(
          { isolationLevel: this.#isolation() },
          async (transaction) => {
            const inner = new Tx(this.sequelize, transaction, this.#shardKey, origin);
            return [await work(inner), inner] as const;
          },
        );
        for (const each of tx.afterCommit) await each();
        return result;
      } catch (error) {
        if (attempt >= RETRIES || Date.now() > end || !isRepeatable(error)) throw error;
        await sleep(Math.random() * 20 * 2 ** attempt);
      }
    }
  }

  #isolation(): Transaction.ISOLATION_LEVELS | undefined {
    return this.sequelize.getDialect() === "mysql" ? Transaction.ISOLATION_LEVELS.READ_COMMITTED : undefined;
  }
}

/** Errors after which nothing was changed and a repeat may succeed. */
function isRepeatable(error: unknown): boolean {
  const code =
    (error as { original?: { code?: string } }).original?.code ?? (error as { code?: string }).code ?? "";
  return ["ER_LOCK_DEADLOCK", "ER_LOCK_WAIT_TIMEOUT", "SQLITE_BUSY"].includes(code);
}

/** Whether the error says that a unique key has the value already. */
export function isDuplicate(error: unknown): error is UniqueConstraintError {
  return error instanceof UniqueConstraintError;
}

/**
 * Sequelize's options for a MySQL address.
 * @param limits of a domain's services; without them a statement may take as long as a migration does
 */
export function mysqlOptions(url: string, limits: SqlLimits | null = null): Options {
  const { connections, acquire, connect } = limits ?? PRIMARY;
  return {
    dialect: "mysql",
    ...(limits && { dialectModule: mysqlDriver(limits) }),
    logging: false,
    pool: { max: connections, min: 0, acquire, idle: 30_000 },
    dialectOptions: { connectTimeout: connect, charset: "utf8mb4" },
    ...connectionOf(url),
  };
}

function connectionOf(url: string) {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    host: hostname,
    port: Number(port || 3306),
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1),
  };
}

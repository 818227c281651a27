/** One connection of node:sqlite: values in and out, and statements kept prepared. */
import { DatabaseSync } from "node:sqlite";
import type { SQLInputValue, StatementSync } from "node:sqlite";
import { isDate, isNativeError, isUint8Array } from "node:util/types";

/** What a statement binds: `[a, b]` for `?`, or `{ $a: 1 }` for `$a`. */
export type Binds = readonly unknown[] | Readonly<Record<string, unknown>>;
/** A row by column names. Integers beyond 2^53 come as text, blobs as Buffer. */
export type Row = Record<string, unknown>;

/** What a write did: rows changed, and the rowid of the last one inserted. */
export interface Changes {
  changes: number;
  lastID: number;
}

const STATEMENTS = 200;
const LONGEST_KEPT = 10_000;

function toInput(value: unknown): SQLInputValue {
  if (value === undefined || value === null) return null;
  if (typeof value === "boolean") return value ? 1n : 0n;
  // node:sqlite binds every number as REAL, and 7 would become '7.0' in a text column.
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === "string" || typeof value === "bigint" || isUint8Array(value)) return value;
  // As Sequelize writes dates, so that a bound date compares with a stored one.
  if (isDate(value)) return value.toISOString().replace("T", " ").replace("Z", " +00:00");
  throw new TypeError(`A value of type ${typeof value} cannot be bound to a statement: make it text first.`);
}

function fromOutput(value: unknown): unknown {
  if (isUint8Array(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (typeof value !== "bigint") return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}

export class Connection {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** With foreign keys on, as node:sqlite has them. */
  constructor(file: string, readOnly: boolean) {
    this.db = new DatabaseSync(file, { readOnly, timeout: 200 });
  }

  run(sql: string, binds: Binds): Changes {
    const [named, list] = this.#bound(binds);
    const done = this.#prepare(sql).run(named, ...list);
    return { changes: Number(done.changes), lastID: Number(done.lastInsertRowid) };
  }

  all(sql: string, binds: Binds): Row[] {
    const [named, list] = this.#bound(binds);
    const statement = this.#prepare(sql);
    try {
      return plain(statement.all(named, ...list));
    } catch (error) {
      const tooLarge = isNativeError(error) && "code" in error && error.code === "ERR_OUT_OF_RANGE";
      if (!tooLarge || !/^\s*SELECT\b/i.test(sql)) throw error;
      statement.setReadBigInts(true);
      try {
        return plain(statement.all(named, ...list));
      } finally {
        statement.setReadBigInts(false);
      }
    }
  }

  #bound(binds: Binds): [Record<string, SQLInputValue>, SQLInputValue[]] {
    if (Array.isArray(binds)) return [{}, binds.map(toInput)];
    return [Object.fromEntries(Object.entries(binds).map(([name, value]) => [name, toInput(value)])), []];
  }

  #prepare(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.db.prepare(sql);
    if (sql.length > LONGEST_KEPT) return statement;
    this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    for (const oldest of this.#statements.keys()) {
      if (this.#statements.size <= STATEMENTS) break;
      this.#statements.delete(oldest);
    }
    return statement;
  }
}

function plain(rows: Row[]): Row[] {
  const names = Object.keys(rows[0] ?? {});
  return rows.map((row) => {
    const out: Row = {};
    for (const name of names) out[name] = fromOutput(row[name]);
    return out;
  });
}

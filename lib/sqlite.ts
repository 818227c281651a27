/**
 * SQLite for Sequelize, on node:sqlite: what its sqlite dialect (6.37, lib/dialects/sqlite) asks of a driver.
 *
 * `new Sequelize({ dialect: "sqlite", dialectModule: sqlite, storage: file, logging: false })`
 *
 * Of one file there is one connection that writes. BEGIN (always IMMEDIATE) waits for its turn and keeps the
 * connection until COMMIT or ROLLBACK, a write outside a transaction waits for its turn too; so inside a
 * transaction every statement must be given the transaction. Reads outside one never wait and see what is
 * committed.
 */
import type { Binds, Connection, Row } from "./sqlite-connection.ts";
import { SqliteError, toSqliteError } from "./sqlite-errors.ts";
import { Store } from "./sqlite-store.ts";
import type { StoreUser } from "./sqlite-store.ts";

export type { Binds, Row } from "./sqlite-connection.ts";
export { describeSqliteError, SqliteError } from "./sqlite-errors.ts";
export { StoreInUseError } from "./store-lock.ts";
export { openStore } from "./sqlite-store.ts";
export type { OpenStore } from "./sqlite-store.ts";

/** `this` of a callback. Sequelize looks for this very name, and for own properties after a write. */
class Statement {
  declare lastID?: number;
  declare changes?: number;
}

type Callback = (this: Statement, error: Error | null, rows?: Row[]) => void;
type Result = [statement: Statement, rows?: Row[]];

/** A handle as Sequelize opens it: one for all statements outside transactions, and one for each transaction. */
class Database implements StoreUser {
  readonly filename: string;
  lost: Error | null = null;
  /** Set by Sequelize. */
  declare uuid?: string;
  #store: Store | Error;

  constructor(filename: string, _mode?: number, callback?: (error: Error | null) => void) {
    this.filename = filename;
    try {
      this.#store = Store.open(filename);
    } catch (error) {
      this.#store = toSqliteError(error);
    }
    const failed = this.#store instanceof Error ? this.#store : null;
    queueMicrotask(() => callback?.(failed));
  }

  serialize(work: () => void): void {
    work();
  }

  /** Writes; the callback's `this` has `lastID` and `changes`. */
  run(sql: string, binds: Binds = [], callback?: Callback): void {
    // Said at each connect. The shared connection has them on, and it is not worth a turn in the queue.
    if (sql === "PRAGMA FOREIGN_KEYS=ON") return;
    this.#write(sql, callback, (writer, text) => [Object.assign(new Statement(), writer.run(text, binds))]);
  }

  /** Reads, or writes what answers rows. */
  all(sql: string, ...rest: [Callback?] | [Binds, Callback?]): void {
    const binds = typeof rest[0] === "object" ? rest[0] : [];
    const callback = typeof rest[0] === "function" ? rest[0] : rest[1];
    const store = this.#store;
    if (store instanceof Store && store.owner !== this && this.lost === null) {
      try {
        const rows = store.read(sql, binds);
        if (rows !== null) return answer(callback, null, [new Statement(), rows]);
      } catch (error) {
        return answer(callback, toSqliteError(error));
      }
    }
    this.#write(sql, callback, (writer, text) => [new Statement(), writer.all(text, binds)]);
  }

  /** Rolls back what is open; calls back when the handle's waiting writes are done. */
  close(callback?: (error: Error | null) => void): void {
    const store = this.#store;
    const done = () => queueMicrotask(() => callback?.(null));
    this.#store = new SqliteError("SQLITE_MISUSE", "Database is closed");
    if (store instanceof Error) done();
    else store.leave(this, done);
  }

  #write(
    sql: string,
    callback: Callback | undefined,
    work: (writer: Connection, sql: string) => Result,
  ): void {
    const store = this.#store;
    if (store instanceof Error) return answer(callback, store);
    // Nothing is open: BEGIN failed, or the transaction is over already. Sequelize rolls back all the same.
    if (store.owner !== this && /^\s*ROLLBACK\s*;?\s*$/i.test(sql)) {
      this.lost = null;
      return answer(callback, null, [new Statement(), []]);
    }
    const turn = () => {
      try {
        answer(callback, null, store.write(this, sql, work));
      } catch (error) {
        answer(callback, toSqliteError(error));
      }
    };
    if (store.owner === this || this.lost !== null) turn();
    else store.queue(this, turn);
  }
}

/** Never before the call has returned, as Sequelize expects. */
function answer(
  callback: Callback | undefined,
  error: Error | null,
  result: Result = [new Statement()],
): void {
  queueMicrotask(() => callback?.call(result[0], error, result[1]));
}

/** The `dialectModule` for Sequelize. */
export const sqlite = { Database, OPEN_READONLY: 1, OPEN_READWRITE: 2, OPEN_CREATE: 4 };

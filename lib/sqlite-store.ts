/**
 * The embedded SQL stores: one SQLite file each, used by one process.
 *
 * node:sqlite blocks the loop while it waits for a lock, so two connections of a process that write would each
 * wait for what the other can no longer do. All users of a file therefore share one connection that writes,
 * behind a queue in JavaScript, and one that only reads.
 */
import { mkdirSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Connection } from "./sqlite-connection.ts";
import type { Binds, Changes, Row } from "./sqlite-connection.ts";
import { SqliteError, toSqliteError } from "./sqlite-errors.ts";
import { lockStore } from "./store-lock.ts";

/** A transaction that asks nothing for so long (ms) is rolled back: nobody else can write meanwhile. */
const IDLE_LIMIT = 10_000;

const BEGINS = /^\s*BEGIN\b/i;
const ENDS = /^\s*(COMMIT|END|ROLLBACK)(\s+TRANSACTION)?\s*;?\s*$/i;
const READS =
  /^\s*(SELECT|WITH|VALUES|EXPLAIN)\b|^\s*PRAGMA\s+(table_|index_|foreign_key|user_version|integrity_|quick_)[^=]*$/i;
const READONLY = "SQLITE_READONLY";

/** Who uses a store. `lost`: why its transaction is over without its doing. */
export interface StoreUser {
  lost: Error | null;
}

/** A file opened by this process: its connections, the queue for writing, the lock against other processes. */
export class Store {
  static readonly #open = new Map<string, Store>();
  readonly #file: string;
  readonly #unlock: () => void;
  readonly #writer: Connection;
  readonly #reader: Connection;
  readonly #waiting: { user: StoreUser; work: () => void }[] = [];
  #users = 0;
  #owner: StoreUser | null = null;
  #idle: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;

  /**
   * The store of a file, made if there is none. Each open needs one `leave`.
   * @throws {StoreInUseError} another process has it open
   * @throws {SqliteError} it cannot be opened
   */
  static open(name: string): Store {
    if (name === "" || name.startsWith(":"))
      throw new SqliteError("SQLITE_MISUSE", "a store is a file on disk");
    mkdirSync(dirname(resolve(name)), { recursive: true });
    const file = realFile(name);
    try {
      const store = Store.#open.get(file) ?? new Store(file);
      Store.#open.set(file, store);
      store.#users++;
      return store;
    } catch (error) {
      throw toSqliteError(error);
    }
  }

  private constructor(file: string) {
    this.#file = file;
    this.#unlock = lockStore(file);
    const opened: Connection[] = [];
    try {
      opened.push((this.#writer = new Connection(file, false)));
      this.#writer.db.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
      opened.push((this.#reader = new Connection(file, true)));
    } catch (error) {
      for (const { db } of opened) db.close();
      this.#unlock();
      throw error;
    }
  }

  /** The store of a file that is open; null for others. */
  static find(name: string): Store | null {
    return Store.#open.get(realFile(name)) ?? null;
  }

  /** How many wait for their turn to write. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whose transaction is open. */
  get owner(): StoreUser | null {
    return this.#owner;
  }

  /** Reads what is committed, at once. @returns null when `sql` does not only read */
  read(sql: string, binds: Binds): Row[] | null {
    if (!READS.test(sql)) return null;
    try {
      return this.#reader.all(sql, binds);
    } catch (e) {
      const error = toSqliteError(e);
      if (error instanceof SqliteError && error.code === READONLY) return null; // WITH … INSERT
      throw error;
    }
  }

  /**
   * One statement on the connection that writes, for its owner or while nobody owns it. BEGIN makes `user` the
   * owner; the end of the transaction, however it comes, frees the connection.
   */
  write<T>(user: StoreUser, sql: string, work: (writer: Connection, sql: string) => T): T {
    if (user.lost !== null) return this.#afterLoss(user, sql);
    try {
      const result = work(this.#writer, BEGINS.test(sql) ? "BEGIN IMMEDIATE" : sql);
      if (this.#owner === null && this.#writer.db.isTransaction) this.#take(user, sql);
      return result;
    } catch (error) {
      throw toSqliteError(error);
    } finally {
      this.#settle(ENDS.test(sql));
    }
  }

  #afterLoss(user: StoreUser, sql: string): never {
    const lost = user.lost;
    if (ENDS.test(sql)) user.lost = null;
    throw lost;
  }

  #take(user: StoreUser, sql: string): void {
    if (!BEGINS.test(sql)) throw new SqliteError("SQLITE_MISUSE", "a transaction starts with BEGIN");
    this.#owner = user;
    this.#idle = setTimeout(() => this.#giveUp(), IDLE_LIMIT).unref();
  }

  #settle(ended: boolean): void {
    const unfinished = this.#owner !== null && !ended;
    if (unfinished && this.#writer.db.isTransaction) this.#idle?.refresh();
    // SQLite ends a transaction by itself after some errors (a full disk): what follows must not be committed.
    else
      this.#free(unfinished ? new SqliteError("SQLITE_ABORT", "an error has ended the transaction") : null);
  }

  #giveUp(): void {
    const message = `the transaction did nothing for ${IDLE_LIMIT / 1000} s, kept all others waiting and was rolled back. Was a write inside it not given the transaction? Such a write waits for its end`;
    this.#free(new SqliteError("SQLITE_ABORT", message));
  }

  #free(lost: Error | null): void {
    clearTimeout(this.#idle);
    if (this.#owner !== null) this.#owner.lost = lost;
    this.#owner = null;
    this.#wake();
    // Still open after a COMMIT that failed: nobody may take it for done, so it is undone.
    if (this.#writer.db.isTransaction) this.#writer.db.exec("ROLLBACK");
  }

  /** Runs `work` when it is its turn: at once if nobody writes. */
  queue(user: StoreUser, work: () => void): void {
    this.#waiting.push({ user, work });
    if (this.#waiting.length === 1 && this.#owner === null) this.#next();
    else this.#wake();
  }

  #next(): void {
    const at = this.#waiting.findIndex(({ user }) => this.#owner === null || this.#owner === user);
    if (at >= 0) this.#waiting.splice(at, 1)[0]?.work();
    this.#wake();
  }

  /** The next turn comes by way of the event loop, so that answers leave and timers run while many wait. */
  #wake(): void {
    if (this.#turn !== undefined || this.#waiting.length === 0) return;
    if (this.#owner !== null && !this.#waiting.some(({ user }) => user === this.#owner)) return;
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.#next();
    });
  }

  /** Ends one use: an open transaction of `user` is rolled back, its waiting writes are done first. */
  leave(user: StoreUser, done: () => void): void {
    const last = () => {
      if (this.#owner === user) this.#free(null);
      if (--this.#users === 0) this.#close();
      done();
    };
    if (this.#owner === user) this.#free(null);
    if (this.#waiting.some((job) => job.user === user)) this.queue(user, last);
    else last();
  }

  #close(): void {
    Store.#open.delete(this.#file);
    this.#reader.db.close();
    try {
      this.#writer.db.exec("PRAGMA optimize");
    } catch {
      // Statistics can wait; a full disk must not keep the file open.
    }
    this.#writer.db.close(); // as the last connection it moves the WAL into the file
    this.#unlock();
  }
}

function realFile(name: string): string {
  try {
    return realpathSync(name);
  } catch {
    return join(realpathSync(dirname(resolve(name))), basename(name));
  }
}

/** How busy the connection that writes to a file is. */
export function writerOf(file: string): { used: number; idle: number; waiting: number } {
  const store = Store.find(file);
  if (!store) return { used: 0, idle: 0, waiting: 0 };
  const used = store.owner === null ? 0 : 1;
  return { used, idle: 1 - used, waiting: store.waiting };
}

/** A store used without Sequelize. Every call is done, and a write is on disk, when it returns. */
export interface OpenStore {
  /** @throws {SqliteError} SQLITE_BUSY while a transaction of another user of this file is open */
  run(sql: string, binds?: Binds): Changes;
  /** Outside `transaction`, reads what is committed. */
  all(sql: string, binds?: Binds): Row[];
  /** Commits what `work` did, or rolls it back when it throws. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/**
 * Opens a file for synchronous use.
 * @throws {StoreInUseError} another process has it open
 * @throws {SqliteError} it cannot be opened
 */
export function openStore(file: string): OpenStore {
  const store = Store.open(file);
  const user: StoreUser = { lost: null };
  const write = <T>(sql: string, work: (writer: Connection, sql: string) => T): T => {
    if (store.owner !== null && store.owner !== user) {
      throw new SqliteError("SQLITE_BUSY", "another transaction of this file is open");
    }
    return store.write(user, sql, work);
  };
  const run = (sql: string, binds: Binds = []) => write(sql, (writer, text) => writer.run(text, binds));
  return {
    run,
    all(sql, binds = []) {
      const rows = store.owner === user ? null : store.read(sql, binds);
      return rows ?? write(sql, (writer, text) => writer.all(text, binds));
    },
    transaction(work) {
      run("BEGIN");
      try {
        const result = work();
        run("COMMIT");
        return result;
      } catch (error) {
        if (store.owner === user) run("ROLLBACK");
        user.lost = null;
        throw error;
      }
    },
    close: () => store.leave(user, () => undefined),
  };
}

/** Migrations of a domain's store: TypeScript files; those of SQL run statements fit for SQLite and MySQL alike. */
import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Sequelize } from "sequelize";
import { QueryTypes } from "sequelize";
import { Umzug } from "umzug";
import { newId } from "./ids.ts";
import { SettingsError } from "./settings.ts";

/** What a migration works with. */
export interface Migration {
  mysql: boolean;
  /** Runs one statement. */
  query(sql: string): Promise<void>;
  /**
   * Runs an UPDATE or DELETE that changes a limited number of rows again and again, until it changes none: what takes
   * long holds no locks meanwhile. It names the rows by a subquery, since SQLite has no UPDATE … LIMIT.
   */
  inBatches(sql: string): Promise<void>;
  /** Column types that mean the same on both dialects. */
  types: {
    /** A UUID, or any ASCII text of up to 36 characters. */
    id: string;
    /** ASCII text that is compared byte by byte. */
    ascii: (length: number) => string;
    /** Text that is compared byte by byte: what must be unique or sorted is normalized in code. */
    key: (length: number) => string;
    /** Text of people. */
    text: (length: number) => string;
    /** Text of any length (JSON too). */
    long: string;
    integer: string;
  };
  /** Appended to CREATE TABLE: hash partitions by the shard key on MySQL. */
  sharded(column: string): string;
}

interface MigrationFile<C> {
  up(context: C): Promise<void>;
  down(context: C): Promise<void>;
}

/** Where a store keeps which migrations have run, and the lock of who runs them. */
export interface Ledger {
  /** Names of those that have run, in order; makes what the ledger needs. */
  executed(): Promise<string[]>;
  log(name: string): Promise<void>;
  unlog(name: string): Promise<void>;
  /** Takes the lock, or keeps it, until then (milliseconds); false while somebody else has it. */
  take(owner: string, now: number, until: number): Promise<boolean>;
  free(owner: string): Promise<void>;
}

const ROOT = path.join(import.meta.dirname, "..", "migrations");

/** Milliseconds that a lock holds unless it is renewed. */
const LEASE = 30_000;

/** Runs and lists the migrations of one domain on one kind of store. */
export class MigrationRunner<C extends object> {
  readonly #ledger: Ledger;
  readonly #umzug: Umzug<C>;

  constructor(domain: string, ledger: Ledger, context: C) {
    const folder = path.join(ROOT, domain);
    const files = readdirSync(folder)
      .filter((file) => file.endsWith(".ts"))
      .toSorted();
    this.#ledger = ledger;
    this.#umzug = new Umzug<C>({
      context,
      logger: undefined,
      storage: {
        logMigration: ({ name }) => ledger.log(name),
        unlogMigration: ({ name }) => ledger.unlog(name),
        executed: () => ledger.executed(),
      },
      migrations: files.map((file) => {
        const load = async () =>
          (await import(pathToFileURL(path.join(folder, file)).href)) as MigrationFile<C>;
        return {
          name: path.basename(file, ".ts"),
          up: async () => (await load()).up(context),
          down: async () => (await load()).down(context),
        };
      }),
    });
  }

  /** Names of those that have not run. */
  async pending(): Promise<string[]> {
    return (await this.#umzug.pending()).map(({ name }) => name);
  }

  /** Names of those that have run. */
  async executed(): Promise<string[]> {
    return (await this.#umzug.executed()).map(({ name }) => name);
  }

  /** Runs what is pending; who comes second waits. Returns the names. */
  async up(): Promise<string[]> {
    return this.#locked(async () => (await this.#umzug.up()).map(({ name }) => name));
  }

  /** Names of those that have run and are none of this release's: a newer one has run them. */
  async newer(): Promise<string[]> {
    const known = new Set(await this.executed());
    return (await this.#ledger.executed()).filter((name) => !known.has(name));
  }

  /**
   * Undoes the last one. Returns its name, if there was one.
   * @throws SettingsError where a newer release has run migrations after it: these are undone by that release, and first
   */
  async down(): Promise<string[]> {
    return this.#locked(async () => {
      const newer = await this.newer();
      if (newer.length > 0)
        throw new SettingsError(
          `The database has migrations of a newer release (${newer.join(", ")}): undo them with that release first.`,
        );
      return (await this.#umzug.down()).map(({ name }) => name);
    });
  }

  /** The lock is a row with a lease, since not every engine has locks by name; it is renewed while the work runs. */
  async #locked<R>(work: () => Promise<R>): Promise<R> {
    await this.#ledger.executed();
    const owner = newId();
    const take = (): Promise<boolean> => this.#ledger.take(owner, Date.now(), Date.now() + LEASE);
    while (!(await take())) await sleep(500);
    const renewal = setInterval(() => void take().catch(() => undefined), LEASE / 3);
    try {
      return await work();
    } finally {
      clearInterval(renewal);
      await this.#ledger.free(owner);
    }
  }
}

/** The migrations of a domain's SQL database. */
export class Migrations extends MigrationRunner<Migration> {
  constructor(sequelize: Sequelize, domain: string) {
    super(domain, ledgerOf(sequelize), contextOf(sequelize));
  }
}

function ledgerOf(sequelize: Sequelize): Ledger {
  const run = async (sql: string, bind: Record<string, string | number> = {}): Promise<void> => {
    await sequelize.query(sql, { bind });
  };
  return {
    async executed() {
      await run(
        "CREATE TABLE IF NOT EXISTS migrations (name VARCHAR(200) NOT NULL PRIMARY KEY, at BIGINT NOT NULL)",
      );
      await run(
        "CREATE TABLE IF NOT EXISTS migration_lock (id INTEGER NOT NULL PRIMARY KEY, owner VARCHAR(36), until_at BIGINT NOT NULL)",
      );
      const rows = await sequelize.query<{ name: string }>("SELECT name FROM migrations ORDER BY name", {
        type: QueryTypes.SELECT,
        useMaster: true,
      });
      return rows.map(({ name }) => name);
    },
    log: (name) => run("INSERT INTO migrations (name, at) VALUES ($name, $at)", { name, at: Date.now() }),
    unlog: (name) => run("DELETE FROM migrations WHERE name = $name", { name }),
    async take(owner, now, until) {
      await run("INSERT INTO migration_lock (id, owner, until_at) VALUES (1, NULL, 0)").catch(
        () => undefined,
      );
      const [, changed] = await sequelize.query(
        "UPDATE migration_lock SET owner = $owner, until_at = $until WHERE id = 1 AND (until_at < $now OR owner = $owner)",
        { bind: { owner, until, now }, type: QueryTypes.UPDATE },
      );
      return changed > 0;
    },
    free: (owner) => run("UPDATE migration_lock SET until_at = 0 WHERE owner = $owner", { owner }),
  };
}

/** Copies an embedded database beside itself before migrations touch it, with what is still in its log. */
export async function copyBefore(sequelize: Sequelize, file: string, migration: string): Promise<void> {
  const copy = `${file}.before-${migration}`;
  rmSync(copy, { force: true });
  await sequelize.query("VACUUM INTO $copy", { bind: { copy } });
}

function contextOf(sequelize: Sequelize): Migration {
  const mysql = sequelize.getDialect() === "mysql";
  const ascii = (length: number) =>
    mysql ? `VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin` : "TEXT";
  return {
    mysql,
    async query(sql) {
      await sequelize.query(sql);
    },
    async inBatches(sql) {
      const run = (): Promise<[undefined, number]> => sequelize.query(sql, { type: QueryTypes.UPDATE });
      while ((await run())[1] > 0);
    },
    types: {
      id: ascii(36),
      ascii,
      key: (length) => (mysql ? `VARCHAR(${length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin` : "TEXT"),
      text: (length) => (mysql ? `VARCHAR(${length})` : "TEXT"),
      long: mysql ? "MEDIUMTEXT" : "TEXT",
      integer: mysql ? "BIGINT" : "INTEGER",
    },
    sharded: (column) => (mysql ? ` PARTITION BY KEY(${column}) PARTITIONS 16` : ""),
  };
}

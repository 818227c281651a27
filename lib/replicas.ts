/** Read replicas of a MySQL database: who may be read from just now. */
import { Sequelize } from "sequelize";
import { mysqlOptions, Statements } from "./database.ts";
import type { Row, Values } from "./database.ts";
import { REPLICA } from "./mysql.ts";
import { poolOf } from "./pools.ts";
import type { Pool } from "./pools.ts";

/** Milliseconds that a replica may be behind. */
const MAX_LAG = 10_000;
const CHECK = 1_000;

const CLOCK = "SELECT at FROM replica_clock WHERE id = 1";

/** Reads on one replica; what it cannot answer the primary does, and it is left out until the next check. */
class Replica extends Statements {
  readonly host: string;
  readonly #primary: Statements;
  usable = false;
  /** Milliseconds behind the primary at the last look; null where it did not answer. */
  lag: number | null = null;
  /** Milliseconds until it answered. */
  took = 0;

  constructor(url: string, primary: Statements) {
    super(new Sequelize(mysqlOptions(url, REPLICA)), null);
    this.host = new URL(url).host;
    this.#primary = primary;
  }

  override async all<R extends object = Row>(sql: string, values: Values = {}): Promise<R[]> {
    try {
      return await super.all<R>(sql, values);
    } catch {
      this.usable = false;
      return this.#primary.all<R>(sql, values);
    }
  }

  /** What it knows of the primary's clock. */
  async clock(): Promise<number> {
    const [row] = await super.all<{ at: number }>(CLOCK);
    return row?.at ?? 0;
  }
}

/**
 * Each second has the primary note its time in the table `replica_clock` and compares it with what every replica
 * knows: one that does not answer, or whose time is more than MAX_LAG old, is left out until it has caught up. That
 * needs no privilege beyond the tables', does not hang on the clocks of nodes, and also sees a replica that has lost
 * its primary.
 */
export class Replicas {
  readonly #primary: Statements;
  readonly #all: Replica[];
  readonly #warn: (text: string, data: object) => void;
  #turn = 0;
  /** The last time that the primary told. While it is away its replicas get no older than they are. */
  #written = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(primary: Statements, urls: string[], warn: (text: string, data: object) => void) {
    this.#primary = primary;
    this.#warn = warn;
    this.#all = urls.map((url) => new Replica(url, primary));
  }

  /** Checks at once, and from then on every second; resolves after the first check. */
  async start(): Promise<void> {
    if (this.#timer) return;
    this.#timer = setInterval(() => void this.check(), CHECK);
    await this.check();
  }

  /** The next one that may be read from, in turn; null where there is none. */
  next(): Statements | null {
    const usable = this.#all.filter((replica) => replica.usable);
    return usable[this.#turn++ % usable.length] ?? null;
  }

  /** What the last check has found. */
  get states(): { host: string; usable: boolean; lagMs: number | null }[] {
    return this.#all.map(({ host, usable, lag: lagMs }) => ({ host, usable, lagMs }));
  }

  /** The same for monitoring: who answers, how quickly, and how busy the connections are. */
  get servers(): { host: string; lagMs: number | null; milliseconds: number; pool: Pool }[] {
    return this.#all.map(({ host, lag: lagMs, took: milliseconds, sequelize }) => ({
      host,
      lagMs,
      milliseconds,
      pool: poolOf(sequelize),
    }));
  }

  /** Renews who is usable; never fails. */
  async check(): Promise<void> {
    await this.#note().catch(() => undefined);
    await Promise.all(this.#all.map((replica) => this.#look(replica)));
  }

  async #note(): Promise<void> {
    await this.#primary.run(
      "UPDATE replica_clock SET at = ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) WHERE id = 1",
    );
    this.#written = await this.#primary.number(CLOCK);
  }

  async #look(replica: Replica): Promise<void> {
    let reason = "";
    const begun = performance.now();
    try {
      const lag = this.#written - (await replica.clock());
      replica.took = performance.now() - begun;
      replica.lag = Math.max(0, lag);
      if (lag > MAX_LAG) reason = `${Math.round(lag / 1000)} s behind`;
    } catch (error) {
      replica.lag = null;
      reason = (error as Error).message;
    }
    if (reason && replica.usable) this.#warn("A read replica is left out", { host: replica.host, reason });
    if (!reason && !replica.usable) this.#warn("A read replica is read from", { host: replica.host });
    replica.usable = reason === "";
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await Promise.all(this.#all.map(({ sequelize }) => sequelize.close()));
  }
}

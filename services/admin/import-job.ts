/**
 * An import at work: part after part is handed to the domain that its rows are for, which makes each of them once however
 * often it is asked, and what came of it is committed before the next one.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Logger, ServiceBroker } from "moleculer";
import type { Database } from "../../lib/database.ts";
import { because, Claims, failedRow } from "../../lib/imports.ts";
import type { Batch, BatchRow, Outcome } from "../../lib/imports.ts";
import { isAway } from "../../middlewares/errors.ts";
import type { Part } from "./import-file.ts";
import { advance, dropParts, endImport, giveBack, keepLease, partOf } from "./import-rows.ts";
import type { ImportRow } from "./import-rows.ts";
import { COLUMNS } from "./imports.contract.ts";
import type { Kind } from "./imports.contract.ts";

const TAKEN_BY: Record<Kind, string> = {
  users: "userImports.take",
  clubs: "clubImports.clubs",
  members: "clubImports.members",
};
/** Longer than a batch takes; who is asked again knows what it has done. */
const TIMEOUT = 30_000;
/** Milliseconds before a domain that is away is asked again. */
const PAUSE = 1_000;
/** Tries of a batch that a domain fails at; then each of its rows is tried by itself. */
const TRIES = 3;

export class ImportJob {
  readonly #broker: ServiceBroker;
  readonly #db: Database;
  readonly #log: Logger;
  readonly #import: ImportRow;
  /** Of a dry run: what the rows so far would take. */
  readonly #claims = new Claims();
  #stopped = false;

  constructor(broker: ServiceBroker, db: Database, log: Logger, row: ImportRow) {
    this.#broker = broker;
    this.#db = db;
    this.#log = log;
    this.#import = row;
  }

  /** Lets another node go on after the part that is under way. */
  stop(): void {
    this.#stopped = true;
  }

  /** Ends when the import does, or is not this node's any more. */
  async run(): Promise<void> {
    const { id, lease, parts } = this.#import;
    for (let part = this.#import.next_part; part < parts; part++) {
      if (this.#stopped) return giveBack(this.#db, this.#import);
      if (!(await this.#isAdministrators())) {
        await endImport(this.#db.primary, id, "failed", "notAdministrator", lease);
        return dropParts(this.#db.primary, id);
      }
      const content = await partOf(this.#db.primary, id, part);
      if (!content) throw new Error(`Import ${id} has no part ${part}.`);
      const outcomes = await this.#take(content);
      if (!outcomes || !(await advance(this.#db, this.#import, part, this.#held(outcomes)))) return;
      await nextTurn();
    }
    if (await endImport(this.#db.primary, id, "done", null, lease)) await dropParts(this.#db.primary, id);
  }

  /** Whoever is an administrator no more imports nothing more. */
  async #isAdministrators(): Promise<boolean> {
    const roles = await this.#untilThere(() =>
      this.#broker.call<string[], object>("users.rolesOf", { id: this.#import.by_user }),
    );
    return roles === null || roles.includes("admin");
  }

  /** What became of a part; null when the work is not this node's any more. */
  async #take({ firstRow, rows }: Part): Promise<Outcome[] | null> {
    const outcomes: Outcome[] = [];
    const whole: BatchRow[] = [];
    for (const [i, cells] of rows.entries()) {
      const row = firstRow + i;
      if (typeof cells === "number") outcomes.push(failedRow(row, [this.#cells(cells, rows)]));
      else whole.push({ row, cells });
    }
    if (whole.length > 0) {
      const taken = await this.#handOver(whole);
      if (!taken) return null;
      outcomes.push(...taken);
    }
    return outcomes.toSorted((a, b) => a.row - b.row);
  }

  #cells(given: number, rows: Part["rows"]) {
    const like = rows.find((row) => typeof row !== "number");
    const { needed, others } = COLUMNS[this.#import.kind];
    const expected = like ? Object.keys(like).length : needed.length + others.length;
    return because("", "WRONG_NUMBER_OF_CELLS", { given, expected });
  }

  /** Asks the domain; one row at a time where it fails at them together, so that one row cannot hold up the others. */
  async #handOver(rows: BatchRow[]): Promise<Outcome[] | null> {
    for (let attempt = 0; attempt < TRIES; attempt++)
      try {
        return await this.#untilThere(() => this.#ask(rows));
      } catch (error) {
        this.#log.error("A part of an import failed", {
          import: this.#import.id,
          row: rows[0]?.row,
          rows: rows.length,
          error: String(error),
        });
      }
    if (rows.length === 1) return [failedRow(rows[0]?.row ?? 0, [because("", "ROW_FAILED")])];
    const outcomes: Outcome[] = [];
    for (const row of rows) {
      const one = await this.#handOver([row]);
      if (!one) return null;
      outcomes.push(...one);
    }
    return outcomes;
  }

  #ask(rows: BatchRow[]): Promise<Outcome[]> {
    const { id: importId, kind, created_at: at, by_user: by, lang, dry_run: dry } = this.#import;
    const batch: Batch = { importId, at, by, lang, dryRun: dry === 1, rows };
    return this.#broker.call<Outcome[], Batch>(TAKEN_BY[kind], batch, { timeout: TIMEOUT });
  }

  /** Asks until whoever is asked is there; null when the work is not this node's any more. */
  async #untilThere<R>(ask: () => Promise<R>): Promise<R | null> {
    for (;;)
      try {
        return await ask();
      } catch (error) {
        if (!isAway(error)) throw error;
        if (this.#stopped) {
          await giveBack(this.#db, this.#import);
          return null;
        }
        if (!(await keepLease(this.#db, this.#import))) return null;
        await sleep(PAUSE);
      }
  }

  /** In a dry run each row is held against those before it, as the store does it otherwise. */
  #held(outcomes: Outcome[]): Outcome[] {
    return outcomes.map(({ claim, ...outcome }) => {
      if (!claim) return outcome;
      const claimed = this.#claims.take(claim);
      if (claimed === "new") return outcome;
      return claimed === "same"
        ? { row: outcome.row, outcome: "unchanged" }
        : failedRow(outcome.row, claimed);
    });
  }
}

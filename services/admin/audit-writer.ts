/** Appends to the log for many callers at once: what has come while one transaction commits goes into the next one. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LogEntry } from "../../lib/audit-chain.ts";
import { isDuplicate } from "../../lib/database.ts";
import type { Database, Tx } from "../../lib/database.ts";
import { isAway, refusalOf } from "../../middlewares/errors.ts";
import { append } from "../../mixins/audit-log.ts";

const AT_ONCE = 200;
/** Tries where another node brings the same entries in at the same moment. */
const TRIES = 4;

interface Waiting {
  entry: LogEntry;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class AuditWriter {
  readonly #db: Database;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Resolves when the entry is in the log; of one that is there already, too.
   * @param patience milliseconds that it may wait for others, to be written with them
   */
  add(entry: LogEntry, patience = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      if (!this.#running) void this.#run(patience);
    });
  }

  async #run(patience: number): Promise<void> {
    this.#running = true;
    if (patience > 0) await sleep(patience);
    while (this.#waiting.length > 0) await this.#write(this.#waiting.splice(0, AT_ONCE));
    this.#running = false;
  }

  async #write(some: readonly Waiting[]): Promise<void> {
    try {
      await this.#commit(some.map(({ entry }) => entry));
      for (const { resolve } of some) resolve();
    } catch (error) {
      // One that the store cannot take must not keep the others out.
      const refusal = refusalOf(error);
      const alone = some.length === 1 || (refusal !== null && isAway(refusal));
      if (alone) for (const { reject } of some) reject(error);
      else for (const each of some) await this.#write([each]);
    }
  }

  /** Mostly all of them are new: they are looked for only when one turns out not to be. */
  async #commit(entries: readonly LogEntry[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#db.transaction(async (tx) =>
          append(tx, tries === 1 ? once(entries) : await unknown(tx, entries)),
        );
      } catch (error) {
        if (!isDuplicate(error) || tries === TRIES) throw error;
      }
    }
  }
}

function once(entries: readonly LogEntry[]): LogEntry[] {
  return [...new Map(entries.map((entry) => [entry.id, entry])).values()];
}

/** Those that are not in the log, each once. */
async function unknown(tx: Tx, entries: readonly LogEntry[]): Promise<LogEntry[]> {
  const all = once(entries);
  const known = await tx.all<{ id: string }>("SELECT id FROM audit_entries WHERE id IN (:ids)", {
    ids: all.map(({ id }) => id),
  });
  const ids = new Set(known.map(({ id }) => id));
  return all.filter(({ id }) => !ids.has(id));
}

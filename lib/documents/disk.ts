/** The table that document collections are kept in. */
import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";
import { AppError } from "../errors.ts";

export type Document = { _id: string };
/** An insert has no `before`, a removal no `after`. */
export interface Change<D extends Document> {
  before?: D;
  after?: D;
}

/** Its calls are synchronous, so transactions cannot mix. */
export class Disk {
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;

  constructor(file: string) {
    this.#file = file;
    this.#db = new DatabaseSync(file);
    try {
      this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS documents (
          collection TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, PRIMARY KEY (collection, id)
        ) STRICT`);
      this.#put = this.#db.prepare(
        "INSERT OR REPLACE INTO documents (collection, id, json) VALUES (?, ?, ?)",
      );
      this.#remove = this.#db.prepare("DELETE FROM documents WHERE collection = ? AND id = ?");
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  load<D extends Document>(collection: string): D[] {
    const rows = this.#db.prepare("SELECT json FROM documents WHERE collection = ?").all(collection);
    return rows.map(({ json }): D => JSON.parse(String(json)));
  }

  /** All changes or none, synced before it returns. */
  write<D extends Document>(collection: string, changes: Change<D>[]): void {
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      for (const { before, after } of changes) {
        if (after) this.#put.run(collection, after._id, JSON.stringify(after));
        else if (before) this.#remove.run(collection, before._id);
      }
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      const text = `${this.#file} could not be written, nothing was changed: see whether its disk is full or read-only.`;
      throw Object.assign(new AppError("UNAVAILABLE"), { cause: new Error(text, { cause: error }) });
    }
  }

  ping(): void {
    this.#db.prepare("SELECT 1").get();
  }

  close(): void {
    this.#db.close();
  }
}

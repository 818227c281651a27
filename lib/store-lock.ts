/** One process at a time for a file that is kept in memory or written by one connection. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** The file is open in another process, or a second time in this one. */
export class StoreInUseError extends Error {
  constructor(file: string) {
    super(`${file} is in use: stop the process that has it open, or give this one a DATA_DIR of its own.`);
    this.name = "StoreInUseError";
  }
}

const SQLITE_BUSY = 5;

/**
 * Takes `file` for this process alone, without waiting, and makes its folder where it is missing.
 * The lock is one of the operating system's on `<file>.lock`, held by SQLite, so it ends with the process however
 * that ends. The side file stays: whoever removed it would leave two processes locking two files of one name.
 * @returns gives the lock back; more calls do nothing
 * @throws StoreInUseError when it is taken
 */
export function lockStore(file: string): () => void {
  mkdirSync(dirname(file), { recursive: true });
  const lock = new DatabaseSync(`${file}.lock`, { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    const busy = typeof error === "object" && error && "errcode" in error && error.errcode === SQLITE_BUSY;
    throw busy ? new StoreInUseError(file) : error;
  }
  return () => {
    if (lock.isOpen) lock.close();
  };
}

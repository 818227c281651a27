/** Errors of the embedded SQL stores: named as the `sqlite3` package names them, and told to a person. */
import { isNativeError } from "node:util/types";
import { StoreInUseError } from "./store-lock.ts";

/** Primary result codes (https://www.sqlite.org/rescode.html). */
const CODES: Record<number, string> = {
  3: "SQLITE_PERM",
  4: "SQLITE_ABORT",
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  7: "SQLITE_NOMEM",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  17: "SQLITE_SCHEMA",
  18: "SQLITE_TOOBIG",
  19: "SQLITE_CONSTRAINT",
  20: "SQLITE_MISMATCH",
  21: "SQLITE_MISUSE",
  25: "SQLITE_RANGE",
  26: "SQLITE_NOTADB",
  // Sequelize takes whatever is called SQLITE_CONSTRAINT for a unique key, so what is none keeps its own name.
  275: "SQLITE_CONSTRAINT_CHECK",
  1299: "SQLITE_CONSTRAINT_NOTNULL",
  3091: "SQLITE_CONSTRAINT_DATATYPE",
};

/** An error as the `sqlite3` package makes it: `code` by name, the message begins with it. */
export class SqliteError extends Error {
  override readonly name = "SqliteError";
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.code = code;
  }
}

/** What node:sqlite threw, as the `sqlite3` package would name it; anything else as it is. */
export function toSqliteError(error: unknown): Error {
  if (!isNativeError(error)) return new Error(String(error));
  if (!("errcode" in error) || typeof error.errcode !== "number") return error;
  const code = CODES[error.errcode] ?? CODES[error.errcode & 0xff] ?? "SQLITE_ERROR";
  return new SqliteError(code, error.message, { cause: error });
}

/**
 * A sentence for the person who starts a node: what is wrong with the store `file`, and what to do.
 * @param error as thrown by this module, or wrapped by Sequelize
 * @returns null for an error that is not about the state of a store
 */
export function describeSqliteError(error: unknown, file: string): string | null {
  for (let e = error, depth = 0; isNativeError(e) && depth < 5; depth++) {
    if (e instanceof StoreInUseError) return e.message;
    const sentence = "code" in e && typeof e.code === "string" ? sentences(file)[e.code] : undefined;
    if (sentence !== undefined) return sentence;
    e = "parent" in e ? e.parent : e.cause;
  }
  return null;
}

function sentences(file: string): Record<string, string> {
  const full = `The disk that holds ${file} is full. Free some space and start again.`;
  const locked = `Another program holds a lock on ${file}. Close it (an open sqlite3 shell, a backup) and start again.`;
  const forbidden = `${file} may not be written. Give this user the right to write the file and its folder, and start again.`;
  const missing = `${file} cannot be opened or created. Check that its folder exists, that this user may write there, and that the disk is not full.`;
  return {
    SQLITE_FULL: full,
    ENOSPC: full,
    SQLITE_BUSY: locked,
    SQLITE_LOCKED: locked,
    SQLITE_READONLY: forbidden,
    SQLITE_PERM: forbidden,
    EACCES: forbidden,
    EPERM: forbidden,
    EROFS: forbidden,
    SQLITE_CANTOPEN: missing,
    ENOTDIR: missing,
    EEXIST: missing,
    SQLITE_CORRUPT: `${file} is damaged. Stop, keep a copy of it, and put back the last backup.`,
    SQLITE_NOTADB: `${file} is not a SQLite database. Move it away, or put back the last backup, and start again.`,
    SQLITE_IOERR: `The disk reports an error for ${file}. Check that it is not full and works, and start again.`,
  };
}

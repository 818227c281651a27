/** Opaque cursors of lists: where the last item of a page stands in the order of the list. */
import { AppError } from "./errors.ts";

export type CursorValue = string | number;

/**
 * Writes a cursor.
 * @param kind names the list and its sort, so that a cursor of another one is refused
 */
export function writeCursor(kind: string, values: readonly CursorValue[]): string {
  return Buffer.from(JSON.stringify([kind, ...values])).toString("base64url");
}

/**
 * Reads a cursor; null where there is none. Throws INVALID_CURSOR for what is no cursor of this list.
 * @param types of the values, in their order
 */
export function readCursor(
  cursor: string | undefined | null,
  kind: string,
  types: readonly ("string" | "number")[],
): CursorValue[] | null {
  if (cursor === undefined || cursor === null) return null;
  try {
    const [own, ...values] = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")) as CursorValue[];
    const fits = values.length === types.length && values.every((value, i) => typeof value === types[i]);
    if (own === kind && fits) return values;
  } catch {
    // Told below, like every other string that is no cursor.
  }
  throw new AppError("INVALID_CURSOR");
}

/**
 * Cuts a page out of `rows`, of which one more than `limit` were asked for.
 * @param cursorOf the cursor that stands for a row
 */
export function pageOf<R>(
  rows: R[],
  limit: number,
  cursorOf: (last: R) => string,
): { items: R[]; nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}

/** The one range of bytes that a request may ask for (RFC 9110, 14). */
import type { IncomingHttpHeaders } from "node:http";
import { AppError } from "../../lib/errors.ts";

export interface Range {
  /** Offsets of the first and the last byte. */
  from: number;
  to: number;
}

/**
 * The range that is asked for; null for the whole: without one, for several, for another unit, and for one of an older
 * content (`If-Range`).
 * @throws 416 for one that the content does not have
 */
export function rangeOf(headers: IncomingHttpHeaders, size: number, tag: string): Range | null {
  const { range, "if-range": condition } = headers;
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(range?.trim() ?? "") ?? [];
  if (first === "" && last === "") return null;
  if (condition !== undefined && condition !== tag) return null;
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  // Turned round, it is no range, and the header says nothing.
  if (first !== "" && last !== "" && Number(last) < Number(first)) return null;
  if (from >= size || (first === "" && Number(last) === 0))
    throw new AppError("RANGE_NOT_SATISFIABLE", { size });
  return { from, to };
}

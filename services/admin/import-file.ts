/** The file of an import: read whole, refused as a whole where it must be, and cut into the parts that are taken at once. */
import { AppError, invalid } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { charsetOf, csvRows, textsOf } from "../../lib/csv-reading.ts";
import type { Charset } from "../../lib/csv-reading.ts";
import { COLUMNS } from "./imports.contract.ts";
import type { Kind } from "./imports.contract.ts";

/** A part has so many rows, and characters: a call with it stays far under the bus's megabyte. */
const ROWS = 250;
const CHARACTERS = 150_000;

export interface Part {
  part: number;
  firstRow: number;
  /** Cells by column; of a row with another number of cells than the heading has, that number. */
  rows: (Record<string, string> | number)[];
}

/**
 * Cuts a file into parts, and hands each over as soon as it is whole; returns how many rows and parts there are.
 * @throws 422: IMPORT_ENCODING, IMPORT_MALFORMED, IMPORT_EMPTY, and what is wrong with the heading, by column
 */
export async function cutFile(
  chunks: readonly Buffer[],
  kind: Kind,
  charset: Charset | undefined,
  take: (part: Part) => Promise<void>,
): Promise<{ rows: number; parts: number }> {
  const texts = textsOf(chunks, charset ?? (await charsetOf(chunks)));
  let heading: string[] | null = null;
  let part: Part = { part: 0, firstRow: 1, rows: [] };
  let size = 0;
  const flush = async (): Promise<void> => {
    const whole = part;
    part = { part: whole.part + 1, firstRow: whole.firstRow + whole.rows.length, rows: [] };
    size = 0;
    await take(whole);
  };
  for await (const rows of csvRows(texts))
    for (const cells of rows) {
      if (!heading) {
        heading = checkedHeading(cells, kind);
        continue;
      }
      const length = cells.reduce((sum, cell) => sum + cell.length, 0);
      if (part.rows.length === ROWS || (part.rows.length > 0 && size + length > CHARACTERS)) await flush();
      part.rows.push(rowOf(heading, cells));
      size += length;
    }
  if (part.rows.length > 0) await flush();
  if (part.part === 0) throw new AppError("IMPORT_EMPTY");
  return { rows: part.firstRow - 1, parts: part.part };
}

function rowOf(heading: readonly string[], cells: readonly string[]): Part["rows"][number] {
  if (cells.length !== heading.length) return cells.length;
  return Object.fromEntries(heading.map((column, i) => [column, cells[i] ?? ""]));
}

function checkedHeading(cells: readonly string[], kind: Kind): string[] {
  const { needed, others } = COLUMNS[kind];
  const known = [...needed, ...others];
  const heading = cells.map((cell) => cell.trim());
  const bad: FieldError[] = [
    ...needed
      .filter((column) => !heading.includes(column))
      .map((field) => ({ field, code: "MISSING_COLUMN" as const })),
    ...heading.flatMap((field, i): FieldError[] => {
      const short = field.slice(0, 100);
      if (!known.includes(field))
        return [{ field: short, code: "UNKNOWN_COLUMN", values: { allowed: known.join(", ") } }];
      return heading.indexOf(field) < i ? [{ field: short, code: "DUPLICATE" }] : [];
    }),
  ];
  if (bad.length > 0) throw invalid(...bad.slice(0, 200));
  return heading;
}

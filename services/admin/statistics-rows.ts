/** Rows of the statistics, read and written by the hundreds. */
import type { Row, Statements } from "../../lib/database.ts";

/** Of one statement: drivers bind some ten thousand values at most. */
const ROWS = 200;

export async function insertMany(db: Statements, table: string, rows: readonly Row[]): Promise<void> {
  const columns = Object.keys(rows[0] ?? {});
  for (const some of inChunks(rows)) {
    const values: Row = {};
    const lines = some.map((row, i) => {
      for (const column of columns) values[`${column}_${i}`] = row[column] ?? null;
      return `(${columns.map((column) => `:${column}_${i}`).join(", ")})`;
    });
    await db.run(`INSERT INTO ${table} (${columns.join(", ")}) VALUES ${lines.join(", ")}`, values);
  }
}

/** Rows of a generation by the values of a column. */
export async function readMany<R extends object>(
  db: Statements,
  table: string,
  generation: number,
  column: string,
  keys: Iterable<string | number>,
): Promise<R[]> {
  const found: R[] = [];
  for (const some of inChunks([...keys]))
    found.push(
      ...(await db.all<R>(`SELECT * FROM ${table} WHERE generation = :generation AND ${column} IN (:some)`, {
        generation,
        some,
      })),
    );
  return found;
}

/** Puts rows in place of those that were read with `readMany`; whoever does holds the generations' lock. */
export async function replaceMany(
  db: Statements,
  table: string,
  generation: number,
  column: string,
  known: ReadonlySet<string | number>,
  rows: readonly Row[],
): Promise<void> {
  const old = rows.map((row) => row[column] as string | number).filter((key) => known.has(key));
  for (const some of inChunks(old))
    await db.run(`DELETE FROM ${table} WHERE generation = :generation AND ${column} IN (:some)`, {
      generation,
      some,
    });
  await insertMany(db, table, rows);
}

export function inChunks<V>(all: readonly V[]): V[][] {
  return Array.from({ length: Math.ceil(all.length / ROWS) }, (_, i) => all.slice(i * ROWS, (i + 1) * ROWS));
}

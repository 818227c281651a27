/** The list of clubs that administrators see. */
import type { Statements } from "../../lib/database.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Params } from "../../lib/declare.ts";
import { isId } from "../../lib/ids.ts";
import type { ClubRow } from "./rows.ts";

const CURSOR = "clubs:office";

/** A page of clubs in any status, newest first: ids grow with time, so that no index of its own is needed. */
export async function listAllClubs(
  statements: Statements,
  { q, status, category, limit = 20, cursor }: Params<"clubOffice.list">,
): Promise<{ items: ClubRow[]; nextCursor: string | null }> {
  const [before] = readCursor(cursor, CURSOR, ["string"]) ?? [];
  const rows = await statements.all<ClubRow>(
    `SELECT * FROM clubs WHERE ready = 1
     ${q === undefined ? "" : `AND (INSTR(LOWER(name), :q) > 0${isId(q) ? " OR id = :q" : ""})`}
     ${status === undefined ? "" : "AND status = :status"}
     ${category === undefined ? "" : "AND category = :category"}
     ${before === undefined ? "" : "AND id < :before"}
     ORDER BY id DESC LIMIT ${limit + 1}`,
    {
      ...(q !== undefined && { q: q.toLowerCase() }),
      ...(status !== undefined && { status }),
      ...(category !== undefined && { category }),
      ...(before !== undefined && { before }),
    },
  );
  return pageOf(rows, limit, ({ id }) => writeCursor(CURSOR, [id]));
}

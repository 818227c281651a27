/** The list of clubs: filters, orders, cursors. */
import type { Statements, Values } from "../../lib/database.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import type { CursorValue } from "../../lib/cursor.ts";
import type { Params } from "../../lib/declare.ts";
import type { ClubRow } from "./rows.ts";
import { foldedKey } from "./text.ts";

type Listed = ClubRow & { sort_key: string };

const ORDERS = {
  new: { column: "created_at", type: "number", way: "DESC", before: "<" },
  popular: { column: "member_count", type: "number", way: "DESC", before: "<" },
  name: { column: "sort_key", type: "string", way: "ASC", before: ">" },
} as const;

/** A page of clubs: active ones, or those of `user` in any status where `mine` is asked for. */
export async function listClubs(
  statements: Statements,
  params: Params<"clubs.list">,
  user: string | null,
): Promise<{ items: ClubRow[]; nextCursor: string | null }> {
  const { sort = "new", limit = 20, category, tag, mine } = params;
  const { column, type, way, before } = ORDERS[sort];
  const kind = `clubs:${sort}`;
  const after = readCursor(params.cursor, kind, [type, "string"]);
  const values: Values = {
    ...(mine && { user }),
    ...(category !== undefined && { category }),
    ...(tag !== undefined && { tag: foldedKey(tag) }),
    ...(after && { key: after[0] as CursorValue, id: after[1] as CursorValue }),
  };
  const rows = await statements.all<Listed>(
    `SELECT c.* FROM clubs c
     ${mine ? "JOIN members m ON m.club_id = c.id AND m.user_id = :user" : ""}
     ${tag === undefined ? "" : "JOIN club_tags t ON t.club_id = c.id AND t.tag_key = :tag"}
     WHERE ${mine ? "c.ready = 1" : "c.status = 'active'"}
     ${category === undefined ? "" : "AND c.category = :category"}
     ${after ? `AND (c.${column} ${before} :key OR (c.${column} = :key AND c.id ${before} :id))` : ""}
     ORDER BY c.${column} ${way}, c.id ${way} LIMIT ${limit + 1}`,
    values,
  );
  return pageOf(rows, limit, (row) => writeCursor(kind, [row[column], row.id]));
}

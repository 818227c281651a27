/** GET /users: the one search over all shards. */
import type { Statements, Values } from "../../lib/database.ts";
import type { Params } from "../../lib/declare.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import type { UserRow } from "./accounts.ts";
import { SEARCH } from "./cross-shard.ts";
import { normalize } from "./identities.ts";
import { holdersOf } from "./roles.ts";

/** A page of users, newest first; who is erased only where that is asked for. */
export async function searchPeople(
  db: Statements,
  { q, role, status, limit = 20, cursor }: Params<"users.list">,
): Promise<{ items: UserRow[]; nextCursor: string | null }> {
  const [before] = readCursor(cursor, "users", ["string"]) ?? [];
  const conditions = [status ? "status = :status" : "status <> 'erased'"];
  const values: Values = {};
  if (status) values["status"] = status;
  if (before !== undefined) {
    conditions.push("id < :before");
    values["before"] = before;
  }
  if (q) {
    conditions.push("search_key LIKE :pattern ESCAPE '!'");
    values["pattern"] = `%${normalize(q).replaceAll(/[!%_]/g, "!$&")}%`;
  }
  if (role && role !== "student") {
    conditions.push("id IN (:holders)");
    values["holders"] = await holdersOf(db, role);
  }
  const rows = await db.all<UserRow>(
    `${SEARCH} ${conditions.join(" AND ")} ORDER BY id DESC LIMIT ${limit + 1}`,
    values,
  );
  return pageOf(rows, limit, ({ id }) => writeCursor("users", [id]));
}

/** GET /users: the one search over all shards. */
import type { Statements, Values } from "../../lib/database.ts";
import type { Answer, Language, Params } from "../../lib/declare.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { presentOwn } from "./accounts.ts";
import type { UserRow } from "./accounts.ts";
import { SEARCH } from "./cross-shard.ts";
import { normalize } from "./identities.ts";
import { givenRolesOf, holdersOf } from "./roles.ts";

/** The same with their roles, as administrators see them. */
export async function listPeople(
  db: Statements,
  params: Params<"users.list">,
  language: Language | undefined,
): Promise<Answer<"users.list">> {
  const { items, nextCursor } = await searchPeople(db, params);
  const roles = await givenRolesOf(
    db,
    items.map(({ id }) => id),
  );
  return { items: items.map((user) => presentOwn(user, roles.get(user.id) ?? [], language)), nextCursor };
}

/** A page of users, newest first; who is erased only where that is asked for. */
async function searchPeople(
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

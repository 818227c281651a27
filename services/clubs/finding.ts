/** The search of clubs: hits come from the search domain as ids and are filled from this one's own database. */
import type { Statements } from "../../lib/database.ts";
import type { Answer, Params } from "../../lib/declare.ts";
import type { Ctx } from "../../lib/implement.ts";
import type { ClubRow } from "./rows.ts";
import { presentClubs, toRecord } from "./rows.ts";

/** Finds clubs; what is not active any more is dropped at once. Throws UNAVAILABLE when the search is away. */
export async function searchClubs(
  ctx: Ctx<Params<"clubs.search">>,
  statements: Statements,
): Promise<Answer<"clubs.search">> {
  const { q, category = null, tag = null, sort = "relevance", limit = 20, cursor = null } = ctx.params;
  const found = await ctx.call("search.clubs", { q, category, tag, sort, limit, cursor });
  const rows = await activeRows(
    statements,
    found.items.map(({ id }) => id),
  );
  const clubs = await presentClubs(statements, ctx.locals.user, [...rows.values()].map(toRecord));
  const byId = new Map(clubs.map((club) => [club.id, club]));
  return {
    ...found,
    items: found.items.flatMap(({ id, score, highlights }) => {
      const club = byId.get(id);
      return club ? [{ club, score, highlights }] : [];
    }),
  };
}

/** Names while typing. */
export async function suggestClubs(
  ctx: Ctx<Params<"clubs.suggest">>,
  statements: Statements,
): Promise<Answer<"clubs.suggest">> {
  const found = await ctx.call("search.suggestClubs", { q: ctx.params.q });
  const rows = await activeRows(
    statements,
    found.map(({ id }) => id),
  );
  return found.flatMap(({ id }) => {
    const row = rows.get(id);
    return row ? [{ id, name: row.name }] : [];
  });
}

async function activeRows(statements: Statements, ids: string[]): Promise<Map<string, ClubRow>> {
  if (ids.length === 0) return new Map();
  const rows = await statements.all<ClubRow>("SELECT * FROM clubs WHERE id IN (:ids) AND status = 'active'", {
    ids,
  });
  return new Map(rows.map((row) => [row.id, row]));
}

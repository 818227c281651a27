import { Type as T } from "typebox";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { Nullable, OneOf } from "../../lib/types.ts";

const Facet = T.Array(T.Object({ value: T.String(), count: T.Integer() }));

/** Finds ids; who asks fills them from their own domain. The same actions on the embedded index and on Elasticsearch. */
export const search = declare("search", {
  clubs: {
    params: T.Object({
      q: T.String(),
      category: Nullable(T.String()),
      tag: Nullable(T.String()),
      sort: OneOf(["relevance", "popular", "new"]),
      limit: T.Integer(),
      cursor: Nullable(T.String()),
    }),
    returns: T.Object({
      items: T.Array(
        T.Object({ id: T.String(), score: T.Number(), highlights: T.Record(T.String(), T.String()) }),
      ),
      facets: T.Object({ category: Facet, tag: Facet }),
      total: T.Integer(),
      nextCursor: Nullable(T.String()),
      /** Elasticsearch is away: clubs by their names alone, one page, without facets. */
      degraded: T.Optional(T.Literal(true)),
    }),
    access: "service",
    safe: true,
  },
  suggestClubs: {
    params: T.Object({ q: T.String() }),
    returns: T.Array(T.Object({ id: T.String(), name: T.String() })),
    access: "service",
    safe: true,
  },
  /** Builds the index anew from the clubs; answers how many are in it. */
  rebuild: { returns: T.Object({ clubs: T.Integer() }), access: "service", timeout: 300_000 },
  onClubChanged: {
    params: AnyEnvelope,
    access: "service",
    consumes: ["clubs.updated", "clubs.statusChanged", "clubs.deleted"],
  },
});

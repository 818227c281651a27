import { Type as T } from "typebox";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { Nullable, OneOf } from "../../lib/types.ts";

const Facet = T.Array(T.Object({ value: T.String(), count: T.Integer() }));

const Rebuild = T.Object({
  /** On a server, for all nodes; else in this node alone. */
  shared: T.Boolean(),
  running: T.Boolean(),
  /** Records so far, or in all. */
  clubs: T.Integer(),
  posts: T.Integer(),
  /** Milliseconds since 1970, of the last one since the node has started. */
  startedAt: Nullable(T.Integer()),
  endedAt: Nullable(T.Integer()),
  error: Nullable(T.String()),
});

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
  /** No engine to ask: UNAVAILABLE, and posts answers by itself. A hit may be hidden by now: posts drops it. */
  posts: {
    params: T.Object({
      q: T.String(),
      clubId: Nullable(T.String()),
      /** One tag, exactly as it stands in the post. */
      tag: Nullable(T.String()),
      limit: T.Integer({ minimum: 1, maximum: 100 }),
      cursor: Nullable(T.String()),
    }),
    returns: T.Object({
      items: T.Array(
        T.Object({ id: T.String(), score: T.Number(), highlights: T.Record(T.String(), T.String()) }),
      ),
      total: T.Integer(),
      nextCursor: Nullable(T.String()),
    }),
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
  /** As `rebuild`, from the posts that are shown. */
  rebuildPosts: { returns: T.Object({ posts: T.Integer() }), access: "service", timeout: 1_800_000 },
  onPostChanged: {
    params: AnyEnvelope,
    access: "service",
    consumes: ["posts.published", "posts.changed", "posts.held", "posts.removed"],
  },
  /** Both, in the background; nothing where that is under way. */
  beginRebuild: { returns: Rebuild, access: "service" },
  rebuildState: { returns: Rebuild, access: "service", safe: true },
});

/** The search of posts: found by the search domain, filled from what this one has. */
import type { Answer, Params } from "../../lib/declare.ts";
import { isRefusal } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { isAway } from "../../middlewares/errors.ts";
import { byTitle } from "./listing.ts";
import { fitting, LISTED, Snapshot, withLikes } from "./present.ts";
import type { Store } from "./records.ts";

type Found = Answer<"search.posts"> & { degraded?: true };

/** What is no longer shown is left out, so a page may be shorter than asked for. */
export async function searchPage(
  ctx: Ctx<Params<"posts.search">>,
  store: Store,
): Promise<Answer<"posts.search">> {
  const { limit = 20 } = ctx.params;
  const found = await find(ctx, store, limit);
  const filled = await fill(ctx, store, found);
  const fits = fitting(filled.map(({ post }) => post)).length;
  if (fits === filled.length) return answerOf(found, filled);
  // A cursor stands behind a page of the search: one that an answer can take is asked for.
  const upTo = found.items.findIndex(({ id }) => id === filled[fits - 1]?.post.id) + 1;
  const shorter = await find(ctx, store, upTo);
  return answerOf(shorter, (await fill(ctx, store, shorter)).slice(0, fits));
}

function answerOf({ total, nextCursor, degraded }: Found, items: Answer<"posts.search">["items"]) {
  return { items, total, nextCursor, ...(degraded && { degraded }) };
}

async function find(ctx: Ctx<Params<"posts.search">>, store: Store, limit: number): Promise<Found> {
  const { q, clubId = null, tag = null, cursor = null } = ctx.params;
  try {
    return await ctx.call("search.posts", { q, clubId, tag, limit, cursor });
  } catch (error) {
    const away = isAway(error) || isRefusal(error, "UNAVAILABLE");
    if (!away || cursor !== null) throw error;
    const ids = await byTitle(store, { q, clubId, tag, limit });
    const items = ids.map((id) => ({ id, score: 0, highlights: {} }));
    return { items, total: ids.length, nextCursor: null, degraded: true };
  }
}

async function fill(ctx: Ctx, store: Store, { items }: Found): Promise<Answer<"posts.search">["items"]> {
  const ids = items.map(({ id }) => id);
  if (ids.length === 0) return [];
  const shown = await store.posts.find({ _id: { $in: ids }, shown: true }, { projection: LISTED });
  const posts = await withLikes(store, await new Snapshot(shown).looks(ctx), ctx.locals.user);
  const known = new Map(posts.map((post) => [post.id, post]));
  return items.flatMap(({ id, score, highlights }) => {
    const post = known.get(id);
    return post ? [{ post, score, highlights }] : [];
  });
}

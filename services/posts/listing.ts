/** Lists of posts: which, in what order, and where a page ends. */
import type { Query } from "../../lib/documents.ts";
import type { Params } from "../../lib/declare.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import { fold } from "../../lib/search/fold.ts";
import { fittingPage, LISTED, Snapshot } from "./present.ts";
import type { Listed } from "./present.ts";
import type { Entry, Ranking } from "./ranking.ts";
import type { PostDocument, Store } from "./records.ts";

type Filter = Pick<Params<"posts.list">, "clubId" | "tag" | "authorId" | "sort">;

interface Place {
  limit: number;
  cursor: string | undefined;
}

/** While the search engine is away so many titles are looked at. */
const TITLES = 5_000;
const AT_ONCE = 500;

/** The entry of a ranking that a cursor of `rankedPage` names. */
export function rankedCursor(kind: "hot" | "new", scope: string, cursor: string | undefined): Entry | null {
  const known = readCursor(cursor, kindOf(kind, scope), ["number", "string"]) as [number, string] | null;
  return known && { rank: known[0], id: known[1] };
}

function kindOf(kind: "hot" | "new", scope: string): string {
  return `posts:${kind}:ranked:${scope}`;
}

/** What is ranked and no longer shown is left out, so a page may be shorter. */
export async function rankedPage(
  store: Store,
  ranking: Ranking,
  kind: "hot" | "new",
  scope: string,
  after: Entry | null,
  limit: number,
): Promise<Snapshot> {
  const entries = await ranking.page(scope, after, limit + 1);
  const [shown, others] = partition(await postsOf(store, entries));
  const found = new Map(shown.map((post) => [post._id, post]));
  for (const post of others) void ranking.changed(post);
  const page = entries.slice(0, limit);
  const rows = page.flatMap((entry) => found.get(entry.id) ?? []);
  const { items, nextCursor: cut } = fittingPage(rows, limit, ({ _id }) => _id);
  const last = cut === null ? page.at(-1) : page.find(({ id }) => id === cut);
  const more = cut !== null || entries.length > limit;
  return new Snapshot(items, more && last ? writeCursor(kindOf(kind, scope), [last.rank, last.id]) : null);
}

function partition(posts: readonly Listed[]): [shown: Listed[], others: Listed[]] {
  return [posts.filter(({ shown }) => shown), posts.filter(({ shown }) => !shown)];
}

async function postsOf(store: Store, entries: readonly Entry[]): Promise<Listed[]> {
  const ids = entries.map(({ id }) => id);
  return ids.length === 0 ? [] : store.posts.find({ _id: { $in: ids } }, { projection: LISTED });
}

/** Posts by club, tag, author; to their author also those that wait for a moderator. */
export async function listPage(
  store: Store,
  filter: Filter,
  user: string | null,
  place: Place,
): Promise<Snapshot> {
  const { clubId, tag, authorId, sort = "new" } = filter;
  const own = authorId !== undefined && authorId === user;
  const which: Query<PostDocument> = {
    ...(own ? { status: { $in: ["published", "held"] } } : { shown: true }),
    ...(clubId !== undefined && { clubId }),
    ...(tag !== undefined && { tags: tag }),
    ...(authorId !== undefined && { authorId }),
  };
  const pinnedFirst = clubId !== undefined;
  const kind = ["posts", sort, clubId, tag, authorId].join(":");
  const order = orderOf(sort === "hot", pinnedFirst);
  const after = readCursor(place.cursor, kind, ["number", "number", "string"]) as Where | null;
  const rows = await store.posts.find(
    after ? { $and: [which, behind(after, sort === "hot", pinnedFirst)] } : which,
    { sort: order, limit: place.limit + 1, projection: LISTED },
  );
  const { items, nextCursor } = fittingPage(rows, place.limit, ({ pinned, score, _id }) =>
    writeCursor(kind, [Number(pinned), sort === "hot" ? score : 0, _id]),
  );
  return new Snapshot(items, nextCursor);
}

type Where = [pinned: number, score: number, id: string];

function orderOf(hot: boolean, pinnedFirst: boolean) {
  return {
    ...(pinnedFirst && { pinned: -1 as const }),
    ...(hot && { score: -1 as const }),
    _id: -1 as const,
  };
}

function behind([pinned, score, id]: Where, hot: boolean, pinnedFirst: boolean): Query<PostDocument> {
  const lower: Query<PostDocument> = hot
    ? { $or: [{ score: { $lt: score } }, { score, _id: { $lt: id } }] }
    : { _id: { $lt: id } };
  if (!pinnedFirst) return lower;
  return pinned ? { $or: [{ pinned: false }, { pinned: true, ...lower }] } : { pinned: false, ...lower };
}

/** The newest shown posts with `q` in their title: what is left while the search engine is away. */
export async function byTitle(
  store: Store,
  { q, clubId, tag, limit }: { q: string; clubId: string | null; tag: string | null; limit: number },
): Promise<string[]> {
  const wanted = fold(q);
  const which: Query<PostDocument> = {
    shown: true,
    ...(clubId !== null && { clubId }),
    ...(tag !== null && { tags: tag }),
  };
  const found: string[] = [];
  let after: string | null = null;
  for (let seen = 0; seen < TITLES && found.length < limit; seen += AT_ONCE) {
    const titles: Pick<PostDocument, "_id" | "title">[] = await store.posts.find(
      after === null ? which : { ...which, _id: { $lt: after } },
      { sort: { _id: -1 }, limit: AT_ONCE, projection: ["title"] },
    );
    found.push(...titles.filter(({ title }) => fold(title).includes(wanted)).map(({ _id }) => _id));
    after = titles.at(-1)?._id ?? null;
    if (titles.length < AT_ONCE) break;
  }
  return found.slice(0, limit);
}

/** Posts and comments as the contracts show them. */
import type { Language } from "../../lib/declare.ts";
import type { Ctx } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { people } from "../../mixins/people.ts";
import type { Person } from "../../mixins/people.ts";
import type { Comment } from "./comments.contract.ts";
import type { Post, PostRecord } from "./posts.contract.ts";
import type { CommentDocument, PostDocument, Store } from "./records.ts";
import { likeId } from "./records.ts";

/** What is read of posts for lists: no html, and nothing of the domain's own. */
export const LISTED = [
  "clubId",
  "clubActive",
  "shown",
  "authorId",
  "title",
  "body",
  "tags",
  "fileIds",
  "status",
  "pinned",
  "locked",
  "likeCount",
  "viewCount",
  "commentCount",
  "score",
  "version",
  "createdAt",
  "updatedAt",
] as const;
export type Listed = Pick<PostDocument, "_id" | (typeof LISTED)[number]>;

/** Of an answer to another node: NATS carries 1 MB. */
const MAX_BYTES = 500_000;
/** About what there is beside a body. */
const BESIDE = 3_000;

/** The first of them that make an answer together; at least one. Bodies are all that can be large. */
export function fitting<R extends { body: string }>(rows: readonly R[]): R[] {
  let bytes = 0;
  const end = rows.findIndex(({ body }, i) => {
    // As JSON quotes, backslashes and line feeds are two bytes.
    bytes += Buffer.byteLength(JSON.stringify(body)) + BESIDE;
    return bytes > MAX_BYTES && i > 0;
  });
  return end < 0 ? [...rows] : rows.slice(0, end);
}

/** A page of `rows`, of which one more than `limit` were asked for; shorter where an answer takes no more. */
export function fittingPage<R extends { body: string }>(
  rows: readonly R[],
  limit: number,
  cursorOf: (last: R) => string,
): { items: R[]; nextCursor: string | null } {
  const items = fitting(rows.slice(0, limit));
  const last = items.at(-1);
  return { items, nextCursor: items.length < rows.length && last ? cursorOf(last) : null };
}

/** Posts as they were read once, and how they look in each language: the same for everyone. */
export class Snapshot<P extends Listed = Listed> {
  readonly posts: readonly P[];
  readonly nextCursor: string | null;
  readonly #looks = new Map<Language, Promise<Post[]>>();

  constructor(posts: readonly P[], nextCursor: string | null = null) {
    this.posts = posts;
    this.nextCursor = nextCursor;
  }

  looks(ctx: Ctx): Promise<Post[]> {
    const language = ctx.headers.lang ?? "en";
    const known = this.#looks.get(language);
    if (known) return known;
    const looks = this.#present(ctx);
    this.#looks.set(language, looks);
    looks.catch(() => this.#looks.delete(language));
    return looks;
  }

  async #present(ctx: Ctx): Promise<Post[]> {
    const person = await people(
      ctx,
      this.posts.map(({ authorId }) => authorId),
    );
    return this.posts.map((post) => presentPost(post, person(post.authorId)));
  }
}

function presentPost(post: Listed & { html?: string }, author: Person): Post {
  const { _id: id, clubId, title, body, html, tags, fileIds, status, pinned, locked } = post;
  const { likeCount, viewCount, commentCount, version } = post;
  return {
    id,
    clubId,
    author,
    title,
    body,
    ...(html !== undefined && { html }),
    tags,
    fileIds,
    status,
    pinned,
    locked,
    likeCount,
    viewCount,
    commentCount,
    version,
    createdAt: iso(post.createdAt),
    updatedAt: iso(post.updatedAt),
  };
}

/** With what is the caller's own; without a caller the posts as they are. */
export async function withLikes(store: Store, posts: Post[], user: string | null): Promise<Post[]> {
  if (user === null || posts.length === 0) return posts;
  const ids = posts.map(({ id }) => likeId(id, user));
  const likes = await store.likes.find({ _id: { $in: ids } }, { projection: ["post"] });
  const liked = new Set(likes.map(({ post }) => post));
  return posts.map((post) => ({ ...post, liked: liked.has(post.id) }));
}

export function recordOf(post: Listed): PostRecord {
  const { _id: id, clubId, authorId, title, body, tags, fileIds, status, shown, likeCount, version } = post;
  const createdAt = iso(post.createdAt);
  return { id, clubId, authorId, title, body, tags, fileIds, status, shown, likeCount, version, createdAt };
}

export async function presentComments(ctx: Ctx, comments: readonly CommentDocument[]): Promise<Comment[]> {
  const person = await people(
    ctx,
    comments.map(({ authorId }) => authorId),
  );
  return comments.map(({ _id: id, postId, parentId, authorId, body, status, createdAt }) => ({
    id,
    postId,
    parentId,
    author: person(authorId),
    body,
    status,
    createdAt: iso(createdAt),
  }));
}

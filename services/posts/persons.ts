/** What is kept about a person: their export, and what their erasure leaves. */
import type { Answer } from "../../lib/declare.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import { iso } from "../../lib/types.ts";
import type { KeepingMethods } from "./keeping.ts";
import { fitting } from "./present.ts";
import type { Store } from "./records.ts";

type Export = Answer<"posts.exportUser">;

const PAGE = 100;
const LIKES = 1_000;
const CURSOR = "posts:export";
const COMMENTS = "comments:export";

/** Posts, then likes. */
export async function exportPosts(store: Store, user: string, cursor: string | null): Promise<Export> {
  const [kind, after] = (readCursor(cursor, CURSOR, ["string", "string"]) ?? ["post", ""]) as [
    string,
    string,
  ];
  if (kind === "like") return exportLikes(store, user, after);
  const found = await store.posts.find(
    { authorId: user, _id: { $gt: after } },
    {
      sort: { _id: 1 },
      limit: PAGE,
      projection: ["clubId", "title", "body", "tags", "fileIds", "status", "createdAt", "updatedAt"],
    },
  );
  const posts = fitting(found);
  const last = posts.at(-1);
  const more = last && (posts.length < found.length || found.length === PAGE);
  return {
    records: posts.map(({ _id: id, createdAt, updatedAt, ...post }) => ({
      kind: "post",
      id,
      ...post,
      createdAt: iso(createdAt),
      updatedAt: iso(updatedAt),
    })),
    nextCursor: writeCursor(CURSOR, more ? ["post", last._id] : ["like", ""]),
  };
}

async function exportLikes(store: Store, user: string, after: string): Promise<Export> {
  const likes = await store.likes.find({ user, _id: { $gt: after } }, { sort: { _id: 1 }, limit: LIKES });
  const last = likes.at(-1);
  return {
    records: likes.map(({ post: postId, at }) => ({ kind: "like", postId, at: iso(at) })),
    nextCursor: likes.length === LIKES && last ? writeCursor(CURSOR, ["like", last._id]) : null,
  };
}

export async function exportComments(store: Store, user: string, cursor: string | null): Promise<Export> {
  const [after = ""] = (readCursor(cursor, COMMENTS, ["string"]) ?? []) as string[];
  const found = await store.comments.find(
    { authorId: user, _id: { $gt: after } },
    { sort: { _id: 1 }, limit: PAGE, projection: ["postId", "parentId", "body", "status", "createdAt"] },
  );
  const comments = fitting(found);
  const last = comments.at(-1);
  const more = last && (comments.length < found.length || found.length === PAGE);
  return {
    records: comments.map(({ _id: id, createdAt, ...comment }) => ({
      kind: "comment",
      id,
      ...comment,
      createdAt: iso(createdAt),
    })),
    nextCursor: more ? writeCursor(COMMENTS, [last._id]) : null,
  };
}

/** Takes a person's likes back. A repeat goes on where a crash has left it. */
export async function eraseLikes(
  { store, touch, recount }: Pick<KeepingMethods, "store" | "touch" | "recount">,
  user: string,
): Promise<void> {
  for (;;) {
    const likes = await store.likes.find({ user }, { limit: PAGE });
    const posts = [...new Set(likes.map(({ post }) => post))];
    await Promise.all(posts.map(touch));
    await store.likes.deleteMany({ _id: { $in: likes.map(({ _id }) => _id) } });
    await Promise.all(posts.map(recount));
    if (likes.length < PAGE) return;
  }
}

/** What a person's posts said before they were changed. */
export async function eraseRevisions(store: Store, user: string): Promise<void> {
  let after = "";
  for (;;) {
    const posts = await store.posts.find(
      { authorId: user, _id: { $gt: after } },
      { sort: { _id: 1 }, limit: PAGE, projection: ["authorId"] },
    );
    const ids = posts.map(({ _id }) => _id);
    if (ids.length > 0) await store.revisions.deleteMany({ post: { $in: ids } });
    after = ids.at(-1) ?? "";
    if (ids.length < PAGE) return;
  }
}

/** What becomes of a post when it is written, changed or removed. */
import type { Params } from "../../lib/declare.ts";
import { invalid } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { MAX_HTML, renderMarkdown } from "../../lib/markdown.ts";
import type { Telling } from "./keeping.ts";
import type { CaseRecord, CommentDocument, PostDocument, RevisionDocument, Status } from "./records.ts";
import { newCase, scoreOf } from "./records.ts";

type Written = Pick<PostDocument, "title" | "body" | "html" | "tags" | "fileIds">;
type Edit = Omit<Params<"posts.update">, "id">;

export interface Change {
  change: Partial<PostDocument>;
  told: Telling[];
}

const about = ({ clubId, authorId }: Pick<PostDocument, "clubId" | "authorId">) => ({ clubId, authorId });

/** @throws 422 when it becomes too much */
export function rendered(body: string): string {
  const html = renderMarkdown(body);
  if (Buffer.byteLength(html) > MAX_HTML) throw invalid({ field: "body", code: "TOO_COMPLEX" });
  return html;
}

interface Held {
  status: "held";
  case: CaseRecord;
  waitingSince: number;
}

type HeldBy = Ctx["locals"]["held"];

/** What waits for a moderator since it was written. */
export function heldNow(why: NonNullable<HeldBy>, at: number): Held {
  return { status: "held", case: newCase(why, at), waitingSince: at };
}

type Content = Pick<PostDocument, "_id" | "authorId" | "case"> | CommentDocument;

/** @param content with the case that has opened */
export function heldMessage(content: Content): Telling {
  const { id: caseId, why } = content.case as CaseRecord;
  return { type: "moderation.held", data: { ...subjectOf(content), caseId, why } };
}

function subjectOf(content: Content) {
  const comment = "postId" in content;
  const { _id: id, authorId } = content;
  return {
    subject: { type: comment ? "comment" : "post", id },
    postId: comment ? content.postId : id,
    authorId,
  };
}

/** A new post without its messages. */
export function newPost(
  id: string,
  authorId: string,
  clubId: string | null,
  written: Written,
  held: HeldBy,
  now: number,
): PostDocument {
  const counts = { likeCount: 0, commentCount: 0, viewCount: 0 };
  return {
    _id: id,
    clubId,
    clubActive: true,
    authorId,
    ...written,
    status: "published",
    case: null,
    ...(held && heldNow(held, now)),
    shown: !held,
    pinned: false,
    locked: false,
    ...counts,
    score: scoreOf({ ...counts, createdAt: now }),
    stamp: 0,
    version: 1,
    createdAt: now,
    updatedAt: now,
    outbox: [],
    pending: false,
  };
}

export function toldOfNew(post: PostDocument): Telling[] {
  if (post.status === "published") return [{ type: "posts.published", data: about(post) }];
  return [{ type: "posts.held", data: about(post) }, heldMessage(post)];
}

/** What an edit makes of a post; null when it says what was said before. What is held stays held. */
export function edited(post: PostDocument, edit: Edit, held: HeldBy, now: number): Change | null {
  const { title = post.title, body = post.body, tags = post.tags, fileIds = post.fileIds } = edit;
  const same = JSON.stringify([title, body, tags, fileIds]) === JSON.stringify(saidBy(post));
  if (same) return null;
  const html = body === post.body ? post.html : rendered(body);
  const written = { title, body, html, tags, fileIds };
  if (!held || post.status !== "published")
    return { change: written, told: [{ type: "posts.changed", data: about(post) }] };
  const change = { ...written, ...heldNow(held, now), shown: false };
  const told = [{ type: "posts.held", data: about(post) }, heldMessage({ ...post, ...change })];
  return { change, told };
}

function saidBy({ title, body, tags, fileIds }: PostDocument) {
  return [title, body, tags, fileIds];
}

/** What a post says until it is changed. */
export function revisionOf(post: PostDocument, now: number): RevisionDocument {
  const { _id, version, title, body, tags, fileIds } = post;
  return { _id: `${_id}:${version}`, post: _id, title, body, tags, fileIds, at: now };
}

/** A removal, of a post or a comment; an open case ends by it. */
export function removed(content: PostDocument | CommentDocument, byModerator: boolean, now: number) {
  const open = content.case?.decision === null;
  const change = {
    status: "removed" as const,
    ...(open && { case: { ...content.case, decision: "remove" as const, decidedAt: now } as CaseRecord }),
  };
  const told: Telling[] = byModerator
    ? [{ type: "moderation.removed", data: { ...subjectOf(content) } }, actedMessage("remove", content)]
    : [];
  return { change, told };
}

/** That a comment is published, held or removed. */
export function commentMessage({ postId, authorId }: CommentDocument, status: Status): Telling {
  return { type: `comments.${status}`, data: { postId, authorId } };
}

/** That a post is removed. */
export function removalOf(post: PostDocument, byModerator: boolean): Telling {
  return { type: "posts.removed", data: { ...about(post), by: byModerator ? "moderator" : "author" } };
}

/** What a moderator did, for the log. */
export function actedMessage(
  action: "remove" | "pin" | "unpin" | "lock" | "unlock",
  content: Content,
): Telling {
  return { type: "moderation.acted", data: { action, subject: subjectOf(content).subject, comment: null } };
}

/** Its club is active, or no longer. */
export function shownWith(post: PostDocument, clubActive: boolean): Change {
  return {
    change: { clubActive, shown: clubActive && post.status === "published" },
    told: [{ type: "posts.changed", data: about(post) }],
  };
}

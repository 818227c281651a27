/** What waits for a moderator: how it is found, shown, held and decided. */
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Query } from "../../lib/documents.ts";
import { AppError } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { people } from "../../mixins/people.ts";
import type { KeepingMethods, Telling } from "./keeping.ts";
import type { Case } from "./moderation.contract.ts";
import type {
  CaseRecord,
  CommentDocument,
  ContentType,
  PostDocument,
  ReportDocument,
  Status,
  Store,
} from "./records.ts";
import { openReports } from "./reports.ts";
import { commentMessage } from "./writing.ts";

/** Of an answer to another node: NATS carries 1 MB. */
const MAX_BYTES = 500_000;
/** Of one case so many are shown, the newest. */
const REPORTS_SHOWN = 20;
const CURSOR = "moderation.queue";

const SHOWN_OF_COMMENTS = ["authorId", "postId", "body", "case", "waitingSince", "version"] as const;
const SHOWN_OF_POSTS = ["authorId", "title", "body", "case", "waitingSince", "version"] as const;

export type Content = { type: "post"; doc: PostDocument } | { type: "comment"; doc: CommentDocument };

/** What is shown of a content with a case. */
interface Shown {
  id: string;
  type: ContentType;
  postId: string;
  authorId: string;
  title: string | null;
  body: string;
  case: CaseRecord;
  waitingSince: number;
  version: number;
}

export async function contentOf(store: Store, type: ContentType, id: string): Promise<Content | null> {
  if (type === "post") {
    const doc = await store.posts.findOne({ _id: id });
    return doc && { type, doc };
  }
  const doc = await store.comments.findOne({ _id: id });
  return doc && { type, doc };
}

/** The content whose case, its last one, this is. */
export async function contentOfCase(store: Store, caseId: string): Promise<Content | null> {
  const post = await store.posts.findOne({ "case.id": caseId });
  if (post) return { type: "post", doc: post };
  const comment = await store.comments.findOne({ "case.id": caseId });
  return comment && { type: "comment", doc: comment };
}

/** What messages of moderation say of a content. */
export function about({ type, doc }: Content) {
  return {
    subject: { type, id: doc._id },
    postId: type === "post" ? doc._id : doc.postId,
    authorId: doc.authorId,
  };
}

/** What a moderator's case changes of a content, while it is still at this version; false when it is not. */
export async function changeCase(
  service: KeepingMethods,
  ctx: Ctx,
  content: Content,
  { status, case: record }: { status: Status; case: CaseRecord },
  told: Telling[],
): Promise<boolean> {
  const waits = status === "held";
  const change = { status, case: record, ...(waits && { waitingSince: record.at }) };
  const removed = waits ? {} : { waitingSince: true as const };
  if (content.type === "post") {
    const { clubId, clubActive, authorId } = content.doc;
    const shown = status === "published" && clubActive;
    const data = { clubId, authorId, ...(status === "removed" && { by: "moderator" }) };
    const tellings = [{ type: `posts.${status}`, data }, ...told];
    return (await service.changePost(ctx, content.doc, { ...change, shown }, tellings, removed)) !== null;
  }
  const { postId } = content.doc;
  await service.touch(postId);
  const tellings = [commentMessage(content.doc, status), ...told];
  const changed = await service.changeComment(ctx, content.doc, change, tellings, removed);
  if (changed) await service.recount(postId);
  return changed !== null;
}

/** A page of what waits, oldest first; shorter where an answer takes no more. */
export async function queuePage(
  ctx: Ctx,
  store: Store,
  limit: number,
  cursor: string | undefined,
): Promise<{ items: Case[]; nextCursor: string | null }> {
  const after = readCursor(cursor, CURSOR, ["number", "string"]) as [number, string] | null;
  const waiting = await waitingAfter(store, after, limit + 1);
  const page = waiting.slice(0, limit);
  const items = fitting(await present(ctx, store, page));
  const last = page[items.length - 1];
  const more = items.length < waiting.length && last;
  return { items, nextCursor: more ? writeCursor(CURSOR, [last.waitingSince, last.id]) : null };
}

async function waitingAfter(store: Store, after: [number, string] | null, limit: number): Promise<Shown[]> {
  const [since, id] = after ?? [0, ""];
  const query = {
    status: "held" as const,
    $or: [{ waitingSince: { $gt: since } }, { waitingSince: since, _id: { $gt: id } }],
  };
  const order = { sort: { waitingSince: 1, _id: 1 }, limit } as const;
  const [posts, comments] = await Promise.all([
    store.posts.find(query satisfies Query<PostDocument>, { ...order, projection: SHOWN_OF_POSTS }),
    store.comments.find(query satisfies Query<CommentDocument>, { ...order, projection: SHOWN_OF_COMMENTS }),
  ]);
  return [...posts.flatMap(shownOfPost), ...comments.flatMap(shownOfComment)]
    .toSorted((a, b) => a.waitingSince - b.waitingSince || (a.id < b.id ? -1 : 1))
    .slice(0, limit);
}

function shownOfPost(post: Pick<PostDocument, "_id" | (typeof SHOWN_OF_POSTS)[number]>): Shown[] {
  const { _id: id, authorId, title, body, case: record, waitingSince = 0, version } = post;
  return record
    ? [{ id, type: "post", postId: id, authorId, title, body, case: record, waitingSince, version }]
    : [];
}

function shownOfComment(comment: Pick<CommentDocument, "_id" | (typeof SHOWN_OF_COMMENTS)[number]>): Shown[] {
  const { _id: id, postId, authorId, body, case: record, waitingSince = 0, version } = comment;
  return record
    ? [{ id, type: "comment", postId, authorId, title: null, body, case: record, waitingSince, version }]
    : [];
}

/** The case of a content, as moderators see it. */
export async function presentCase(ctx: Ctx, store: Store, content: Content): Promise<Case> {
  const shown = content.type === "post" ? shownOfPost(content.doc) : shownOfComment(content.doc);
  const [item] = await present(ctx, store, shown);
  if (!item) throw new AppError("NOT_FOUND");
  return item;
}

async function present(ctx: Ctx, store: Store, contents: readonly Shown[]): Promise<Case[]> {
  if (contents.length === 0) return [];
  const [person, reports] = await Promise.all([
    people(
      ctx,
      contents.map(({ authorId }) => authorId),
    ),
    openReports(
      store,
      contents.map(({ id }) => id),
    ),
  ]);
  const byContent = Map.groupBy(reports, ({ content }) => content);
  return contents.map(({ id, type, postId, authorId, title, body, case: record, version }) => ({
    id: record.id,
    subject: { type, id },
    why: record.why,
    postId,
    author: person(authorId),
    title,
    body,
    reports: (byContent.get(id) ?? []).slice(0, REPORTS_SHOWN).map(presentReport),
    createdAt: iso(record.at),
    ...outcomeOf(record),
    version,
  }));
}

/** Who has reported is not told. */
function presentReport({ reason, detail, at }: Pick<ReportDocument, "reason" | "detail" | "at">) {
  return { reason, detail, at: iso(at) };
}

const STATUS_OF = { approve: "approved", remove: "removed" } as const;

/** How a case stands. */
export function outcomeOf({ decision, decidedAt, comment }: CaseRecord) {
  return {
    status: decision === null ? ("open" as const) : STATUS_OF[decision],
    decidedAt: decidedAt === null ? null : iso(decidedAt),
    comment,
  };
}

/** The first of them that make an answer together; at least one. */
function fitting(cases: Case[]): Case[] {
  let bytes = 0;
  const end = cases.findIndex((each, i) => {
    bytes += Buffer.byteLength(JSON.stringify(each));
    return bytes > MAX_BYTES && i > 0;
  });
  return end < 0 ? cases : cases.slice(0, end);
}

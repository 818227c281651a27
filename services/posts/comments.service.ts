import { audited } from "../../lib/audit.ts";
import type { Answer } from "../../lib/declare.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import { idFor, implement, respond, userOf } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { documents } from "../../mixins/documents.ts";
import { clubReader, demandActive } from "./clubs.ts";
import type { ClubReader } from "./clubs.ts";
import { comments } from "./comments.contract.ts";
import { keeping } from "./keeping.ts";
import { exportComments } from "./persons.ts";
import { fittingPage, presentComments } from "./present.ts";
import type { CommentDocument } from "./records.ts";
import { commentMessage, heldMessage, heldNow, removed } from "./writing.ts";

/** Tries of a change that others change at the same time. */
const TRIES = 5;

interface Methods {
  isActive: ClubReader;
  /** @throws 422 when it cannot be answered */
  demandParent(postId: string, parentId: string): Promise<void>;
  /** Adds a comment, or finds the one that a first try has made. */
  keep(comment: CommentDocument): Promise<CommentDocument>;
}

const own: Mixin<Methods> = {};

export default implement(comments, {
  mixins: [keeping(), documents("posts", { tells: true }), own],
  methods: {
    async demandParent(postId: string, parentId: string): Promise<void> {
      const parent = await this.store.comments.findOne({ _id: parentId });
      if (parent?.postId !== postId || parent.status !== "published")
        throw invalid({ field: "parentId", code: "INVALID_REFERENCE" });
      if (parent.parentId !== null) throw invalid({ field: "parentId", code: "NOT_A_TOP_COMMENT" });
    },
    async keep(comment: CommentDocument): Promise<CommentDocument> {
      const { _id, pending } = comment;
      if (await this.store.comments.insertOne(comment)) {
        if (pending) await this.passOn("comment", _id).catch(() => undefined);
        return comment;
      }
      return (await this.store.comments.findOne({ _id })) as CommentDocument;
    },
  },
  actions: {
    async create(ctx) {
      const { id: postId, body, parentId = null } = ctx.params;
      const post = await this.post(postId);
      if (!post) throw new AppError("NOT_FOUND");
      const now = Date.now();
      const made = newComment(idFor(ctx), postId, userOf(ctx), body, parentId, now);
      const { held } = ctx.locals;
      const comment = held ? { ...made, ...heldNow(held, now) } : made;
      const tellings = [
        commentMessage(comment, comment.status),
        ...(comment.case ? [heldMessage(comment)] : []),
      ];
      audited(ctx, { subject: comment._id, after: comment });
      const told = this.messagesOf(ctx, 1, tellings);
      const repeated = ctx.locals.idempotency?.repeated === true;
      const known = repeated ? await this.store.comments.findOne({ _id: made._id }) : null;
      if (!known) {
        if (parentId !== null) await this.demandParent(postId, parentId);
        if (post.status !== "published") throw new AppError("NOT_PUBLISHED");
        await demandActive(post, this.isActive);
        if (post.locked) throw new AppError("POST_LOCKED");
      }
      await this.touch(postId);
      const kept = await this.keep({ ...comment, outbox: told, pending: true });
      await this.recount(postId);
      if (kept.status === "held") respond(ctx, { status: 202 });
      const [shown] = await presentComments(ctx, [kept]);
      return shown as Answer<"comments.create">;
    },
    async list(ctx) {
      const { id: postId, parentId, limit = 20, cursor } = ctx.params;
      const { user } = ctx.locals;
      const kind = `comments:${postId}:${parentId}`;
      const [after = null] = (readCursor(cursor, kind, ["string"]) ?? []) as string[];
      const rows = await this.store.comments.find(
        {
          postId,
          ...(parentId !== undefined && { parentId }),
          ...(after !== null && { _id: { $gt: after } }),
          ...(user === null
            ? { status: "published" }
            : { $or: [{ status: "published" }, { status: "held", authorId: user }] }),
        },
        { sort: { _id: 1 }, limit: limit + 1 },
      );
      const { items, nextCursor } = fittingPage(rows, limit, ({ _id }) => writeCursor(kind, [_id]));
      return { items: await presentComments(ctx, items), nextCursor };
    },
    async remove(ctx) {
      const byModerator = ctx.locals.grant["byRole"] === true;
      for (let tries = 0; tries < TRIES; tries++) {
        const comment = await this.store.comments.findOne({ _id: ctx.params.id });
        if (!comment) throw new AppError("NOT_FOUND");
        if (comment.status === "removed") return;
        const { change, told } = removed(comment, byModerator, Date.now());
        await this.touch(comment.postId);
        const tellings = [commentMessage(comment, "removed"), ...told];
        audited(ctx, { before: comment, after: { ...comment, ...change } });
        const after = await this.changeComment(ctx, comment, change, tellings, { waitingSince: true });
        await this.recount(comment.postId);
        if (after) return;
      }
      throw new AppError("OVERLOADED", { retryAfter: 1 });
    },
    async allows(ctx): Promise<Answer<"comments.allows">> {
      const { id, relation, user } = ctx.params;
      const comment = await this.store.comments.findOne({ _id: id });
      if (!comment) return { verdict: "missing", grant: {} };
      const isAuthor = comment.authorId === user;
      const post = comment.status === "published" && !isAuthor ? await this.post(comment.postId) : null;
      const seen = isAuthor || (post !== null && (post.shown || post.authorId === user));
      const yes = relation === "author" ? isAuthor : seen;
      return { verdict: yes ? "yes" : seen ? "forbidden" : "hidden", grant: {} };
    },
    async exportUser(ctx) {
      return exportComments(this.store, ctx.params.user, ctx.params.cursor);
    },
    async onUserErased(ctx) {
      // Comments stay; who wrote them is nobody from now on, since names are asked of users.
      await this.idempotencyKeys.forget(ctx.params.aggregate.id);
    },
  },
  async started() {
    this.isActive = clubReader(this.broker);
  },
});

function newComment(
  id: string,
  postId: string,
  authorId: string,
  body: string,
  parentId: string | null,
  now: number,
): CommentDocument {
  return {
    _id: id,
    postId,
    parentId,
    authorId,
    body,
    status: "published",
    case: null,
    version: 1,
    createdAt: now,
    updatedAt: now,
    outbox: [],
    pending: false,
  };
}

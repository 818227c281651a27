import { Type as T } from "typebox";
import type { Static } from "typebox";
import { exportUser } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare, declareMessages } from "../../lib/declare.ts";
import { Id, List, Nullable, OneOf, Page, Person, Text, Time, Version } from "../../lib/types.ts";

/** A word in it, enough reports, or that everything is held just now. */
export const HELD_BY = ["word", "reports", "everything"] as const;
export const REPORT_REASONS = ["spam", "abuse", "illegal", "privacy", "other"] as const;
export const WORD_ACTIONS = ["block", "hold", "mask", "allow"] as const;
export const MAX_WORDS = 100_000;

export const Word = T.Object({ word: Text(1, 100), action: OneOf(WORD_ACTIONS) });
export type Word = Static<typeof Word>;

export const Subject = T.Object({ type: OneOf(["post", "comment"]), id: Id });

const Report = T.Object({
  reason: OneOf(REPORT_REASONS),
  detail: T.Optional(Text(0, 1_000, { multiline: true })),
});

/** What waits for a moderator, or has been decided. */
export const Case = T.Object({
  id: Id,
  subject: Subject,
  why: OneOf(HELD_BY),
  status: OneOf(["open", "approved", "removed"]),
  author: Person,
  postId: Id,
  /** Of a post. */
  title: Nullable(T.String()),
  body: T.String(),
  reports: T.Array(T.Object({ reason: T.String(), detail: T.String(), at: Time })),
  createdAt: Time,
  decidedAt: Nullable(Time),
  comment: Nullable(T.String()),
  /** Of the content: a decision with If-Match is about the text that was read, and 412 when it is another by now. */
  version: Version,
});
export type Case = Static<typeof Case>;

export const moderation = declare("moderation", {
  reportPost: {
    rest: "POST /posts/:id/reports",
    summary: { en: "Report a post", "zh-CN": "举报帖子" },
    params: T.Object({ id: Id, ...Report.properties }),
    returns: T.Object({ reported: T.Literal(true) }),
    status: [201, 200],
    access: { post: "visible" },
    errors: ["NOT_PUBLISHED"],
    audit: { subject: "post" },
  },
  reportComment: {
    rest: "POST /comments/:id/reports",
    summary: { en: "Report a comment", "zh-CN": "举报评论" },
    params: T.Object({ id: Id, ...Report.properties }),
    returns: T.Object({ reported: T.Literal(true) }),
    status: [201, 200],
    access: { comment: "visible" },
    errors: ["NOT_PUBLISHED"],
    audit: { subject: "comment" },
  },
  queue: {
    rest: "GET /moderation/queue",
    summary: { en: "What waits for a moderator, oldest first", "zh-CN": "待审核内容（先到先审）" },
    params: T.Object({ ...Page }),
    returns: List(Case),
    access: "moderator",
    priority: "high",
  },
  decide: {
    rest: "POST /moderation/:id/decision",
    summary: { en: "Publish what was held, or remove it", "zh-CN": "审核：通过或移除" },
    params: T.Object({
      id: Id,
      decision: OneOf(["approve", "remove"]),
      comment: T.Optional(Text(1, 2_000, { multiline: true })),
    }),
    returns: Case,
    status: 200,
    moderate: ["comment"],
    access: "moderator",
    errors: ["NOT_FOUND", "SELF_REVIEW", "ALREADY_DECIDED"],
    priority: "high",
    audit: { subject: "case", fields: ["content", "decision"] },
  },
  words: {
    rest: "GET /moderation/words",
    summary: { en: "The word list", "zh-CN": "词库" },
    returns: T.Array(Word),
    access: ["moderator", "admin"],
    timeout: 30_000,
  },
  replaceWords: {
    rest: "PUT /moderation/words",
    summary: {
      en: "Replace the word list (a JSON array of `{ word, action }`); in force everywhere within 5 s",
      "zh-CN": "替换词库（{ word, action } 的 JSON 数组，5 秒内全部生效）",
    },
    returns: T.Object({ words: T.Integer() }),
    access: ["moderator", "admin"],
    body: { type: "application/json", limit: 8 * 1_048_576 },
    timeout: 30_000,
    audit: { subject: "words", fields: ["words"] },
  },
  /** For every node that filters: the version in force, "" where the starter list is. */
  wordsVersion: { returns: T.Object({ version: T.String() }), access: "service", safe: true },
  /** A part of a version; `words` is null when that version is in force no more. */
  wordsPart: {
    params: T.Object({ version: T.String(), part: T.Integer({ minimum: 0 }) }),
    returns: T.Object({ words: Nullable(T.Array(Word)), parts: T.Integer() }),
    access: "service",
    safe: true,
  },
  exportUser,
  /** Keeps the log of what moderators do. */
  onActed: { params: AnyEnvelope, access: "service", consumes: ["moderation.acted"] },
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
});

const content = { subject: Subject, postId: Id, authorId: Id };

export const moderationMessages = declareMessages({
  /** By a word, or since so many have reported it. */
  "moderation.held": T.Object({ ...content, caseId: Id, why: OneOf(HELD_BY) }),
  /** The author is told, with the comment. */
  "moderation.decided": T.Object({
    ...content,
    caseId: Id,
    decision: OneOf(["approve", "remove"]),
    comment: Nullable(T.String()),
  }),
  /** A moderator removed it outside the queue: the author is told. */
  "moderation.removed": T.Object(content),
  /** Whatever a moderator does, for the log; the envelope's actor is who. `subject.id` of the words is their version. */
  "moderation.acted": T.Object({
    action: OneOf(["approve", "remove", "pin", "unpin", "lock", "unlock", "words"]),
    subject: T.Object({ type: OneOf(["post", "comment", "words"]), id: T.String() }),
    comment: Nullable(T.String()),
    /** Of a decision. */
    caseId: T.Optional(Id),
  }),
});

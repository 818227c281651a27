import { Type as T } from "typebox";
import type { Static } from "typebox";
import { allows, exportUser } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare, declareMessages } from "../../lib/declare.ts";
import { Id, List, Nullable, Page, Person, Text, Time } from "../../lib/types.ts";
import { ContentStatus } from "./posts.contract.ts";

declare module "../../lib/declare.ts" {
  interface Relations {
    /** `visible`: published on a post that is visible, or the caller's own. */
    comment: "visible" | "author";
  }
}

export const Comment = T.Object({
  id: Id,
  postId: Id,
  parentId: Nullable(Id),
  author: Person,
  body: T.String(),
  status: ContentStatus,
  createdAt: Time,
});
export type Comment = Static<typeof Comment>;

export const comments = declare("comments", {
  create: {
    rest: "POST /posts/:id/comments",
    summary: { en: "Comment on a post, or answer a comment", "zh-CN": "评论或回复评论" },
    params: T.Object({
      id: Id,
      body: Text(1, 5_000, { multiline: true, description: "Plain text" }),
      parentId: T.Optional(Nullable(Id)),
    }),
    returns: Comment,
    status: [201, 202],
    access: { post: "visible" },
    errors: ["CLUB_NOT_ACTIVE", "NOT_PUBLISHED", "POST_LOCKED", "FORBIDDEN_CONTENT"],
    moderate: ["body"],
    holds: true,
    audit: { subject: "comment", fields: ["postId", "status"] },
  },
  list: {
    rest: "GET /posts/:id/comments",
    summary: {
      en: "Comments of a post, oldest first; `parentId` gives the answers to one",
      "zh-CN": "评论列表（按时间先后；parentId 查看某条的回复）",
    },
    params: T.Object({
      id: Id,
      parentId: T.Optional(Id),
      ...Page,
    }),
    returns: List(Comment),
    access: { post: "visible", or: "moderator", anonymous: true },
    priority: "low",
  },
  remove: {
    rest: "DELETE /comments/:id",
    summary: { en: "Remove a comment", "zh-CN": "删除评论" },
    params: T.Object({ id: Id }),
    access: { comment: "author", or: "moderator" },
    audit: { subject: "comment", fields: ["postId", "status"] },
  },
  allows: allows({}),
  exportUser,
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
});

const about = T.Object({ postId: Id, authorId: Id });

/** Each with a new version of the comment. */
export const commentMessages = declareMessages({
  "comments.published": about,
  "comments.held": about,
  "comments.removed": about,
});

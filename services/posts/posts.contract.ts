import { Type as T } from "typebox";
import type { Static } from "typebox";
import { Acted } from "../../lib/audit.ts";
import { allows, exportUser } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare, declareMessages } from "../../lib/declare.ts";
import { Id, List, Nullable, OneOf, Page, Person, Text, Time, Version } from "../../lib/types.ts";

declare module "../../lib/declare.ts" {
  interface Relations {
    /** `visible`: published, or the caller's own. `officer`: of its club, where it has one. */
    post: "visible" | "author" | "officer";
  }
}

export const CONTENT_STATUSES = ["published", "held", "removed"] as const;
export const ContentStatus = OneOf(CONTENT_STATUSES);
export const MAX_POST = 50_000;

const Tag = Text(1, 30);
const body = Text(1, MAX_POST, { multiline: true, description: "Markdown (CommonMark)" });
const optional = {
  tags: T.Optional(T.Array(Tag, { maxItems: 10, uniqueItems: true })),
  fileIds: T.Optional(T.Array(Id, { maxItems: 20, uniqueItems: true })),
};

export const Post = T.Object({
  id: Id,
  clubId: Nullable(Id),
  author: Person,
  title: T.String(),
  body: T.String(),
  html: T.Optional(
    T.String({ description: "The body rendered and sanitized; of a single post, not in lists" }),
  ),
  tags: T.Array(T.String()),
  fileIds: T.Array(Id),
  status: ContentStatus,
  pinned: T.Boolean(),
  locked: T.Boolean(),
  likeCount: T.Integer(),
  viewCount: T.Integer(),
  commentCount: T.Integer(),
  liked: T.Optional(T.Boolean()),
  version: Version,
  createdAt: Time,
  updatedAt: Time,
});
export type Post = Static<typeof Post>;

/** What other domains may know of a post, whatever its status. */
export const PostRecord = T.Object({
  id: Id,
  clubId: Nullable(Id),
  authorId: Id,
  title: T.String(),
  body: T.String(),
  tags: T.Array(T.String()),
  fileIds: T.Array(Id),
  status: ContentStatus,
  /** Published, and in no club that is not active. */
  shown: T.Boolean(),
  likeCount: T.Integer(),
  version: Version,
  createdAt: Time,
});
export type PostRecord = Static<typeof PostRecord>;

const one = T.Object({ id: Id });

export const posts = declare("posts", {
  create: {
    rest: "POST /posts",
    summary: { en: "Write a post", "zh-CN": "发帖" },
    params: T.Object({ clubId: T.Optional(Nullable(Id)), title: Text(1, 200), body, ...optional }),
    returns: Post,
    status: [201, 202],
    access: "user",
    errors: ["CLUB_NOT_ACTIVE", "FORBIDDEN", "NOT_FOUND", "FORBIDDEN_CONTENT"],
    moderate: ["title", "body", "tags[]"],
    holds: true,
    audit: { subject: "post", fields: ["clubId", "status"] },
  },
  list: {
    rest: "GET /posts",
    summary: { en: "Posts; of a club the pinned ones first", "zh-CN": "帖子列表（按社团时置顶在前）" },
    params: T.Object({
      clubId: T.Optional(Id),
      tag: T.Optional(Tag),
      authorId: T.Optional(Id),
      sort: T.Optional(OneOf(["new", "hot"], { default: "new" })),
      ...Page,
    }),
    returns: List(Post),
    access: "any",
    priority: "low",
  },
  hot: {
    rest: "GET /posts/hot",
    summary: { en: "What is talked about now, at most a second old", "zh-CN": "热帖（最多延迟一秒）" },
    params: T.Object({ ...Page }),
    returns: List(Post),
    access: "any",
    priority: "low",
  },
  search: {
    rest: "GET /posts/search",
    summary: { en: "Search posts", "zh-CN": "搜索帖子" },
    params: T.Object({ q: Text(1, 100), clubId: T.Optional(Id), tag: T.Optional(Tag), ...Page }),
    returns: T.Object({
      items: T.Array(
        T.Object({ post: Post, score: T.Number(), highlights: T.Record(T.String(), T.String()) }),
      ),
      total: T.Integer(),
      nextCursor: Nullable(T.String()),
      degraded: T.Optional(
        T.Literal(true, { description: "The search engine is away: the newest with this in the title" }),
      ),
    }),
    access: "any",
    priority: "low",
  },
  get: {
    rest: "GET /posts/:id",
    summary: { en: "A post", "zh-CN": "帖子详情" },
    params: one,
    returns: Post,
    access: { post: "visible", or: "moderator", anonymous: true },
  },
  update: {
    rest: "PATCH /posts/:id",
    summary: { en: "Change a post", "zh-CN": "修改帖子" },
    params: T.Object({ id: Id, title: T.Optional(Text(1, 200)), body: T.Optional(body), ...optional }),
    returns: Post,
    access: { post: "author" },
    errors: ["CLUB_NOT_ACTIVE", "NOT_PUBLISHED", "FORBIDDEN_CONTENT"],
    moderate: ["title", "body", "tags[]"],
    holds: true,
    audit: { subject: "post", fields: ["status"] },
  },
  remove: {
    rest: "DELETE /posts/:id",
    summary: { en: "Remove a post", "zh-CN": "删除帖子" },
    params: one,
    access: { post: "author", or: "moderator" },
    audit: { subject: "post", fields: ["status"] },
  },
  like: {
    rest: "PUT /posts/:id/like",
    summary: { en: "Like a post", "zh-CN": "点赞" },
    params: one,
    access: { post: "visible" },
    errors: ["CLUB_NOT_ACTIVE", "NOT_PUBLISHED"],
  },
  unlike: {
    rest: "DELETE /posts/:id/like",
    summary: { en: "Take a like back", "zh-CN": "取消点赞" },
    params: one,
    access: { post: "visible" },
  },
  pin: {
    rest: "PUT /posts/:id/pin",
    summary: { en: "Put a post on top", "zh-CN": "置顶" },
    params: one,
    access: { post: "officer", or: "moderator" },
    errors: ["CLUB_NOT_ACTIVE", "NOT_PUBLISHED"],
    audit: { subject: "post", fields: ["pinned"] },
  },
  unpin: {
    rest: "DELETE /posts/:id/pin",
    summary: { en: "Let a post be like the others", "zh-CN": "取消置顶" },
    params: one,
    access: { post: "officer", or: "moderator" },
    errors: ["CLUB_NOT_ACTIVE"],
    audit: { subject: "post", fields: ["pinned"] },
  },
  lock: {
    rest: "PUT /posts/:id/lock",
    summary: { en: "Close the discussion of a post", "zh-CN": "锁定讨论" },
    params: one,
    access: { post: "officer", or: "moderator" },
    errors: ["CLUB_NOT_ACTIVE"],
    audit: { subject: "post", fields: ["locked"] },
  },
  unlock: {
    rest: "DELETE /posts/:id/lock",
    summary: { en: "Open the discussion of a post again", "zh-CN": "解除锁定" },
    params: one,
    access: { post: "officer", or: "moderator" },
    errors: ["CLUB_NOT_ACTIVE"],
    audit: { subject: "post", fields: ["locked"] },
  },
  allows: allows({}),
  /** By id, in any order, without those that are not there. An answer holds at most about 500 kB: ask again for the rest. */
  records: {
    params: T.Object({ ids: T.Array(T.String(), { maxItems: 1000 }) }),
    returns: T.Array(PostRecord),
    access: "service",
    safe: true,
  },
  /** All posts that are shown in pages by id, for a rebuild of the search index; a page may be shorter than asked for. */
  page: {
    params: T.Object({ after: Nullable(T.String()), limit: T.Integer({ minimum: 1, maximum: 500 }) }),
    returns: T.Object({ posts: T.Array(PostRecord), next: Nullable(T.String()) }),
    access: "service",
    safe: true,
    timeout: 10_000,
  },
  /** Which files posts show, by the posts' ids; those that are not there or removed are left out. */
  files: {
    params: T.Object({ ids: T.Array(T.String(), { maxItems: 1000 }) }),
    returns: T.Array(T.Object({ id: T.String(), fileIds: T.Array(T.String()) })),
    access: "service",
    safe: true,
  },
  exportUser,
  /** Posts of a club that is not active are shown to nobody but their authors. */
  onClubChanged: {
    params: AnyEnvelope,
    access: "service",
    consumes: ["clubs.statusChanged", "clubs.deleted"],
  },
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
});

const about = { clubId: Nullable(Id), authorId: Id };

export const postMessages = declareMessages({
  /** Whatever is done in the domain, for the audit log. */
  "posts.acted": Acted,
  "posts.published": T.Object(about),
  /** Texts or whether it is shown; a new version each time. */
  "posts.changed": T.Object(about),
  "posts.held": T.Object(about),
  "posts.removed": T.Object({ ...about, by: OneOf(["author", "moderator"]) }),
});

import { Type as T } from "typebox";
import type { Static } from "typebox";
import { allows, exportUser, shownFiles } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { sagaActions } from "../../lib/saga-contract.ts";
import { Id, List, Nullable, OneOf, Page, Text, Time, Version } from "../../lib/types.ts";

declare module "../../lib/declare.ts" {
  interface Relations {
    /**
     * `visible`: it is active, or the caller one of its people, a reviewer or an administrator; deleted: its people
     * alone. A president is an officer, an officer a member.
     */
    club: "visible" | "member" | "officer" | "president";
  }
}

export const CLUB_STATUSES = ["pending", "active", "rejected", "suspended", "deleted"] as const;
export const CLUB_ROLES = ["president", "officer", "member"] as const;
export const STAGES = ["officer", "president"] as const;

export const ClubStatus = OneOf(CLUB_STATUSES);
export const ClubRole = OneOf(CLUB_ROLES);
const JoinPolicy = OneOf(["open", "review", "closed"]);
const Slug = T.String({ pattern: "^[a-z0-9]+(-[a-z0-9]+)*$", maxLength: 50 });
const Tag = Text(1, 30);
/** A category with its names in both languages. */
export const CategoryNames = T.Object({
  slug: Slug,
  name: T.Object({ en: Text(1, 100), "zh-CN": Text(1, 100) }),
});
export type CategoryNames = Static<typeof CategoryNames>;

export const Question = T.Object({
  id: T.String({ pattern: "^[A-Za-z0-9_-]{1,40}$" }),
  label: Text(1, 200),
  type: OneOf(["text", "choice"]),
  required: T.Boolean(),
  options: T.Optional(T.Array(Text(1, 200), { minItems: 1, maxItems: 20 })),
});
export type Question = Static<typeof Question>;

/** The stored fields of a club; the same for everyone. */
const stored = {
  id: Id,
  name: T.String(),
  summary: T.String(),
  description: T.String(),
  category: T.String(),
  tags: T.Array(T.String()),
  logoFileId: Nullable(Id),
  joinPolicy: JoinPolicy,
  questions: T.Array(Question),
  reviewStages: T.Array(OneOf(STAGES)),
  status: ClubStatus,
  version: Version,
  createdAt: Time,
  updatedAt: Time,
  memberCount: T.Integer(),
  favoriteCount: T.Integer(),
};

export const Club = T.Object({
  ...stored,
  myRole: T.Optional(Nullable(ClubRole)),
  isFavorite: T.Optional(T.Boolean()),
});
export type Club = Static<typeof Club>;

/** A club as services know it. */
export const ClubRecord = T.Object({
  ...stored,
  createdBy: Id,
  /** Grows with every change, counts included. */
  revision: T.Integer(),
});
export type ClubRecord = Static<typeof ClubRecord>;

const editable = {
  name: Text(2, 120),
  summary: Text(1, 300),
  description: Text(0, 20_000, { multiline: true }),
  category: Slug,
  tags: T.Array(Tag, { maxItems: 10 }),
  logoFileId: Nullable(Id),
  joinPolicy: JoinPolicy,
  questions: T.Array(Question, { maxItems: 20 }),
  reviewStages: T.Array(OneOf(STAGES), { minItems: 1, maxItems: 2, uniqueItems: true }),
};

const optional = {
  description: T.Optional(editable.description),
  tags: T.Optional(editable.tags),
  logoFileId: T.Optional(editable.logoFileId),
  joinPolicy: T.Optional(editable.joinPolicy),
  questions: T.Optional(editable.questions),
  reviewStages: T.Optional(editable.reviewStages),
};

const Facet = T.Array(T.Object({ value: T.String(), count: T.Integer() }));

export const clubs = declare("clubs", {
  categories: {
    rest: "GET /categories",
    summary: { en: "The categories of clubs", "zh-CN": "社团分类" },
    returns: T.Array(T.Object({ slug: T.String(), name: T.String(), clubs: T.Integer() })),
    access: "any",
  },
  create: {
    rest: "POST /clubs",
    summary: { en: "Found a club", "zh-CN": "创建社团" },
    params: T.Object({
      name: editable.name,
      summary: editable.summary,
      category: editable.category,
      ...optional,
    }),
    returns: Club,
    status: 201,
    moderate: ["name", "summary", "description", "tags[]", "questions[].label", "questions[].options[]"],
    access: "user",
    errors: ["CLUB_NAME_TAKEN"],
    timeout: 15_000,
    audit: { subject: "club", fields: ["name", "category", "joinPolicy", "reviewStages"] },
  },
  list: {
    rest: "GET /clubs",
    summary: { en: "Clubs", "zh-CN": "社团列表" },
    params: T.Object({
      category: T.Optional(Slug),
      tag: T.Optional(Tag),
      sort: T.Optional(OneOf(["new", "popular", "name"], { default: "new" })),
      mine: T.Optional(T.Boolean()),
      ...Page,
    }),
    returns: List(Club),
    access: "any",
    // Without a token, where one's own clubs are asked for.
    errors: ["UNAUTHENTICATED"],
  },
  search: {
    rest: "GET /clubs/search",
    summary: { en: "Search clubs", "zh-CN": "搜索社团" },
    params: T.Object({
      q: Text(1, 100),
      category: T.Optional(Slug),
      tag: T.Optional(Tag),
      sort: T.Optional(OneOf(["relevance", "popular", "new"], { default: "relevance" })),
      ...Page,
    }),
    returns: T.Object({
      items: T.Array(
        T.Object({ club: Club, score: T.Number(), highlights: T.Record(T.String(), T.String()) }),
      ),
      facets: T.Object({ category: Facet, tag: Facet }),
      total: T.Integer(),
      nextCursor: Nullable(T.String()),
      degraded: T.Optional(
        T.Literal(true, { description: "The search engine is away: matched by name alone, in one page" }),
      ),
    }),
    access: "any",
    priority: "low",
  },
  suggest: {
    rest: "GET /clubs/suggest",
    summary: { en: "Names of clubs while typing", "zh-CN": "输入时的社团名建议" },
    params: T.Object({ q: Text(1, 100) }),
    returns: T.Array(T.Object({ id: Id, name: T.String() })),
    access: "any",
    priority: "low",
  },
  get: {
    rest: "GET /clubs/:id",
    summary: { en: "A club", "zh-CN": "社团详情" },
    params: T.Object({ id: Id }),
    returns: Club,
    access: { club: "visible", anonymous: true },
  },
  update: {
    rest: "PATCH /clubs/:id",
    summary: { en: "Change a club", "zh-CN": "修改社团" },
    params: T.Object({
      id: Id,
      name: T.Optional(editable.name),
      summary: T.Optional(editable.summary),
      category: T.Optional(editable.category),
      ...optional,
    }),
    returns: Club,
    moderate: ["name", "summary", "description", "tags[]", "questions[].label", "questions[].options[]"],
    access: { club: "president", or: "admin" },
    errors: ["CLUB_NAME_TAKEN", "CLUB_NOT_ACTIVE"],
    audit: { subject: "club", fields: ["name", "category", "tags", "joinPolicy", "reviewStages"] },
  },
  remove: {
    rest: "DELETE /clubs/:id",
    summary: { en: "Dissolve a club", "zh-CN": "解散社团" },
    params: T.Object({ id: Id }),
    access: { club: "president", or: "admin" },
    audit: { subject: "club", fields: ["status"] },
  },
  setStatus: {
    rest: "PUT /clubs/:id/status",
    summary: { en: "Suspend a club, or lift it", "zh-CN": "停用或恢复社团" },
    params: T.Object({
      id: Id,
      status: OneOf(["active", "suspended"]),
      reason: Text(1, 2000, { multiline: true }),
    }),
    returns: Club,
    moderate: ["reason"],
    access: "admin",
    errors: ["CLUB_NOT_ACTIVE"],
    audit: { subject: "club", fields: ["status"] },
  },
  transfer: {
    rest: "POST /clubs/:id/transfer",
    summary: {
      en: "Offer the presidency to a member (an administrator: hand it over at once)",
      "zh-CN": "转让会长职务（管理员立即生效）",
    },
    params: T.Object({ id: Id, userId: Id }),
    returns: T.Union([T.Object({ transfer: T.Object({ id: Id, to: Id, expiresAt: Time }) }), Club]),
    status: [202, 200],
    access: { club: "president", or: "admin" },
    errors: ["CLUB_NOT_ACTIVE"],
    audit: { subject: "club", fields: ["offeredTo", "president"] },
  },
  acceptTransfer: {
    rest: "POST /clubs/:id/transfer/accept",
    summary: { en: "Accept the presidency that was offered to me", "zh-CN": "接受会长职务" },
    params: T.Object({ id: Id }),
    returns: Club,
    access: { club: "member" },
    audit: { subject: "club", fields: ["president"] },
  },
  /** The resource check of `club` rules; the grant carries the club's status and revision and the caller's role. */
  allows: allows({
    status: T.Optional(ClubStatus),
    role: T.Optional(Nullable(ClubRole)),
    revision: T.Optional(T.Integer()),
  }),
  /** A club, the same for everyone; null when there is none. */
  record: {
    params: T.Object({ id: T.String() }),
    returns: Nullable(ClubRecord),
    access: "service",
    cache: { ttl: 30, keys: ["id"] },
    safe: true,
  },
  /** Clubs by id in one batch, uncached, in any order; those that are not there are left out. */
  records: {
    params: T.Object({ ids: T.Array(T.String(), { maxItems: 1000 }) }),
    returns: T.Array(ClubRecord),
    access: "service",
    safe: true,
  },
  /** Logos of those that have one, whatever their status. */
  files: shownFiles,
  /** All active clubs in pages by id, for a rebuild of the search index. */
  page: {
    params: T.Object({ after: Nullable(T.String()), limit: T.Integer({ minimum: 1, maximum: 100 }) }),
    returns: T.Array(ClubRecord),
    access: "service",
    safe: true,
  },
  /** Active clubs with this in their name, the popular ones first: what is left while the search engine is away. */
  findByName: {
    params: T.Object({
      q: T.String(),
      category: Nullable(T.String()),
      tag: Nullable(T.String()),
      limit: T.Integer({ minimum: 1, maximum: 100 }),
    }),
    returns: T.Object({
      clubs: T.Array(T.Object({ id: T.String(), name: T.String() })),
      total: T.Integer(),
    }),
    access: "service",
    safe: true,
  },
  /** A review's outcome: pending → active or rejected. */
  onReviewDecided: { params: AnyEnvelope, access: "service", consumes: ["reviews.decided"] },
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
  exportUser,
  ...sagaActions,
  /** Clubs whose president the person is: an obstacle to erasure. */
  presidedBy: {
    params: T.Object({ user: T.String() }),
    returns: T.Array(Id),
    access: "service",
    safe: true,
  },
});

import { Type as T } from "typebox";
import { Acted } from "../../lib/audit.ts";
import { shownFiles } from "../../lib/contract-parts.ts";
import { declare, declareMessages } from "../../lib/declare.ts";
import {
  Id,
  LanguageTag,
  List,
  Nullable,
  OneOf,
  Page,
  Person,
  Text,
  Time,
  Version,
} from "../../lib/types.ts";

export const ROLES = ["student", "reviewer", "moderator", "admin"] as const;
/** Roles that are given; `student` everybody has. */
export const GIVEN_ROLES = ["reviewer", "moderator", "admin"] as const;
const RoleName = OneOf(ROLES);

/** What one sees of oneself, and an administrator of everyone. */
export const OwnUser = T.Object({
  id: Id,
  username: Nullable(T.String()),
  email: Nullable(T.String()),
  displayName: T.String(),
  bio: Nullable(T.String()),
  avatarFileId: Nullable(Id),
  college: Nullable(T.String()),
  major: Nullable(T.String()),
  grade: Nullable(T.String()),
  locale: LanguageTag,
  status: OneOf(["active", "suspended", "erased"]),
  roles: T.Array(RoleName),
  version: Version,
  createdAt: Time,
  updatedAt: Time,
});

/** What other signed-in people see. */
export const PublicUser = T.Object({
  id: Id,
  username: Nullable(T.String()),
  displayName: T.String(),
  avatarFileId: Nullable(Id),
  bio: Nullable(T.String()),
  college: Nullable(T.String()),
});

/** What other domains may know of a person; `erased` people keep their id here so that answers can be matched. */
export const UserName = T.Object({
  id: Id,
  username: Nullable(T.String()),
  displayName: T.String(),
  avatarFileId: Nullable(Id),
  college: Nullable(T.String()),
  major: Nullable(T.String()),
  grade: Nullable(T.String()),
  locale: LanguageTag,
  status: OneOf(["active", "suspended", "erased"]),
});

const short = (max: number) => T.Optional(Nullable(Text(0, max)));

export const users = declare("users", {
  me: {
    rest: "GET /users/me",
    summary: { en: "My profile", "zh-CN": "我的资料" },
    returns: OwnUser,
    access: "user",
    priority: "high",
  },
  updateMe: {
    rest: "PATCH /users/me",
    summary: { en: "Change my profile", "zh-CN": "修改我的资料" },
    params: T.Object({
      displayName: T.Optional(Text(1, 50)),
      bio: T.Optional(Nullable(Text(0, 500, { multiline: true }))),
      avatarFileId: T.Optional(Nullable(Id)),
      college: short(100),
      major: short(100),
      grade: short(20),
      locale: T.Optional(LanguageTag),
    }),
    returns: OwnUser,
    moderate: ["displayName", "bio", "college", "major", "grade"],
    access: "user",
    audit: { subject: "user", id: null },
  },
  exportMe: {
    rest: "GET /users/me/export",
    summary: { en: "Everything that is kept about me", "zh-CN": "导出关于我的全部数据" },
    returns: T.Object({ exportedAt: Time, domains: T.Record(T.String(), T.Unknown()) }),
    access: "user",
    priority: "low",
    timeout: 30_000,
  },
  eraseMe: {
    rest: "DELETE /users/me",
    summary: { en: "Erase my account", "zh-CN": "注销我的账号" },
    params: T.Object({ password: T.String({ maxLength: 1000 }) }),
    access: "user",
    errors: ["WRONG_PASSWORD", "ACCOUNT_LOCKED", "CLUB_NEEDS_PRESIDENT", "LAST_ADMIN", "OVERLOADED"],
    audit: { subject: "user", id: null },
  },
  get: {
    rest: "GET /users/:id",
    summary: { en: "A person", "zh-CN": "用户资料" },
    params: T.Object({ id: Id }),
    returns: T.Union([OwnUser, PublicUser]),
    access: "user",
  },
  list: {
    rest: "GET /users",
    summary: { en: "Search people, newest first", "zh-CN": "搜索用户" },
    params: T.Object({
      q: T.Optional(Text(1, 100)),
      role: T.Optional(RoleName),
      status: T.Optional(OneOf(["active", "suspended", "erased"])),
      ...Page,
    }),
    returns: List(OwnUser),
    access: "admin",
  },
  setRoles: {
    rest: "PUT /users/:id/roles",
    summary: { en: "Set someone's roles", "zh-CN": "设置用户角色" },
    params: T.Object({ id: Id, roles: T.Array(RoleName, { maxItems: 4, uniqueItems: true }) }),
    returns: OwnUser,
    access: "admin",
    errors: ["LAST_ADMIN"],
    audit: { subject: "user", fields: ["roles"] },
  },
  setStatus: {
    rest: "PUT /users/:id/status",
    summary: { en: "Suspend someone, or lift it", "zh-CN": "停用或恢复用户" },
    params: T.Object({
      id: Id,
      status: OneOf(["active", "suspended"]),
      reason: Text(1, 2000, { multiline: true }),
    }),
    returns: OwnUser,
    moderate: ["reason"],
    access: "admin",
    errors: ["LAST_ADMIN"],
    audit: { subject: "user", fields: ["status"] },
  },
  roles: {
    rest: "GET /roles",
    summary: { en: "The roles and what they may do", "zh-CN": "角色及其权限" },
    returns: T.Array(T.Object({ role: RoleName, permissions: T.Array(T.String()) })),
    access: "user",
  },
  /** People by id, in one batch, in any order; ids that name nobody are left out. */
  names: {
    params: T.Object({ ids: T.Array(T.String(), { maxItems: 1000 }) }),
    returns: T.Array(UserName),
    access: "service",
    safe: true,
  },
  /** Where mail for people goes; only of those who are active. For nothing else than to send it. */
  mailAddresses: {
    params: T.Object({ ids: T.Array(T.String(), { maxItems: 1000 }) }),
    returns: T.Array(T.Object({ id: Id, email: T.String(), locale: LanguageTag })),
    access: "service",
    safe: true,
  },
  /** Global roles from the primary, uncached; `student` is implied and not listed. */
  rolesOf: {
    params: T.Object({ id: T.String() }),
    returns: T.Array(RoleName),
    access: "service",
    safe: true,
  },
  /** Everyone with a role, but for who is suspended. */
  withRole: {
    params: T.Object({ role: OneOf(GIVEN_ROLES) }),
    returns: T.Array(Id),
    access: "service",
    safe: true,
  },
  /** Avatars of those who have one. */
  files: shownFiles,
  /** For operators: when a user was erased (milliseconds), and which consumers have done their part. */
  erasure: {
    params: T.Object({ id: T.String() }),
    returns: T.Object({
      erasedAt: T.Integer(),
      receipts: T.Array(T.Object({ consumer: T.String(), done: T.Boolean() })),
    }),
    access: "service",
    safe: true,
  },
});

const MAILS = ["passwordReset", "emailChange", "emailChangeNotice", "accountLocked", "invitation"] as const;

export const userMessages = declareMessages({
  /** Whatever is done in the domain, for the audit log. */
  "users.acted": Acted,
  "users.registered": T.Object({}),
  "users.updated": T.Object({}),
  "users.suspended": T.Object({ status: OneOf(["active", "suspended"]) }),
  "users.erased": T.Object({}),
  /** For the domain itself: a mail is to be sent. Addresses and tokens are looked up when it is. */
  "users.mailDue": T.Object({ template: OneOf(MAILS), tokenId: Nullable(T.String()) }),
});

/** A person inside other things; who is erased, or unknown, is nobody by the reader's language. */
export { Person };

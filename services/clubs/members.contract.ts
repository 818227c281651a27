import { Type as T } from "typebox";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { Id, List, Nullable, OneOf, Page, Person, Text, Time, Version } from "../../lib/types.ts";
import { Club, CLUB_STATUSES, ClubRole } from "./clubs.contract.ts";

export const Member = T.Object({ user: Person, role: ClubRole, title: Nullable(T.String()), joinedAt: Time });

export const members = declare("members", {
  list: {
    rest: "GET /clubs/:id/members",
    summary: { en: "The members of a club", "zh-CN": "社团成员" },
    params: T.Object({ id: Id, role: T.Optional(ClubRole), ...Page }),
    returns: T.Object({
      items: T.Array(Member),
      nextCursor: Nullable(T.String()),
      memberCount: T.Optional(T.Integer()),
    }),
    access: { club: "visible", anonymous: true },
  },
  csv: {
    rest: "GET /clubs/:id/members.csv",
    summary: { en: "The members of a club as CSV", "zh-CN": "导出社团成员 CSV" },
    params: T.Object({ id: Id }),
    returns: T.String(),
    produces: "text/csv; charset=utf-8",
    access: { club: "officer" },
    priority: "low",
    timeout: 20_000,
  },
  update: {
    rest: "PATCH /clubs/:id/members/:userId",
    summary: { en: "Set a member's role and title", "zh-CN": "设置成员角色和职务" },
    params: T.Object({
      id: Id,
      userId: Id,
      role: T.Optional(OneOf(["officer", "member"])),
      title: T.Optional(Nullable(Text(0, 50))),
    }),
    returns: T.Object({
      user: Person,
      role: ClubRole,
      title: Nullable(T.String()),
      joinedAt: Time,
      version: Version,
    }),
    moderate: ["title"],
    access: { club: "president" },
    errors: ["CLUB_NEEDS_PRESIDENT", "CLUB_NOT_ACTIVE"],
    audit: { subject: "club", fields: ["member", "role"] },
  },
  remove: {
    rest: "DELETE /clubs/:id/members/:userId",
    summary: { en: "Leave a club, or remove a member", "zh-CN": "退出社团或移除成员" },
    params: T.Object({ id: Id, userId: Id }),
    access: { club: "member" },
    errors: ["CLUB_NEEDS_PRESIDENT", "CLUB_NOT_ACTIVE"],
    audit: { subject: "club", fields: ["member", "role"] },
  },
  /** The caller's roles in clubs; pairs without a membership are left out. Primary, uncached. */
  rolesOf: {
    params: T.Object({
      pairs: T.Array(T.Object({ clubId: T.String(), userId: T.String() }), { maxItems: 1000 }),
    }),
    returns: T.Array(T.Object({ clubId: Id, userId: Id, role: ClubRole })),
    access: "service",
    safe: true,
  },
  /** Ids of a club's officers and its president. */
  officersOf: {
    params: T.Object({ clubId: T.String() }),
    returns: T.Array(T.Object({ userId: Id, role: ClubRole })),
    access: "service",
    safe: true,
  },
  /** An approved application becomes a membership, once. */
  onApplicationDecided: { params: AnyEnvelope, access: "service", consumes: ["applications.decided"] },
});

export const favorites = declare("favorites", {
  add: {
    rest: "PUT /clubs/:id/favorite",
    summary: { en: "Mark a club as a favorite", "zh-CN": "收藏社团" },
    params: T.Object({ id: Id }),
    access: { club: "visible" },
    errors: ["CLUB_NOT_ACTIVE"],
  },
  remove: {
    rest: "DELETE /clubs/:id/favorite",
    summary: { en: "Take a club from my favorites", "zh-CN": "取消收藏" },
    params: T.Object({ id: Id }),
    access: { club: "visible" },
    errors: ["CLUB_NOT_ACTIVE"],
  },
  mine: {
    rest: "GET /users/me/favorites",
    summary: { en: "My favorite clubs", "zh-CN": "我收藏的社团" },
    params: T.Object({ ...Page }),
    returns: List(Club),
    access: "user",
  },
});

export { CLUB_STATUSES };

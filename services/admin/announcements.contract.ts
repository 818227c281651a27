import type { Static } from "typebox";
import { Type as T } from "typebox";
import { declare, declareMessages } from "../../lib/declare.ts";
import { Id, Nullable, OneOf, Page, Text, Time, Version } from "../../lib/types.ts";
import { ROLES } from "../users/users.contract.ts";

export const LEVELS = ["info", "warning"] as const;
export const STATES = ["scheduled", "current", "ended", "withdrawn"] as const;

/** Any of a list, all of the lists; `{}` is everyone. */
export const Audience = T.Object({
  roles: T.Optional(T.Array(OneOf(ROLES), { minItems: 1, maxItems: 4, uniqueItems: true })),
  clubIds: T.Optional(T.Array(Id, { minItems: 1, maxItems: 100, uniqueItems: true })),
  colleges: T.Optional(T.Array(Text(1, 100), { minItems: 1, maxItems: 100, uniqueItems: true })),
});
export type Audience = Static<typeof Audience>;

const written = {
  title: Text(1, 200),
  body: Text(1, 10_000, { multiline: true }),
  level: OneOf(LEVELS),
  audience: Audience,
};
const Start = T.String({ format: "date-time", description: "Without one, and in the past: at once" });
const End = T.String({ format: "date-time", description: "Without one it stays until it is withdrawn" });

export const Announcement = T.Object({
  id: Id,
  title: T.String(),
  body: T.String(),
  level: OneOf(LEVELS),
  audience: Audience,
  state: OneOf(STATES),
  startsAt: Time,
  endsAt: Nullable(Time),
  version: Version,
  createdAt: Time,
  updatedAt: Time,
});

/** How far its people are told; null while nobody knows. */
const Reach = Nullable(
  T.Object({
    /** How many are to be told; grows while they are looked up after the start. */
    people: T.Integer(),
    told: T.Integer(),
    read: T.Integer(),
  }),
);

export const announcements = declare("announcements", {
  list: {
    rest: "GET /admin/announcements",
    summary: { en: "Announcements, newest first", "zh-CN": "公告列表" },
    params: T.Object({ state: T.Optional(OneOf(STATES)), ...Page }),
    returns: T.Object({ items: T.Array(Announcement), nextCursor: Nullable(T.String()) }),
    access: "administrator",
  },
  get: {
    rest: "GET /admin/announcements/:id",
    summary: { en: "An announcement, and whom it has reached", "zh-CN": "公告详情与送达情况" },
    params: T.Object({ id: Id }),
    returns: T.Object({ ...Announcement.properties, reach: Reach }),
    access: "administrator",
    timeout: 5_000,
  },
  create: {
    rest: "POST /admin/announcements",
    summary: { en: "Announce something", "zh-CN": "发布公告" },
    params: T.Object({ ...written, startsAt: T.Optional(Start), endsAt: T.Optional(Nullable(End)) }),
    returns: Announcement,
    status: 201,
    access: "administrator",
    audit: {
      subject: "announcement",
      fields: ["title", "body", "level", "audience", "startsAt", "endsAt"],
    },
  },
  update: {
    rest: "PATCH /admin/announcements/:id",
    summary: {
      en: "Change an announcement; whom it is for and its start only before it starts",
      "zh-CN": "修改公告（受众和开始时间仅在开始前可改）",
    },
    params: T.Object({
      id: Id,
      ...T.Partial(T.Object(written)).properties,
      startsAt: T.Optional(Start),
      endsAt: T.Optional(Nullable(End)),
    }),
    returns: Announcement,
    access: "administrator",
    errors: ["ALREADY_STARTED", "ALREADY_WITHDRAWN"],
    audit: {
      subject: "announcement",
      fields: ["title", "body", "level", "audience", "startsAt", "endsAt"],
    },
  },
  withdraw: {
    rest: "DELETE /admin/announcements/:id",
    summary: { en: "Withdraw an announcement", "zh-CN": "撤回公告" },
    params: T.Object({ id: Id }),
    access: "administrator",
    audit: { subject: "announcement", fields: ["state"] },
  },
});

/** All of it each time, so that what comes late, or alone, is enough; times in milliseconds. */
const Content = {
  title: T.String(),
  body: T.String(),
  level: OneOf(LEVELS),
  audience: Audience,
  startsAt: T.Integer(),
  endsAt: Nullable(T.Integer()),
  createdAt: T.Integer(),
};

export const announcementMessages = declareMessages({
  "announcements.changed": T.Object(Content),
  "announcements.withdrawn": T.Object({ ...Content, withdrawnAt: T.Integer() }),
});

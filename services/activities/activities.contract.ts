import { Type as T } from "typebox";
import type { Static } from "typebox";
import { Acted } from "../../lib/audit.ts";
import { allows, shownFiles } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare, declareMessages } from "../../lib/declare.ts";
import { Id, List, Nullable, OneOf, Page, Text, Time, Version } from "../../lib/types.ts";

declare module "../../lib/declare.ts" {
  interface Relations {
    /** `visible`: it has been published, or the caller is an officer of its club. */
    activity: "visible" | "officer";
  }
}

export const ACTIVITY_STATUSES = ["draft", "published", "cancelled", "finished"] as const;
export const PARTICIPATION_STATUSES = ["confirmed", "waitlisted", "cancelled"] as const;

export const ActivityStatus = OneOf(ACTIVITY_STATUSES);
export const ParticipationStatus = OneOf(PARTICIPATION_STATUSES);
/** An occurrence is named by its original start, which never changes (RFC 5545, RECURRENCE-ID). */
export const OccurrenceName = T.String({ format: "date-time", maxLength: 40 });

const Override = T.Object({
  occurrence: Time,
  startsAt: T.Optional(Time),
  endsAt: T.Optional(Time),
  location: T.Optional(Text(1, 200)),
});
const Recurrence = T.Object({
  rrule: T.String({
    minLength: 1,
    maxLength: 1000,
    description: "RFC 5545 without `RRULE:`, DAILY or longer",
  }),
  exdates: T.Optional(T.Array(Time, { maxItems: 1000 })),
  overrides: T.Optional(T.Array(Override, { maxItems: 1000 })),
});
const Attributes = T.Record(
  T.String({ pattern: "^[A-Za-z0-9_-]{1,40}$" }),
  T.Union([Text(0, 500), T.Number(), T.Boolean()]),
  { maxProperties: 20 },
);

export const MyParticipation = T.Object({
  occurrence: Time,
  status: ParticipationStatus,
  position: T.Optional(T.Integer({ minimum: 1 })),
  checkedInAt: Nullable(Time),
});

export const Activity = T.Object({
  id: Id,
  clubId: Id,
  title: T.String(),
  description: T.String(),
  startsAt: Time,
  endsAt: Time,
  timezone: T.String(),
  location: T.String(),
  capacity: Nullable(T.Integer()),
  waitlist: T.Boolean(),
  signUpOpensAt: Nullable(Time),
  signUpClosesAt: Time,
  audience: OneOf(["everyone", "members"]),
  recurrence: Nullable(T.Object({ rrule: T.String(), exdates: T.Array(Time), overrides: T.Array(Override) })),
  cancelledOccurrences: T.Array(T.Object({ occurrence: Time, reason: T.String() })),
  reminders: T.Array(T.Integer()),
  fileIds: T.Array(Id),
  attributes: T.Record(T.String(), T.Union([T.String(), T.Number(), T.Boolean()])),
  status: ActivityStatus,
  cancelReason: T.Optional(Nullable(T.String())),
  version: Version,
  createdAt: Time,
  updatedAt: Time,
  confirmedCount: T.Integer(),
  waitlistCount: T.Integer(),
  myParticipation: T.Optional(Nullable(MyParticipation)),
});
export type Activity = Static<typeof Activity>;

const editable = {
  title: Text(1, 200),
  description: Text(0, 20_000, { multiline: true }),
  startsAt: Time,
  endsAt: Time,
  timezone: T.String({ minLength: 1, maxLength: 64, description: "A name of the IANA time zone database" }),
  location: Text(0, 200),
  capacity: Nullable(T.Integer({ minimum: 1, maximum: 100_000 })),
  waitlist: T.Boolean(),
  signUpOpensAt: Nullable(Time),
  signUpClosesAt: Nullable(Time),
  audience: OneOf(["everyone", "members"]),
  recurrence: Nullable(Recurrence),
  reminders: T.Array(T.Integer({ minimum: 1, maximum: 40_320 }), { maxItems: 5, uniqueItems: true }),
  fileIds: T.Array(Id, { maxItems: 20, uniqueItems: true }),
  attributes: Attributes,
};
const optional = {
  description: T.Optional(editable.description),
  location: T.Optional(editable.location),
  capacity: T.Optional(editable.capacity),
  waitlist: T.Optional(editable.waitlist),
  signUpOpensAt: T.Optional(editable.signUpOpensAt),
  signUpClosesAt: T.Optional(editable.signUpClosesAt),
  audience: T.Optional(editable.audience),
  recurrence: T.Optional(editable.recurrence),
  reminders: T.Optional(editable.reminders),
  fileIds: T.Optional(editable.fileIds),
  attributes: T.Optional(editable.attributes),
};

/** What of an activity stands in the audit log: no texts but its title. */
const AUDITED = [
  "clubId",
  "title",
  "status",
  "startsAt",
  "endsAt",
  "timezone",
  "capacity",
  "audience",
] as const;

export const activities = declare("activities", {
  create: {
    rest: "POST /clubs/:id/activities",
    summary: {
      en: "Plan an activity (of a series, the sign-up times given are those of its first occurrence)",
      "zh-CN": "创建活动（系列活动的报名时间以首次为准）",
    },
    params: T.Object({
      id: Id,
      title: editable.title,
      startsAt: editable.startsAt,
      endsAt: editable.endsAt,
      timezone: editable.timezone,
      ...optional,
    }),
    returns: Activity,
    status: 201,
    moderate: ["title", "description", "location", "recurrence.overrides[].location", "attributes.*"],
    access: { club: "officer" },
    errors: ["CLUB_NOT_ACTIVE"],
    audit: { subject: "activity", fields: AUDITED },
  },
  update: {
    rest: "PATCH /activities/:id",
    summary: { en: "Change an activity", "zh-CN": "修改活动" },
    params: T.Object({
      id: Id,
      title: T.Optional(editable.title),
      startsAt: T.Optional(editable.startsAt),
      endsAt: T.Optional(editable.endsAt),
      timezone: T.Optional(editable.timezone),
      ...optional,
    }),
    returns: Activity,
    moderate: ["title", "description", "location", "recurrence.overrides[].location", "attributes.*"],
    access: { activity: "officer" },
    errors: ["CLUB_NOT_ACTIVE", "ACTIVITY_OVER", "HAS_SIGN_UPS"],
    audit: { subject: "activity", fields: AUDITED },
  },
  publish: {
    rest: "POST /activities/:id/publish",
    summary: { en: "Publish an activity", "zh-CN": "发布活动" },
    params: T.Object({ id: Id }),
    returns: Activity,
    status: 200,
    access: { activity: "officer" },
    errors: ["CLUB_NOT_ACTIVE", "ACTIVITY_OVER"],
    audit: { subject: "activity", fields: AUDITED },
  },
  cancel: {
    rest: "POST /activities/:id/cancel",
    summary: { en: "Cancel an activity, or one occurrence of a series", "zh-CN": "取消活动或其中一次" },
    params: T.Object({
      id: Id,
      reason: Text(1, 2000, { multiline: true }),
      occurrence: T.Optional(OccurrenceName),
    }),
    returns: Activity,
    status: 200,
    moderate: ["reason"],
    access: { activity: "officer" },
    errors: ["CLUB_NOT_ACTIVE", "ACTIVITY_OVER"],
    audit: { subject: "activity", fields: [...AUDITED, "occurrence"] },
  },
  list: {
    rest: "GET /activities",
    summary: { en: "Activities, newest first", "zh-CN": "活动列表" },
    params: T.Object({
      from: T.Optional(Time),
      to: T.Optional(Time),
      clubId: T.Optional(Id),
      q: T.Optional(Text(1, 100)),
      status: T.Optional(ActivityStatus),
      ...Page,
    }),
    returns: List(Activity),
    access: "any",
    // Of drafts, which are the officers' alone.
    errors: ["UNAUTHENTICATED", "FORBIDDEN"],
  },
  get: {
    rest: "GET /activities/:id",
    summary: { en: "An activity", "zh-CN": "活动详情" },
    params: T.Object({ id: Id }),
    returns: Activity,
    access: { activity: "visible", anonymous: true },
  },
  /** The resource check of `activity` rules; the grant carries the club's status where the caller's role was asked for. */
  allows: allows({ clubStatus: T.Optional(T.String()) }),
  /** What activities are called and whose they are, by id, in any order; those that are not there are left out. */
  records: {
    params: T.Object({ ids: T.Array(T.String(), { maxItems: 1000 }) }),
    returns: T.Array(T.Object({ id: Id, clubId: Id, title: T.String(), timezone: T.String() })),
    access: "service",
    safe: true,
  },
  files: shownFiles,
  /** A dissolved club's coming activities are cancelled. */
  onClubDeleted: { params: AnyEnvelope, access: "service", consumes: ["clubs.deleted"] },
});

const about = { activityId: Id, clubId: Id };
const people = { ...about, occurrence: T.Integer(), users: T.Array(T.String()) };
const scheduled = { ...people, startsAt: T.Integer() };

export const activityMessages = declareMessages({
  /** Whatever is done in the domain, for the audit log. */
  "activities.acted": Acted,
  "activities.published": T.Object({ clubId: Id, title: T.String(), publishedAt: T.Integer() }),
  /** A published one, with a new version. */
  "activities.changed": T.Object({ clubId: Id, title: T.String() }),
  /** The whole, or one occurrence (milliseconds). Without a reason the club was dissolved. */
  "activities.cancelled": T.Object({
    clubId: Id,
    title: T.String(),
    occurrence: Nullable(T.Integer()),
    reason: Nullable(T.String()),
  }),
  // What one write of a roster decided, for up to some hundred people. Occurrences and starts are milliseconds.
  "participations.confirmed": T.Object(people),
  "participations.waitlisted": T.Object(people),
  "participations.promoted": T.Object(scheduled),
  "participations.cancelled": T.Object(people),
  "participations.checkedIn": T.Object(people),
  /** A roster after each of its writes, with the latest of whom the write met. Nobody who is erased has a name. */
  "participations.recorded": T.Object({
    ...about,
    occurrence: T.Integer(),
    startsAt: T.Integer(),
    endsAt: T.Integer(),
    cancelled: T.Boolean(),
    people: T.Array(
      T.Object({
        /** The part of the participation's id that is its own. */
        key: T.String(),
        user: Nullable(T.String()),
        status: ParticipationStatus,
        /** Grows with every decision of the roster. */
        op: T.Integer(),
        admittedAt: T.Integer(),
        checkedInAt: Nullable(T.Integer()),
      }),
    ),
  }),
  // What people who are signed up are told, some hundred in a message.
  "participations.calledOff": T.Object({
    ...scheduled,
    reason: Nullable(T.String()),
    /** With its club. */
    dissolved: T.Boolean(),
  }),
  "participations.moved": T.Object({ ...scheduled, endsAt: T.Integer(), location: T.String() }),
  "participations.reminded": T.Object({ ...scheduled, location: T.String(), minutes: T.Integer() }),
});

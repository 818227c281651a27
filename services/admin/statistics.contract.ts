import { Type as T } from "typebox";
import type { Static } from "typebox";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { COUNTED } from "../../lib/facts.ts";
import { Id, Nullable, OneOf, Time } from "../../lib/types.ts";

export const METRICS = [
  "new_users",
  "active_users",
  "new_clubs",
  "applications",
  "approvals",
  "approval_seconds_p50",
  "approval_seconds_p90",
  "activities",
  "sign_ups",
  "check_ins",
  "attendance",
  "posts",
  "comments",
] as const;
export type Metric = (typeof METRICS)[number];
export const UNITS = ["hour", "day", "week", "month"] as const;
export type Unit = (typeof UNITS)[number];

/** Messages that are counted. */
export const COUNTED_MESSAGES = [
  "users.registered",
  "users.erased",
  "clubs.created",
  "clubs.updated",
  "clubs.statusChanged",
  "clubs.deleted",
  "clubs.memberJoined",
  "clubs.memberLeft",
  "applications.submitted",
  "applications.decided",
  "activities.published",
  "activities.cancelled",
  "participations.recorded",
  "posts.published",
  "posts.held",
  "posts.removed",
  "comments.published",
  "comments.held",
  "comments.removed",
] as const;

const period = {
  from: T.Optional(T.String({ format: "date-time", maxLength: 40 })),
  to: T.Optional(T.String({ format: "date-time", maxLength: 40 })),
};
const asked = T.Object({
  metric: T.Optional(
    T.Array(T.String({ maxLength: 500 }), {
      maxItems: 50,
      description: `Repeated, or a list with commas, of: ${METRICS.join(", ")}. Default: all.`,
    }),
  ),
  ...period,
  bucket: T.Optional(OneOf(UNITS, { default: "day" })),
});
const askedOfClubs = T.Object({
  ...period,
  limit: T.Optional(T.Integer({ minimum: 1, maximum: 100, default: 20 })),
});

export const Attendance = T.Object({
  confirmed: T.Integer(),
  checkedIn: T.Integer(),
  /** Null where nobody was confirmed. */
  rate: Nullable(T.Number()),
});
export const Totals = T.Object({
  users: T.Integer(),
  clubs: T.Integer(),
  members: T.Integer(),
  applications: T.Integer(),
  activities: T.Integer(),
  participations: T.Integer(),
  posts: T.Integer(),
  comments: T.Integer(),
});
export type Totals = Static<typeof Totals>;
const Series = T.Object({
  metric: OneOf(METRICS),
  points: T.Array(
    T.Object({
      at: Time,
      value: Nullable(
        T.Number({ description: "Null where there is nothing to take a percentile or a share of" }),
      ),
    }),
  ),
});
export type Series = Static<typeof Series>;

const ClubActivity = T.Object({
  club: T.Object({ id: Id, name: T.String() }),
  score: T.Integer({
    description: "5 × activities + 2 × posts + 2 × check-ins + applications + sign-ups",
  }),
  activities: T.Integer(),
  applications: T.Integer(),
  signUps: T.Integer(),
  checkIns: T.Integer(),
  posts: T.Integer(),
});
export type ClubActivity = Static<typeof ClubActivity>;

export const Rebuild = T.Object({
  id: T.Integer(),
  state: OneOf(["running", "done"]),
  /** The domain that is read at present. */
  source: Nullable(T.String()),
  /** Facts read so far. */
  done: T.Integer(),
  startedAt: Time,
  endedAt: Nullable(Time),
});
export type Rebuild = Static<typeof Rebuild>;

export const statistics = declare("statistics", {
  get: {
    rest: "GET /admin/statistics",
    summary: {
      en: "How many there are, and what happened when, in days of the campus time zone",
      "zh-CN": "统计：总数与时间序列（校园时区）",
    },
    params: asked,
    returns: T.Object({
      totals: Totals,
      /** Of occurrences that began in the period and are over. */
      attendance: Attendance,
      from: Time,
      to: Time,
      bucket: OneOf(UNITS),
      timezone: T.String(),
      series: T.Array(Series),
    }),
    access: "administrator",
    timeout: 20_000,
  },
  csv: {
    rest: "GET /admin/statistics.csv",
    summary: { en: "The same series as CSV, a line for each bucket", "zh-CN": "导出统计 CSV" },
    params: asked,
    returns: T.String(),
    produces: "text/csv; charset=utf-8",
    access: "administrator",
    timeout: 20_000,
  },
  clubs: {
    rest: "GET /admin/statistics/clubs",
    summary: { en: "The most active clubs of a period", "zh-CN": "最活跃的社团" },
    params: askedOfClubs,
    returns: T.Object({
      from: Time,
      to: Time,
      items: T.Array(ClubActivity),
      nextCursor: T.Null(),
    }),
    access: "administrator",
    timeout: 20_000,
  },
  clubsCsv: {
    rest: "GET /admin/statistics/clubs.csv",
    summary: { en: "The most active clubs as CSV", "zh-CN": "导出最活跃的社团 CSV" },
    params: askedOfClubs,
    returns: T.String(),
    produces: "text/csv; charset=utf-8",
    access: "administrator",
    timeout: 20_000,
  },
  rebuild: {
    rest: "POST /admin/statistics/rebuild",
    summary: {
      en: "Count everything anew from what the domains keep; what is running goes on",
      "zh-CN": "重新统计全部数据",
    },
    returns: T.Object({ rebuild: Rebuild }),
    status: 202,
    access: "administrator",
    audit: { subject: "statistics", id: null },
  },
  rebuilding: {
    rest: "GET /admin/statistics/rebuild",
    summary: { en: "The last rebuild", "zh-CN": "最近一次重新统计" },
    returns: Rebuild,
    access: "administrator",
    errors: ["NOT_FOUND"],
  },
  /** For operators: begins a rebuild, or finds the one that is running. */
  beginRebuild: { returns: Rebuild, access: "service" },
  /** Counts what others tell: once, however often and in whatever order it comes. */
  onMessage: { params: AnyEnvelope, access: "service", consumes: COUNTED_MESSAGES },
});

/** Metrics that are summed over buckets. */
export const SUMMED: readonly Metric[] = COUNTED;

import { Type as T } from "typebox";
import { exportUser } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { Id, List, Nullable, Page, Person, Time } from "../../lib/types.ts";
import {
  ActivityStatus,
  MyParticipation,
  OccurrenceName,
  ParticipationStatus,
} from "./activities.contract.ts";

const occurrence = T.Optional(OccurrenceName);
/** How many requests of this kind a node holds at once: they wait for their batch and cost nothing meanwhile. */
const HELD = 5_000;
/** Milliseconds; a decision takes half a second at most, and another node is asked when this one is silent. */
const PATIENCE = 1_500;

/** Calls about one activity go to one node, and to the next in rank when it is away: every step can be repeated. */
const decided = {
  owner: "id",
  repeatable: true,
  bulkhead: HELD,
  timeout: PATIENCE,
  priority: "high",
} as const;

export const participations = declare("participations", {
  join: {
    rest: "PUT /activities/:id/participation",
    summary: { en: "Sign up for an activity", "zh-CN": "报名活动" },
    params: T.Object({ id: Id, occurrence }),
    returns: T.Union([
      T.Object({ status: T.Literal("confirmed") }),
      T.Object({ status: T.Literal("waitlisted"), position: T.Integer({ minimum: 1 }) }),
    ]),
    status: [201, 200],
    access: { activity: "visible" },
    errors: ["ACTIVITY_FULL", "SIGN_UP_CLOSED", "CLUB_NOT_ACTIVE", "MEMBERS_ONLY"],
    rush: true,
    ...decided,
  },
  leave: {
    rest: "DELETE /activities/:id/participation",
    summary: { en: "Give up my place, or leave the waitlist", "zh-CN": "取消报名或退出候补" },
    params: T.Object({ id: Id, occurrence }),
    access: { activity: "visible" },
    errors: ["SIGN_UP_CLOSED"],
    ...decided,
  },
  mine: {
    rest: "GET /activities/:id/participation",
    summary: { en: "My participation", "zh-CN": "我的报名状态" },
    params: T.Object({ id: Id, occurrence }),
    returns: T.Object({
      status: ParticipationStatus,
      position: T.Optional(T.Integer({ minimum: 1 })),
      checkedInAt: Nullable(Time),
    }),
    access: { activity: "visible" },
    ...decided,
  },
  list: {
    rest: "GET /activities/:id/participants",
    summary: { en: "Who is signed up, in order of admission", "zh-CN": "报名名单" },
    params: T.Object({ id: Id, status: T.Optional(ParticipationStatus), occurrence, ...Page }),
    returns: List(
      T.Object({
        user: Person,
        occurrence: Time,
        status: ParticipationStatus,
        position: T.Optional(T.Integer({ minimum: 1 })),
        checkedInAt: Nullable(Time),
      }),
    ),
    access: { activity: "officer" },
  },
  csv: {
    rest: "GET /activities/:id/participants.csv",
    summary: { en: "The attendance list as CSV", "zh-CN": "导出签到名单 CSV" },
    params: T.Object({ id: Id, status: T.Optional(ParticipationStatus), occurrence }),
    returns: T.String(),
    produces: "text/csv; charset=utf-8",
    access: { activity: "officer" },
    priority: "low",
    timeout: 20_000,
  },
  mineAll: {
    rest: "GET /users/me/activities",
    summary: { en: "What I am or was signed up for, latest first", "zh-CN": "我的活动" },
    params: T.Object({ ...Page }),
    returns: List(
      T.Object({
        activity: T.Object({
          id: Id,
          clubId: Id,
          title: T.String(),
          location: T.String(),
          timezone: T.String(),
          status: ActivityStatus,
        }),
        startsAt: Time,
        endsAt: Time,
        participation: MyParticipation,
      }),
    ),
    access: "user",
  },
  checkInCode: {
    rest: "GET /activities/:id/check-in-code",
    summary: { en: "The code to show at the door, renewed every 30 seconds", "zh-CN": "获取签到二维码" },
    params: T.Object({ id: Id, occurrence }),
    returns: T.Object({ code: T.String(), expiresAt: Time, qr: T.String({ description: "SVG" }) }),
    access: { activity: "officer" },
    errors: ["ACTIVITY_OVER"],
    secret: true,
  },
  checkIn: {
    rest: "POST /activities/:id/check-ins",
    summary: { en: "Check in by the code at the door, or somebody as an officer", "zh-CN": "活动签到" },
    params: T.Union([
      T.Object({ id: Id, code: T.String({ minLength: 1, maxLength: 200 }) }),
      T.Object({ id: Id, userId: Id, occurrence }),
    ]),
    returns: T.Object({ userId: Id, occurrence: Time, checkedInAt: Time }),
    status: [201, 200],
    access: { activity: "visible" },
    errors: ["INVALID_CODE", "NOT_CONFIRMED", "CHECK_IN_CLOSED", "CLUB_NOT_ACTIVE"],
    ...decided,
  },
  /** Brings every roster of the activity in line with what the activity says by now, and sees to what is unfinished in them. */
  settle: { params: T.Object({ id: T.String() }), access: "service", owner: "id", repeatable: true },
  /** Takes a person out of the occurrences, those to come and those that were. */
  erase: {
    params: T.Object({ id: T.String(), user: T.String(), occurrences: T.Array(T.Integer()) }),
    access: "service",
    owner: "id",
    repeatable: true,
  },
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
  exportUser,
});

import { Type as T } from "typebox";
import { Acted } from "../../lib/audit.ts";
import { allows, exportUser } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare, declareMessages } from "../../lib/declare.ts";
import { Id, List, Nullable, OneOf, Page, Person, Text, Time, Version } from "../../lib/types.ts";
import { Club, STAGES } from "../clubs/clubs.contract.ts";

declare module "../../lib/declare.ts" {
  interface Relations {
    /** `applicant`: it is theirs. `decider`: an officer or the president of its club. `party`: either. */
    application: "applicant" | "decider" | "party";
  }
}

export const APPLICATION_STATUSES = [
  "submitted",
  "under_review",
  "approved",
  "rejected",
  "withdrawn",
  "expired",
] as const;
export const ApplicationStatus = OneOf(APPLICATION_STATUSES);
const Comment = Text(0, 2000, { multiline: true });
const Decision = OneOf(["approve", "reject"]);

/** Answers by question id, each with the label its question had, so that they stay readable when the questions change. */
export const Answers = T.Record(T.String(), T.Object({ label: T.String(), value: T.String() }));

export const Application = T.Object({
  id: Id,
  clubId: Id,
  club: T.Object({ id: Id, name: T.String(), logoFileId: Nullable(T.String()) }),
  applicant: Person,
  message: Nullable(T.String()),
  answers: Answers,
  status: ApplicationStatus,
  stage: Nullable(OneOf(STAGES)),
  version: Version,
  createdAt: Time,
  updatedAt: Time,
  timeline: T.Array(
    T.Object({
      at: Time,
      from: Nullable(ApplicationStatus),
      to: ApplicationStatus,
      by: Nullable(Person),
      comment: Nullable(T.String()),
    }),
  ),
});

export const applications = declare("applications", {
  submit: {
    rest: "POST /clubs/:id/applications",
    summary: { en: "Apply to a club", "zh-CN": "申请加入社团" },
    params: T.Object({
      id: Id,
      message: T.Optional(Nullable(Text(0, 2000, { multiline: true }))),
      answers: T.Optional(
        T.Record(T.String({ pattern: "^[A-Za-z0-9_-]{1,40}$" }), Text(0, 2000, { multiline: true }), {
          maxProperties: 20,
        }),
      ),
    }),
    returns: T.Object({ application: Application }),
    status: 202,
    moderate: ["message", "answers.*"],
    access: { club: "visible" },
    errors: ["ALREADY_APPLIED", "ALREADY_MEMBER", "CLUB_CLOSED", "CLUB_NOT_ACTIVE"],
    priority: "high",
    audit: { subject: "application", fields: ["clubId", "status"] },
  },
  get: {
    rest: "GET /applications/:id",
    summary: { en: "An application", "zh-CN": "申请详情" },
    params: T.Object({ id: Id }),
    returns: Application,
    access: { application: "party" },
    priority: "high",
  },
  mine: {
    rest: "GET /users/me/applications",
    summary: { en: "My applications", "zh-CN": "我的申请" },
    params: T.Object({ status: T.Optional(ApplicationStatus), ...Page }),
    returns: List(Application),
    access: "user",
    priority: "high",
  },
  ofClub: {
    rest: "GET /clubs/:id/applications",
    summary: { en: "Applications to a club", "zh-CN": "社团收到的申请" },
    params: T.Object({ id: Id, status: T.Optional(ApplicationStatus), ...Page }),
    returns: List(Application),
    access: { club: "officer" },
    priority: "high",
  },
  decide: {
    rest: "POST /applications/:id/decision",
    summary: { en: "Decide an application", "zh-CN": "审批申请" },
    params: T.Object({ id: Id, decision: Decision, comment: T.Optional(Nullable(Comment)) }),
    returns: Application,
    moderate: ["comment"],
    access: { application: "decider" },
    errors: ["ALREADY_DECIDED", "CLUB_NOT_ACTIVE", "COMMENT_REQUIRED"],
    priority: "high",
    audit: { subject: "application", fields: ["decision", "status"] },
  },
  decideMany: {
    rest: "POST /clubs/:id/applications/decisions",
    summary: { en: "Decide up to 100 applications", "zh-CN": "批量审批申请" },
    params: T.Object({
      id: Id,
      decisions: T.Array(T.Object({ id: Id, decision: Decision, comment: T.Optional(Nullable(Comment)) }), {
        minItems: 1,
        maxItems: 100,
      }),
    }),
    returns: T.Object({
      results: T.Array(
        T.Object({ id: Id, status: Nullable(ApplicationStatus), code: T.Optional(T.String()) }),
      ),
    }),
    moderate: ["decisions[].comment"],
    access: { club: "officer" },
    errors: ["CLUB_NOT_ACTIVE"],
    priority: "high",
    timeout: 20_000,
    audit: { subject: "club", fields: ["decisions"] },
  },
  withdraw: {
    rest: "POST /applications/:id/withdraw",
    summary: { en: "Withdraw my application", "zh-CN": "撤回申请" },
    params: T.Object({ id: Id }),
    returns: Application,
    access: { application: "applicant" },
    errors: ["ALREADY_DECIDED"],
    priority: "high",
    audit: { subject: "application", fields: ["status"] },
  },
  /** The resource check of `application` rules. */
  allows: allows({
    role: T.Optional(Nullable(OneOf(["president", "officer", "member"]))),
    /** How many stages were passed when this was asked. */
    passed: T.Optional(T.Integer()),
  }),
  /** Starts the review of a submitted application: stages and expiry are fixed, the officers told. */
  onSubmitted: { params: AnyEnvelope, access: "service", consumes: ["applications.submitted"] },
  /** Open ones expire with their club and wait while it is suspended; an approved one stands in for its membership until that is made or refused. */
  onClubChanged: {
    params: AnyEnvelope,
    access: "service",
    consumes: [
      "clubs.deleted",
      "clubs.statusChanged",
      "clubs.memberJoined",
      "clubs.memberLeft",
      "clubs.memberRefused",
    ],
  },
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
  exportUser,
});

export const applicationMessages = declareMessages({
  /** Whatever is done in the domain, for the audit log. */
  "applications.acted": Acted,
  "applications.submitted": T.Object({ clubId: Id, applicantId: Id }),
  /** It waits for this stage now; `first` when the review has just begun. */
  "applications.advanced": T.Object({
    clubId: Id,
    applicantId: Id,
    stage: OneOf(STAGES),
    first: T.Boolean(),
  }),
  "applications.decided": T.Object({
    clubId: Id,
    applicantId: Id,
    status: OneOf(["approved", "rejected"]),
    by: Nullable(T.String()),
    /** When it was decided, and when it was submitted (milliseconds). */
    at: T.Integer(),
    submittedAt: T.Integer(),
  }),
  "applications.withdrawn": T.Object({ clubId: Id, applicantId: Id }),
  "applications.expired": T.Object({ clubId: Id, applicantId: Id }),
});

export const ReviewTask = T.Object({
  id: Id,
  clubId: Id,
  club: Club,
  status: OneOf(["open", "claimed", "approved", "rejected"]),
  claimedBy: Nullable(Person),
  claimExpiresAt: Nullable(Time),
  createdAt: Time,
  version: Version,
});

export const reviews = declare("reviews", {
  list: {
    rest: "GET /reviews",
    summary: { en: "New clubs to review, oldest first", "zh-CN": "待审核的新社团" },
    params: T.Object({ status: T.Optional(OneOf(["open", "claimed", "approved", "rejected"])), ...Page }),
    returns: List(ReviewTask),
    access: "reviewer",
    priority: "high",
  },
  claim: {
    rest: "POST /reviews/:id/claim",
    summary: { en: "Claim a review for 30 minutes", "zh-CN": "认领审核任务（30 分钟）" },
    params: T.Object({ id: Id }),
    returns: ReviewTask,
    access: "reviewer",
    errors: ["ALREADY_CLAIMED", "ALREADY_DECIDED", "SELF_REVIEW"],
    priority: "high",
    audit: { subject: "review" },
  },
  decide: {
    rest: "POST /reviews/:id/decision",
    summary: { en: "Decide a review", "zh-CN": "审核决定" },
    params: T.Object({ id: Id, decision: Decision, comment: T.Optional(Nullable(Comment)) }),
    returns: ReviewTask,
    moderate: ["comment"],
    access: "reviewer",
    errors: ["ALREADY_CLAIMED", "ALREADY_DECIDED", "COMMENT_REQUIRED", "NOT_CLAIMED", "SELF_REVIEW"],
    priority: "high",
    audit: { subject: "review", fields: ["clubId", "status"] },
  },
  /** Opens the review task of a new club; a step of the saga, idempotent by `sagaStep`; refused after `undoOpen`. */
  open: {
    params: T.Object({
      sagaStep: T.String(),
      taskId: Id,
      clubId: Id,
      clubName: T.String(),
      clubVersion: T.Integer(),
      filedBy: Id,
    }),
    returns: T.Object({ opened: T.Boolean() }),
    access: "service",
  },
  /** Compensation of `open`: removes the task and leaves a tombstone, so that a late `open` is refused. */
  undoOpen: { params: T.Object({ sagaStep: T.String() }), access: "service" },
  /** A claim ends when the club's text changes; the task goes when the club is deleted, and is open again when its decision came too late. */
  onClubChanged: {
    params: AnyEnvelope,
    access: "service",
    consumes: ["clubs.updated", "clubs.deleted", "clubs.reviewOutdated"],
  },
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
});

export const reviewMessages = declareMessages({
  "reviews.opened": T.Object({ clubId: Id, clubName: T.String(), filedBy: Id }),
  /** `clubVersion` is what the reviewer saw. */
  "reviews.decided": T.Object({
    clubId: Id,
    clubName: T.String(),
    clubVersion: T.Integer(),
    filedBy: Id,
    decision: OneOf(["approved", "rejected"]),
    comment: Nullable(T.String()),
    by: Id,
  }),
});

import { Type as T } from "typebox";
import { exportUser } from "../../lib/contract-parts.ts";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { LanguageTag, Nullable, OneOf, Page, Time } from "../../lib/types.ts";

export const KINDS = [
  "application",
  "review",
  "activity",
  "reminder",
  "waitlist",
  "moderation",
  "announcement",
  "membership",
  "account",
] as const;

export const Notification = T.Object({
  id: T.String(),
  kind: OneOf(KINDS),
  title: T.String(),
  body: T.String(),
  subject: Nullable(T.Object({ type: T.String(), id: T.String() })),
  createdAt: Time,
  readAt: Nullable(Time),
});

export const notifications = declare("notifications", {
  list: {
    rest: "GET /notifications",
    summary: { en: "My notifications, newest first", "zh-CN": "我的通知" },
    params: T.Object({ unread: T.Optional(T.Boolean()), ...Page }),
    returns: T.Object({
      items: T.Array(Notification),
      nextCursor: Nullable(T.String()),
      unreadCount: T.Integer(),
    }),
    access: "user",
  },
  read: {
    rest: "POST /notifications/read",
    summary: { en: "Mark notifications as read", "zh-CN": "标记通知为已读" },
    params: T.Union([
      T.Object({ ids: T.Array(T.String({ minLength: 1, maxLength: 100 }), { minItems: 1, maxItems: 1000 }) }),
      T.Object({ all: T.Literal(true) }),
    ]),
    returns: T.Object({ unreadCount: T.Integer() }),
    status: 200,
    access: "user",
  },
  /** Everything that somebody is told of. */
  onMessage: {
    params: AnyEnvelope,
    access: "service",
    consumes: [
      "applications.advanced",
      "applications.decided",
      "applications.withdrawn",
      "applications.expired",
      "reviews.opened",
      "reviews.decided",
      "clubs.statusChanged",
      "clubs.deleted",
      "clubs.memberLeft",
      "clubs.memberRoleChanged",
      "clubs.transferOffered",
      "clubs.memberRefused",
      "participations.promoted",
      "participations.calledOff",
      "participations.moved",
      "participations.reminded",
      "moderation.held",
      "moderation.decided",
      "moderation.removed",
    ],
  },
  onUserErased: { params: AnyEnvelope, access: "service", consumes: ["users.erased"] },
  exportUser,
});

/**
 * Mails about an account. Tokens travel in the call and are never stored or logged, so whoever asks for a mail holds
 * its values until it is sent.
 */
export const mail = declare("mail", {
  /**
   * Answers when the mail server has the mail, or will never take it; UNAVAILABLE: try again later with the same id.
   * Values: `token` (passwordReset, emailChange, invitation), `email` (emailChangeNotice, the new one),
   * `username` (invitation).
   */
  send: {
    params: T.Object({
      /** For deduplication; it is in the mail's head, in logs and in file names. */
      id: T.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$" }),
      to: T.String({ minLength: 3, maxLength: 254 }),
      locale: LanguageTag,
      template: OneOf(["passwordReset", "emailChange", "emailChangeNotice", "accountLocked", "invitation"]),
      values: T.Record(T.String(), T.String()),
    }),
    access: "service",
    /** A mail server may take its time. */
    timeout: 30_000,
  },
});

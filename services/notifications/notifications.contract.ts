import type { TSchema } from "typebox";
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

const Channels = T.Object({ inbox: T.Boolean(), stream: T.Boolean(), email: T.Boolean() });
/** The kinds are written out, so that their names are checked by types. */
const chosenBy = <const S extends TSchema>(channels: S) =>
  T.Object({
    application: channels,
    review: channels,
    activity: channels,
    reminder: channels,
    waitlist: channels,
    moderation: channels,
    announcement: channels,
    membership: channels,
    account: channels,
  });
/** A token from a mail. */
const Token = T.Object({ token: T.String({ minLength: 1, maxLength: 200 }) });

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
  /** Answered by the gateway itself (services/gateway/stream.ts), which asks for places and what is after them. */
  stream: {
    rest: "GET /notifications/stream",
    summary: { en: "My notifications as they come (Server-Sent Events)", "zh-CN": "通知实时推送" },
    params: T.Object({ lastEventId: T.Optional(T.String({ maxLength: 200 })) }),
    returns: T.String(),
    produces: "text/event-stream",
    access: "user",
    errors: ["TOO_MANY_STREAMS"],
  },
  preferences: {
    rest: "GET /notifications/preferences",
    summary: { en: "Which notifications reach me which way", "zh-CN": "我的通知偏好" },
    returns: chosenBy(Channels),
    access: "user",
  },
  setPreferences: {
    rest: "PUT /notifications/preferences",
    summary: { en: "Choose for some kinds, or all", "zh-CN": "设置通知偏好" },
    params: T.Partial(chosenBy(Channels)),
    returns: chosenBy(Channels),
    access: "user",
  },
  /** Mail scanners follow links, so a GET changes nothing. */
  unsubscription: {
    rest: "GET /notifications/unsubscribe",
    summary: { en: "What the link in a mail would stop", "zh-CN": "退订链接的内容" },
    params: Token,
    returns: T.Object({ kinds: T.Array(OneOf(KINDS)), stopped: T.Boolean() }),
    access: "any",
    secret: true,
  },
  unsubscribe: {
    rest: "POST /notifications/unsubscribe",
    summary: { en: "Stop such mails, by the token in one of them", "zh-CN": "退订此类邮件" },
    params: Token,
    returns: T.Object({ kinds: T.Array(OneOf(KINDS)), stopped: T.Boolean() }),
    status: 200,
    access: "any",
    secret: true,
    addressed: true,
  },
  /** Where a stream goes on: at the number of this notice, or, when it is not known or none is named, after the last. */
  place: {
    params: T.Object({ user: T.String(), id: Nullable(T.String()) }),
    returns: T.Integer(),
    access: "gateway",
    safe: true,
  },
  /** What a stream shows after a number, in the person's own language, and how far that goes. */
  after: {
    params: T.Object({ user: T.String(), seq: T.Integer() }),
    returns: T.Object({ items: T.Array(Notification), seq: T.Integer(), more: T.Boolean() }),
    access: "gateway",
    safe: true,
  },
  /** The last number of each person who has one. */
  heads: {
    params: T.Object({ users: T.Array(T.String(), { maxItems: 10_000 }) }),
    returns: T.Array(T.Object({ user: T.String(), seq: T.Integer() })),
    access: "gateway",
    safe: true,
  },
  /** Sends the mails that are due; by every node that has it, whenever it looks for them. */
  sendMails: { access: "service", timeout: 120_000 },
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

/** For deduplication; it is in the mail's head, in logs and in file names. */
const MailId = T.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$" });

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
      id: MailId,
      to: T.String({ minLength: 3, maxLength: 254 }),
      locale: LanguageTag,
      template: OneOf(["passwordReset", "emailChange", "emailChangeNotice", "accountLocked", "invitation"]),
      values: T.Record(T.String(), T.String()),
    }),
    access: "service",
    /** A mail server may take its time. */
    timeout: 30_000,
  },
  /** As `send`, with a mail that is written already. UNAVAILABLE says `away` when no other mail would be taken now. */
  deliver: {
    params: T.Object({
      id: MailId,
      to: T.String({ minLength: 3, maxLength: 254 }),
      subject: T.String(),
      text: T.String(),
      html: T.String(),
      unsubscribe: T.String(),
    }),
    access: "service",
    timeout: 30_000,
  },
});

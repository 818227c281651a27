import { Type as T } from "typebox";
import { declare, EnvelopeOf } from "../../lib/declare.ts";
import { Id, LanguageTag, List, Nullable, Page, Text, Time } from "../../lib/types.ts";
import { OwnUser, userMessages } from "./users.contract.ts";

/** Latin letters (lowered), digits, `_ . -`, and Chinese characters. */
const Username = T.String({
  "x-text": "line",
  minLength: 3,
  maxLength: 32,
  pattern: "^[A-Za-z0-9_.\\-\\p{Script=Han}]+$",
});
const Email = T.String({
  "x-text": "line",
  minLength: 3,
  maxLength: 254,
  // What mails can be sent to (lib/mail.ts).
  pattern: '^[^\\s\\p{C}<>()[\\],;:"\\\\@]+@[^\\s\\p{C}<>(),;:"\\\\@]+$',
});
/** Length is checked by the password rules, after NFC. A bound keeps hashing cheap. */
const Password = T.String({ minLength: 10, maxLength: 128 });
const AnyPassword = T.String({ minLength: 1, maxLength: 1000 });
const Token = T.String({ minLength: 1, maxLength: 1000 });

export const Tokens = T.Object({
  user: OwnUser,
  accessToken: T.String(),
  refreshToken: T.String(),
  tokenType: T.Literal("Bearer"),
  expiresIn: T.Integer(),
});

export const auth = declare("auth", {
  register: {
    rest: "POST /auth/register",
    summary: { en: "Make an account", "zh-CN": "注册账号" },
    params: T.Object({
      username: Username,
      email: Email,
      password: Password,
      displayName: T.Optional(Text(1, 50)),
      locale: T.Optional(LanguageTag),
      acceptedTerms: T.Optional(T.Boolean()),
    }),
    returns: Tokens,
    status: 201,
    moderate: ["username", "displayName"],
    access: "any",
    errors: ["USERNAME_TAKEN", "EMAIL_TAKEN", "EMAIL_DOMAIN", "OVERLOADED"],
    secret: true,
    authLimit: true,
    client: true,
    priority: "high",
    audit: { subject: "user" },
  },
  login: {
    rest: "POST /auth/login",
    summary: { en: "Sign in", "zh-CN": "登录" },
    params: T.Object({
      login: T.String({ "x-text": "line", minLength: 1, maxLength: 254 }),
      password: AnyPassword,
    }),
    returns: Tokens,
    status: 200,
    access: "any",
    errors: ["INVALID_CREDENTIALS", "ACCOUNT_LOCKED", "ACCOUNT_SUSPENDED", "OVERLOADED"],
    secret: true,
    authLimit: true,
    client: true,
    priority: "high",
    audit: { subject: "user" },
  },
  refresh: {
    rest: "POST /auth/refresh",
    summary: { en: "A new pair of tokens", "zh-CN": "刷新令牌" },
    params: T.Object({ refreshToken: Token }),
    returns: Tokens,
    status: 200,
    access: "any",
    errors: ["INVALID_TOKEN", "REFRESH_REUSED", "ACCOUNT_SUSPENDED"],
    secret: true,
    client: true,
    priority: "high",
  },
  logout: {
    rest: "POST /auth/logout",
    summary: { en: "Sign out", "zh-CN": "退出登录" },
    access: "user",
    priority: "high",
    audit: { subject: "user", id: null },
  },
  changePassword: {
    rest: "POST /auth/password",
    summary: { en: "Change my password", "zh-CN": "修改密码" },
    params: T.Object({ currentPassword: AnyPassword, newPassword: Password }),
    access: "user",
    errors: ["WRONG_PASSWORD", "ACCOUNT_LOCKED", "OVERLOADED"],
    audit: { subject: "user", id: null },
  },
  forgotPassword: {
    rest: "POST /auth/password/forgot",
    summary: { en: "Ask for a mail to reset the password", "zh-CN": "申请重置密码邮件" },
    params: T.Object({ email: Email }),
    status: 202,
    access: "any",
    authLimit: true,
  },
  resetPassword: {
    rest: "POST /auth/password/reset",
    summary: { en: "Reset the password with the token of the mail", "zh-CN": "用邮件中的令牌重置密码" },
    params: T.Object({ token: Token, newPassword: Password }),
    access: "any",
    errors: ["INVALID_RESET_TOKEN", "OVERLOADED"],
    authLimit: true,
    audit: { subject: "user" },
  },
  changeEmail: {
    rest: "POST /users/me/email",
    summary: { en: "Ask to change my e-mail", "zh-CN": "申请更换邮箱" },
    params: T.Object({ password: AnyPassword, email: Email }),
    status: 202,
    access: "user",
    errors: ["WRONG_PASSWORD", "ACCOUNT_LOCKED", "EMAIL_DOMAIN", "OVERLOADED"],
    audit: { subject: "user", id: null },
  },
  confirmEmail: {
    rest: "POST /auth/email/confirm",
    summary: { en: "Confirm the new e-mail with the token of the mail", "zh-CN": "用邮件中的令牌确认新邮箱" },
    params: T.Object({ token: Token }),
    access: "any",
    errors: ["INVALID_RESET_TOKEN", "EMAIL_TAKEN"],
    audit: { subject: "user" },
  },
  /** Public keys of the access tokens. */
  keys: {
    rest: "GET /.well-known/jwks.json",
    summary: { en: "Public keys of the access tokens", "zh-CN": "访问令牌的公钥" },
    returns: T.Object({ keys: T.Array(T.Record(T.String(), T.Unknown())) }),
    access: "any",
    priority: "high",
  },
  /** Hands a mail about an account over to `mail.send`; the relay repeats it until it is taken. */
  onMailDue: {
    params: EnvelopeOf(userMessages["users.mailDue"]),
    access: "service",
    consumes: ["users.mailDue"],
  },
});

export const sessions = declare("sessions", {
  list: {
    rest: "GET /auth/sessions",
    summary: { en: "My sessions, newest first", "zh-CN": "我的登录会话" },
    params: T.Object({ ...Page }),
    returns: List(
      T.Object({
        id: Id,
        device: T.String(),
        address: Nullable(T.String()),
        createdAt: Time,
        lastUsedAt: Time,
        current: T.Boolean(),
      }),
    ),
    access: "user",
  },
  end: {
    rest: "DELETE /auth/sessions/:id",
    summary: { en: "End one of my sessions", "zh-CN": "结束一个会话" },
    params: T.Object({ id: Id }),
    access: "user",
    audit: { subject: "user", id: null },
  },
  /**
   * Sessions revoked at or after `since` (milliseconds), and the database's present time to ask from the next time.
   * A gateway pulls this every 500 ms.
   */
  revokedSince: {
    params: T.Object({ since: T.Integer() }),
    returns: T.Object({ now: T.Integer(), sids: T.Array(T.Object({ sid: T.String(), at: T.Integer() })) }),
    access: "gateway",
    safe: true,
  },
  /** When the session was opened by password (milliseconds); null when it is gone. */
  signedInAt: {
    params: T.Object({ user: T.String(), sid: T.String() }),
    returns: Nullable(T.Integer()),
    access: "service",
    safe: true,
  },
  /** For operators: open sessions of a user, who is named by id, user name or e-mail; times in milliseconds. */
  ofUser: {
    params: T.Object({ user: T.String() }),
    returns: T.Array(
      T.Object({
        id: Id,
        device: T.String(),
        address: Nullable(T.String()),
        createdAt: T.Integer(),
        lastUsedAt: T.Integer(),
      }),
    ),
    access: "service",
    safe: true,
  },
  /** For operators: ends all sessions of a user and says how many. */
  endOfUser: {
    params: T.Object({ user: T.String() }),
    returns: T.Object({ id: Id, ended: T.Integer() }),
    access: "service",
  },
});

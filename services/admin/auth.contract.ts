import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Id, OneOf, Time } from "../../lib/types.ts";
import { OwnUser } from "../users/users.contract.ts";

/** Six digits, or a recovery code, with or without spaces and hyphens. */
const Code = T.String({ minLength: 1, maxLength: 64 });

export const adminAuth = declare("adminAuth", {
  login: {
    rest: "POST /admin/auth/login",
    summary: { en: "Sign in as an administrator", "zh-CN": "管理员登录" },
    params: T.Object({
      login: T.String({ "x-text": "line", minLength: 1, maxLength: 254 }),
      password: T.String({ minLength: 1, maxLength: 1000 }),
      code: T.Optional(Code),
    }),
    returns: T.Object({
      user: OwnUser,
      accessToken: T.String(),
      tokenType: T.Literal("Bearer"),
      expiresIn: T.Integer(),
    }),
    status: 200,
    access: "any",
    errors: [
      "INVALID_CREDENTIALS",
      "TOTP_REQUIRED",
      "TOTP_INVALID",
      "ACCOUNT_LOCKED",
      "ACCOUNT_SUSPENDED",
      "OVERLOADED",
    ],
    secret: true,
    authLimit: true,
    client: true,
    priority: "high",
    audit: { subject: "user", id: null },
  },
  logout: {
    rest: "POST /admin/auth/logout",
    summary: { en: "Sign out", "zh-CN": "退出登录" },
    access: "administrator",
    settingUp: true,
    priority: "high",
    audit: { subject: "user", id: null },
  },
  session: {
    rest: "GET /admin/auth/session",
    summary: { en: "My session and my second factor", "zh-CN": "我的会话与两步验证状态" },
    returns: T.Object({
      user: OwnUser,
      expiresAt: Time,
      totp: T.Boolean({ description: "Whether the second factor is in force" }),
      recoveryCodesLeft: T.Integer(),
    }),
    access: "administrator",
    settingUp: true,
  },
  setUpTotp: {
    rest: "POST /admin/auth/totp",
    summary: {
      en: "A secret for an authenticator app; in force when it is confirmed",
      "zh-CN": "获取验证器密钥，确认后生效",
    },
    returns: T.Object({
      secret: T.String({ description: "Base32" }),
      uri: T.String({ description: "otpauth://…" }),
      qr: T.String({ description: "The address as a QR code, SVG" }),
    }),
    status: 201,
    access: "administrator",
    settingUp: true,
    errors: ["TOTP_ALREADY_SET"],
    secret: true,
    audit: { subject: "user", id: null },
  },
  confirmTotp: {
    rest: "POST /admin/auth/totp/confirm",
    summary: { en: "Put the second factor in force", "zh-CN": "确认并启用两步验证" },
    params: T.Object({ code: Code }),
    returns: T.Object({ recoveryCodes: T.Array(T.String()) }),
    status: 200,
    access: "administrator",
    settingUp: true,
    errors: ["TOTP_CODE_WRONG", "TOTP_ALREADY_SET", "TOTP_NOT_SET"],
    secret: true,
    audit: { subject: "user", id: null },
  },
  removeTotp: {
    rest: "DELETE /admin/auth/totp",
    summary: { en: "Remove the second factor", "zh-CN": "移除两步验证" },
    params: T.Object({ code: Code }),
    access: "administrator",
    settingUp: true,
    errors: ["TOTP_CODE_WRONG", "TOTP_NOT_SET", "ACCOUNT_LOCKED"],
    audit: { subject: "user", id: null },
  },
  /** Public keys of the tokens. */
  keys: {
    returns: T.Object({ keys: T.Array(T.Record(T.String(), T.Unknown())) }),
    access: "gateway",
    safe: true,
  },
  /** As `sessions.revokedSince` of users, of administrators' sessions. */
  revokedSince: {
    params: T.Object({ since: T.Integer() }),
    returns: T.Object({ now: T.Integer(), sids: T.Array(T.Object({ sid: T.String(), at: T.Integer() })) }),
    access: "gateway",
    safe: true,
  },
  /** What a session is good for: nothing, everything, or only to set up the second factor that is required. */
  standing: {
    params: T.Object({ user: T.String(), sid: T.String() }),
    returns: OneOf(["ended", "open", "settingUp"]),
    access: "service",
    safe: true,
  },
  /** Ends all sessions of an administrator and says how many there were. */
  endSessionsOf: {
    params: T.Object({ user: Id }),
    returns: T.Object({ ended: T.Integer() }),
    access: "service",
    repeatable: true,
  },
});

/** The mails about an account, in two languages; and how any mail is written, as text and as simple HTML. */
import type { Language } from "../../lib/declare.ts";

export type MailTemplate =
  "passwordReset" | "emailChange" | "emailChangeNotice" | "accountLocked" | "invitation";

/** A paragraph, something to copy as it is, a heading, or an address to follow. */
export type Part = string | { copy: string } | { heading: string } | { link: string; label: string };
/** A mail's subject and its two forms. */
export interface MailContent {
  subject: string;
  text: string;
  html: string;
}
type Content = readonly [subject: string, ...parts: Part[]];
/** What a mail may say; throws for a value that the template needs and does not get. */
interface Source {
  need: (name: string) => string;
  value: (name: string) => string | undefined;
  /** A request to the interface, since there may be no page to click through to. */
  request: (path: string, body: Record<string, string>) => Part;
  url: (path: string) => string;
}
type Template = (from: Source) => Content;

const TEMPLATES: Record<MailTemplate, Record<Language, Template>> = {
  passwordReset: {
    en: ({ need, request }) => [
      "Reset your password",
      "Somebody, probably you, has asked to reset the password of your account at Club Alliance. The token for it is good for 30 minutes and once:",
      { copy: need("token") },
      "Where your application asks for a token, paste it there. Without one, send it together with a new password:",
      request("/auth/password/reset", { token: need("token"), newPassword: "your new password" }),
      "All sessions end then. If it was not you, there is nothing to do: without the token nothing changes.",
    ],
    "zh-CN": ({ need, request }) => [
      "重置密码",
      "有人（可能是您本人）申请重置您在社团联盟的账号密码。令牌 30 分钟内有效，仅可使用一次：",
      { copy: need("token") },
      "如果应用要求输入令牌，请粘贴到该处；否则请与新密码一起发送：",
      request("/auth/password/reset", { token: need("token"), newPassword: "您的新密码" }),
      "重置后所有会话都会结束。如非本人操作，无需处理：没有令牌，什么都不会改变。",
    ],
  },
  emailChange: {
    en: ({ need, request }) => [
      "Confirm your new e-mail",
      "This address was given as the new e-mail of an account at Club Alliance. The token that confirms it is good for 30 minutes and once:",
      { copy: need("token") },
      "Where your application asks for a token, paste it there. Without one, send it:",
      request("/auth/email/confirm", { token: need("token") }),
      "If it was not you, there is nothing to do: without the token nothing changes.",
    ],
    "zh-CN": ({ need, request }) => [
      "确认新邮箱",
      "社团联盟的一个账号申请将此地址设为新邮箱。确认令牌 30 分钟内有效，仅可使用一次：",
      { copy: need("token") },
      "如果应用要求输入令牌，请粘贴到该处；否则请发送：",
      request("/auth/email/confirm", { token: need("token") }),
      "如非本人操作，无需处理：没有令牌，什么都不会改变。",
    ],
  },
  emailChangeNotice: {
    en: ({ value, url }) => [
      "Your e-mail is about to change",
      `The e-mail of your account at Club Alliance is about to be changed${value("email") ? ` to ${value("email")}` : ""}, as soon as it is confirmed there.`,
      `If it was not you, somebody knows your password: change it now (POST ${url("/auth/password")}); every other session ends with that.`,
    ],
    "zh-CN": ({ value, url }) => [
      "您的邮箱即将更换",
      `您在社团联盟的账号邮箱将在新地址确认后更换${value("email") ? `为 ${value("email")}` : ""}。`,
      `如非本人操作，说明有人知道您的密码：请立即修改密码（POST ${url("/auth/password")}），其他会话会随之结束。`,
    ],
  },
  accountLocked: {
    en: ({ url }) => [
      "Your account is locked for a while",
      "There were too many wrong passwords for your account at Club Alliance, so signing in is locked for up to 15 minutes. Sessions that are open go on.",
      `If you have forgotten your password, ask for a reset, which also ends the lock: POST ${url("/auth/password/forgot")}.`,
      "If it was not you, your password has kept them out; there is nothing to do.",
    ],
    "zh-CN": ({ url }) => [
      "您的账号已暂时锁定",
      "您在社团联盟的账号多次输入错误密码，登录已锁定，最长 15 分钟。已打开的会话不受影响。",
      `如果忘记了密码，可申请重置，重置后锁定随之解除：POST ${url("/auth/password/forgot")}。`,
      "如非本人操作，您的密码已将对方挡在门外，无需处理。",
    ],
  },
  invitation: {
    en: ({ need, value, request }) => [
      "Your account at Club Alliance",
      `An account was made for you at Club Alliance${value("username") ? `; your user name is ${value("username")}` : ""}. Choose a password with this token, which is good for 14 days and once:`,
      { copy: need("token") },
      "Where your application asks for a token, paste it there. Without one, send it together with a password:",
      request("/auth/password/reset", { token: need("token"), newPassword: "your password" }),
    ],
    "zh-CN": ({ need, value, request }) => [
      "您的社团联盟账号",
      `已为您开通社团联盟账号${value("username") ? `，用户名为 ${value("username")}` : ""}。请用此令牌设置密码，令牌 14 天内有效，仅可使用一次：`,
      { copy: need("token") },
      "如果应用要求输入令牌，请粘贴到该处；否则请与密码一起发送：",
      request("/auth/password/reset", { token: need("token"), newPassword: "您的密码" }),
    ],
  },
};

/**
 * A mail's subject and its two forms.
 * @param base the address of the public gateway, without a slash at the end
 * @throws Error when the template needs a value that is not there; it names the value and never shows one
 */
export function mailOf(
  template: MailTemplate,
  language: Language,
  values: Record<string, string>,
  base: string,
): MailContent {
  const value = (name: string): string | undefined => values[name];
  const url = (path: string): string => base + path;
  const [subject, ...parts] = TEMPLATES[template][language]({
    value,
    url,
    need(name) {
      const found = value(name);
      if (!found) throw new Error(`A mail "${template}" needs the value "${name}".`);
      return found;
    },
    request: (path, body) => ({ copy: `POST ${url(path)}\n${JSON.stringify(body, null, 2)}` }),
  });
  return written(language, subject, parts);
}

/** A mail of these parts. */
export function written(language: Language, subject: string, parts: Part[]): MailContent {
  return { subject, text: textOf(parts), html: htmlOf(language, subject, parts) };
}

function textOf(parts: Part[]): string {
  return `${parts.map(textPart).join("\n\n")}\n`;
}

function textPart(part: Part): string {
  if (typeof part === "string") return part;
  if ("copy" in part) return part.copy.replaceAll(/^/gm, "    ");
  return "heading" in part ? part.heading : `${part.label}:\n${part.link}`;
}

function htmlOf(language: Language, subject: string, parts: Part[]): string {
  return [
    `<!doctype html><html lang="${language}"><head><meta charset="utf-8"><title>${escape(subject)}</title></head><body>`,
    ...parts.map(htmlPart),
    "</body></html>\n",
  ].join("\n");
}

function htmlPart(part: Part): string {
  if (typeof part === "string") return `<p>${escape(part).replaceAll("\n", "<br>")}</p>`;
  if ("copy" in part) return `<pre>${escape(part.copy)}</pre>`;
  if ("heading" in part) return `<h2>${escape(part.heading)}</h2>`;
  return `<p><a href="${escape(part.link)}">${escape(part.label)}</a></p>`;
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

import { nobody } from "../../mixins/people.ts";
import { mailOf } from "../../services/notifications/mails.ts";
import type { MailTemplate } from "../../services/notifications/mails.ts";
import { EVENTS, textOf } from "../../services/notifications/texts.ts";

const names = { club: "读书社", person: "李雷" };

describe("texts of notifications", () => {
  test.each(EVENTS)("%s says something in both languages, and nothing is left out", (event) => {
    const en = textOf(event, {}, names, "en");
    const zh = textOf(event, {}, names, "zh-CN");
    for (const { title, body } of [en, zh]) {
      expect(title.length).toBeGreaterThan(3);
      expect(body.length).toBeGreaterThan(3);
      expect(`${title} ${body}`).not.toMatch(/undefined|null|\$\{/);
    }
    expect(`${en.title} ${en.body}`).toContain("读书社");
    // English but for the names.
    expect(`${en.title} ${en.body}`.replaceAll(/读书社|李雷/g, "")).not.toMatch(/\p{Script=Han}/u);
    expect(zh.title).toMatch(/\p{Script=Han}/u);
    expect(zh.body).toMatch(/\p{Script=Han}/u);
  });

  test("the words follow the values", () => {
    const say = (event: string, values: object) => textOf(event, values, names, "en").body;
    expect(say("membership.role", { role: "officer" })).toBe("You are an officer now.");
    expect(say("membership.role", { role: "president" })).toBe("You are its president now.");
    expect(say("application.outcome", { status: "rejected" })).toContain("declined");
    expect(say("application.outcome", { status: "approved" })).toContain("approved");
    expect(say("application.refused", { reason: "person" })).toContain("account");
    expect(say("application.refused", { reason: "club" })).toContain("not active");
    expect(say("review.rejected", { comment: "章程不完整，\n请补充。" })).toBe("章程不完整，\n请补充。");
    expect(say("club.suspended", { comment: "No report" })).toBe("No report");
    expect(say("membership.offered", { expiresAt: Date.UTC(2026, 8, 1, 8, 30) })).toContain(
      "2026-09-01 08:30 UTC",
    );
  });

  test("an event that is not known is no fault", () => {
    expect(textOf("toString", {}, names, "en")).toEqual({ title: "", body: "" });
  });

  test("an erased person is named as everywhere", () => {
    const person = nobody("zh-CN").displayName;
    expect(textOf("application.received", {}, { ...names, person }, "zh-CN").body).toContain("已注销用户");
  });
});

describe("mails", () => {
  const base = "https://clubs.example.edu";
  const values = { token: "tok-<&\"'>-en", email: "new@example.edu", username: "lilei" };
  const templates: MailTemplate[] = [
    "passwordReset",
    "emailChange",
    "emailChangeNotice",
    "accountLocked",
    "invitation",
  ];

  test.each(
    templates.flatMap((name) => (["en", "zh-CN"] as const).map((language) => [name, language] as const)),
  )("%s in %s", (name, language) => {
    const { subject, text, html } = mailOf(name, language, values, base);
    const han = /\p{Script=Han}/u;
    for (const part of [subject, text, html]) expect(han.test(part)).toBe(language === "zh-CN");
    expect(html).not.toMatch(/<&|undefined/);
    expect(text).not.toContain("undefined");
    expect(text.includes(values.token)).toBe(["passwordReset", "emailChange", "invitation"].includes(name));
  });

  test("the token stands alone, and in the request that uses it", () => {
    const { text, html } = mailOf("passwordReset", "en", { token: "abc-123" }, base);
    expect(text).toContain("\n    abc-123\n");
    expect(text).toContain(`POST ${base}/auth/password/reset\n`);
    const request = text.slice(text.indexOf("{"), text.indexOf("}") + 1);
    expect(JSON.parse(request)).toEqual({ token: "abc-123", newPassword: "your new password" });
    expect(html).toContain("<pre>abc-123</pre>");
    expect(mailOf("emailChange", "en", { token: "abc-123" }, base).text).toContain(
      `POST ${base}/auth/email/confirm\n`,
    );
  });

  test("values are escaped in HTML", () => {
    const { html } = mailOf("emailChangeNotice", "en", { email: "<script>@example.edu" }, base);
    expect(html).toContain("&lt;script&gt;@example.edu");
    expect(html).not.toContain("<script>");
  });

  test("without its token a mail is not written, and the error shows no value", () => {
    expect(() => mailOf("passwordReset", "en", { other: "s3cret" }, base)).toThrow(
      'A mail "passwordReset" needs the value "token".',
    );
  });
});

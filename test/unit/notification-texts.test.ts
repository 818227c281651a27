import fc from "fast-check";
import { wallOf } from "../../lib/time-zones.ts";
import { nobody } from "../../mixins/people.ts";
import { mailOf } from "../../services/notifications/mails.ts";
import type { MailTemplate } from "../../services/notifications/mails.ts";
import { EVENTS, textOf, UNNAMED } from "../../services/notifications/texts.ts";

const names = { club: "读书社", person: "李雷", activity: "夜读", timezone: "Asia/Shanghai" };

describe("texts of notifications", () => {
  test.each(EVENTS)("%s says something in both languages, and nothing is left out", (event) => {
    const en = textOf(event, {}, names, "en");
    const zh = textOf(event, {}, names, "zh-CN");
    for (const { title, body } of [en, zh]) {
      expect(title.length).toBeGreaterThan(3);
      expect(body.length).toBeGreaterThan(3);
      expect(`${title} ${body}`).not.toMatch(/undefined|null|\$\{/);
    }
    // Posts need not be in a club.
    if (!event.startsWith("moderation.") && event !== "announcement.made")
      expect(`${en.title} ${en.body}`).toContain("读书社");
    // English but for the names.
    expect(`${en.title} ${en.body}`.replaceAll(/读书社|李雷|夜读/g, "")).not.toMatch(/\p{Script=Han}/u);
    expect(zh.title).toMatch(/\p{Script=Han}/u);
    expect(zh.body).toMatch(/\p{Script=Han}/u);
  });

  test("an announcement says what was written, and in its title that it is withdrawn", () => {
    const announcement = { title: "停电 Power", body: "周日\nSunday", withdrawn: false };
    const say = (more: object, language: "en" | "zh-CN") =>
      textOf("announcement.made", {}, { ...names, announcement: { ...announcement, ...more } }, language);
    for (const language of ["en", "zh-CN"] as const)
      expect(say({}, language)).toEqual({ title: "停电 Power", body: "周日\nSunday" });
    expect(say({ withdrawn: true }, "en").title).toBe("Withdrawn: 停电 Power");
    expect(say({ withdrawn: true }, "zh-CN").title).toBe("已撤回：停电 Power");
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

  test("a moderator's reason is told as it was written, and there are words where there is none", () => {
    const said = { content: "comment", comment: "广告\n请勿重复发布。" } as const;
    for (const event of ["moderation.removed", "moderation.approved"]) {
      const en = textOf(event, said, names, "en");
      const zh = textOf(event, said, names, "zh-CN");
      expect([en.body, zh.body]).toEqual([said.comment, said.comment]);
      expect(en.title).toContain("comment");
      expect(zh.title).toContain("评论");
      expect(textOf(event, { content: "post", comment: null }, names, "en").title).toContain("post");
      expect(textOf(event, { content: "post", comment: null }, names, "zh-CN").title).toContain("帖子");
    }
  });

  test("an event that is not known is no fault", () => {
    expect(textOf("toString", {}, names, "en")).toEqual({ title: "", body: "" });
  });

  test("an erased person is named as everywhere", () => {
    const person = nobody("zh-CN").displayName;
    expect(textOf("application.received", {}, { ...names, person }, "zh-CN").body).toContain("已注销用户");
  });
});

describe("texts about activities", () => {
  const startsAt = Date.UTC(2026, 8, 1, 16, 30);
  const english = "Wednesday, September 2, 2026 at 00:30 GMT+8";
  const chinese = "2026年9月2日星期三 GMT+8 00:30";
  const endsAt = Date.UTC(2026, 8, 1, 18, 0);
  const end = { en: "Wednesday, September 2, 2026 at 02:00 GMT+8", zh: "2026年9月2日星期三 GMT+8 02:00" };

  test.each([
    [
      "participation.promoted",
      {},
      ["You have a place in 夜读 of 读书社", `You have moved up from the waitlist. It begins on ${english}.`],
      ["您已获得读书社的夜读的名额", `您已从候补转为正式参加，活动将于 ${chinese} 开始。`],
    ],
    [
      "participation.calledOff",
      { comment: "Regen,\n场地关闭" },
      ["夜读 of 读书社 was cancelled", `It was to begin on ${english}.\nRegen,\n场地关闭`],
      ["读书社的夜读已取消", `活动原定于 ${chinese} 开始。\nRegen,\n场地关闭`],
    ],
    [
      "participation.calledOff",
      { comment: null },
      ["夜读 of 读书社 was cancelled", `It was to begin on ${english}.`],
      ["读书社的夜读已取消", `活动原定于 ${chinese} 开始。`],
    ],
    [
      "participation.calledOff",
      { comment: null, reason: "club" as const },
      ["夜读 of 读书社 was cancelled", `It was to begin on ${english}.\nThe club was dissolved.`],
      ["读书社的夜读已取消", `活动原定于 ${chinese} 开始。\n社团已解散。`],
    ],
    [
      "participation.moved",
      { endsAt, location: "B 203" },
      [
        "The time or place of 夜读 of 读书社 has changed",
        `It now begins on ${english} and ends on ${end.en}. Place: B 203.`,
      ],
      ["读书社的夜读的时间或地点有变", `活动现定于 ${chinese} 开始，${end.zh} 结束。地点：B 203。`],
    ],
    [
      "participation.moved",
      { endsAt, location: "" },
      [
        "The time or place of 夜读 of 读书社 has changed",
        `It now begins on ${english} and ends on ${end.en}.`,
      ],
      ["读书社的夜读的时间或地点有变", `活动现定于 ${chinese} 开始，${end.zh} 结束。`],
    ],
    [
      "participation.reminded",
      { minutes: 30 },
      ["Reminder: 夜读 of 读书社", `It begins on ${english}.`],
      ["提醒：读书社的夜读", `活动将于 ${chinese} 开始。`],
    ],
    [
      "participation.reminded",
      { minutes: 30, location: "B 203" },
      ["Reminder: 夜读 of 读书社", `It begins on ${english}. Place: B 203.`],
      ["提醒：读书社的夜读", `活动将于 ${chinese} 开始。地点：B 203。`],
    ],
  ])("%s with %j", (event, values, en, zh) => {
    const say = (language: "en" | "zh-CN") => {
      const { title, body } = textOf(event, { startsAt, ...values }, names, language);
      return [title, body];
    };
    expect(say("en")).toEqual(en);
    expect(say("zh-CN")).toEqual(zh);
  });

  test("an activity that cannot be asked for is named neutrally, and its time is that of UTC", () => {
    const say = (language: "en" | "zh-CN") =>
      textOf("participation.reminded", { startsAt }, UNNAMED[language], language);
    expect(say("en")).toEqual({
      title: "Reminder: an activity of a club",
      body: "It begins on 2026-09-01 16:30 UTC.",
    });
    expect(say("zh-CN")).toEqual({
      title: "提醒：某社团的某活动",
      body: "活动将于 2026-09-01 16:30 UTC 开始。",
    });
  });

  test.each(["Mars/Olympus_Mons", ""])("a zone that is not known here, %j, is no fault", (timezone) => {
    const { body } = textOf("participation.reminded", { startsAt }, { ...names, timezone }, "en");
    expect(body).toBe("It begins on 2026-09-01 16:30 UTC.");
  });

  test("in every zone and either language, what the clock on the wall shows", () => {
    const zone = fc.constantFrom(...Intl.supportedValuesOf("timeZone"));
    const minute = fc.integer({ min: Date.UTC(2000, 0) / 60_000, max: Date.UTC(2090, 0) / 60_000 });
    const language = fc.constantFrom("en" as const, "zh-CN" as const);
    fc.assert(
      fc.property(zone, minute, language, (timezone, at, spoken) => {
        const { body } = textOf(
          "participation.reminded",
          { startsAt: at * 60_000 },
          { ...names, timezone },
          spoken,
        );
        const wall = new Date(wallOf(timezone, at * 60_000));
        const [date, clock] = wall.toISOString().split(/[TZ]/) as [string, string];
        const [year, month, day] = date.split("-").map(Number) as [number, number, number];
        expect(body).toContain(clock.slice(0, 5));
        const monthName = wall.toLocaleString("en", { month: "long", timeZone: "UTC" });
        expect(body).toContain(
          spoken === "en" ? `${monthName} ${day}, ${year}` : `${year}年${month}月${day}日`,
        );
      }),
    );
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

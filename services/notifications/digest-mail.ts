/** A mail about notices, in the words that the inbox has for them. */
import type { Language } from "../../lib/declare.ts";
import type { MailContent, Part } from "./mails.ts";
import { written } from "./mails.ts";
import { KINDS } from "./notifications.contract.ts";
import type { Kind } from "./preferences.ts";
import { tokenOf } from "./unsubscribe.ts";

interface Shown {
  kind: Kind;
  title: string;
  body: string;
}

interface Words {
  several: (count: number) => string;
  why: string;
  stop: (kinds: string) => string;
  stopAll: string;
  kinds: Record<Kind, string>;
}

const WORDS: Record<Language, Words> = {
  en: {
    several: (count) => `${count} notifications from Club Alliance`,
    why: "You get this mail since you have chosen to be told by e-mail. The links below say what they stop; a POST to the same address stops it.",
    stop: (kinds) => `No more mails about: ${kinds}`,
    stopAll: "No more mails about anything",
    kinds: {
      application: "applications",
      review: "reviews",
      activity: "activities",
      reminder: "reminders",
      waitlist: "waitlists",
      moderation: "moderation",
      announcement: "announcements",
      membership: "memberships",
      account: "your account",
    },
  },
  "zh-CN": {
    several: (count) => `社团联盟：${count} 条通知`,
    why: "您选择了通过邮件接收通知，因此收到此邮件。以下链接说明将退订的内容；向同一地址发送 POST 请求即可退订。",
    stop: (kinds) => `不再接收以下邮件：${kinds}`,
    stopAll: "不再接收任何通知邮件",
    kinds: {
      application: "入会申请",
      review: "审核",
      activity: "活动",
      reminder: "提醒",
      waitlist: "候补",
      moderation: "内容审核",
      announcement: "公告",
      membership: "成员身份",
      account: "账号",
    },
  },
};

/**
 * The mail that tells somebody of notices, of which there is at least one.
 * @param base the address of the public gateway, without a slash at the end
 * @param key of the tokens that unsubscribe
 */
export function digestOf(
  reader: { user: string; language: Language },
  notices: readonly Shown[],
  base: string,
  key: Buffer,
): MailContent & { unsubscribe: string } {
  const { user, language } = reader;
  const words = WORDS[language];
  const kinds = KINDS.filter((kind) => notices.some((notice) => notice.kind === kind));
  const linkOf = (stopped: readonly Kind[]): string =>
    `${base}/notifications/unsubscribe?token=${tokenOf(key, { user, kinds: stopped })}`;
  const unsubscribe = linkOf(kinds);
  const [first] = notices;
  const subject = notices.length === 1 && first ? first.title : words.several(notices.length);
  const named = kinds.map((kind) => words.kinds[kind]).join(language === "en" ? ", " : "、");
  const parts: Part[] = [
    ...notices.flatMap(({ title, body }): Part[] => [{ heading: title }, body]),
    words.why,
    { link: unsubscribe, label: words.stop(named) },
    { link: linkOf(KINDS), label: words.stopAll },
  ];
  return { ...written(language, subject, parts), unsubscribe };
}

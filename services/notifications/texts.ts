/** What notifications say: made when they are read, from plain values and the names that ids have by then. */
import { LRUCache } from "lru-cache";
import type { Language } from "../../lib/declare.ts";
import { isTimeZone } from "../../lib/time-zones.ts";
import { MODERATION } from "./moderation-texts.ts";
import type { Values } from "./values.ts";

/** What the ids of the values are called, in the reader's language. */
export interface Names {
  club: string;
  person: string;
  activity: string;
  /** Of the activity, by its IANA name; null while it is not known. */
  timezone: string | null;
  /** As administrators have written it, where it is known. */
  announcement?: { title: string; body: string; withdrawn: boolean } | null;
}

type Words = readonly [title: string, body: string];
export type Template = (names: Names, values: Values) => Words;

/** How something is called that is gone, or cannot be asked for just now. */
export const UNNAMED: Record<Language, Names> = {
  en: { club: "a club", person: "somebody", activity: "an activity", timezone: null },
  "zh-CN": { club: "某社团", person: "某位用户", activity: "某活动", timezone: null },
};

const TEXTS = {
  // To those who decide
  "application.received": {
    en: ({ club, person }) => [
      `New application to ${club}`,
      `${person} has applied and waits for your decision.`,
    ],
    "zh-CN": ({ club, person }) => [`${club}收到新的入会申请`, `${person}申请加入，等待您审批。`],
  },
  "application.forwarded": {
    en: ({ club, person }) => [
      `An application to ${club} needs you`,
      `The application of ${person} has passed the stage before and waits for your decision.`,
    ],
    "zh-CN": ({ club, person }) => [
      `${club}有入会申请待您审批`,
      `${person}的申请已通过上一环节，等待您审批。`,
    ],
  },
  // To the club's officers
  "application.outcome": {
    en: ({ club, person }, { status }) => [
      `An application to ${club} was ${status === "approved" ? "approved" : "declined"}`,
      `The application of ${person} was ${status === "approved" ? "approved" : "declined"}.`,
    ],
    "zh-CN": ({ club, person }, { status }) => [
      `${club}的一份入会申请${status === "approved" ? "已通过" : "未通过"}`,
      `${person}的申请${status === "approved" ? "已通过" : "未通过"}。`,
    ],
  },
  "application.withdrawn": {
    en: ({ club, person }) => [
      `An application to ${club} was withdrawn`,
      `The application of ${person} was withdrawn; nothing is left to decide.`,
    ],
    "zh-CN": ({ club, person }) => [`${club}的一份入会申请已撤回`, `${person}的申请已撤回，无需再处理。`],
  },
  "application.lapsed": {
    en: ({ club, person }) => [
      `An application to ${club} has expired`,
      `The application of ${person} was closed without a decision.`,
    ],
    "zh-CN": ({ club, person }) => [`${club}的一份入会申请已过期`, `${person}的申请未获处理，已关闭。`],
  },
  "application.refused": {
    en: ({ club, person }, { reason }) => [
      `An approved application to ${club} made no member`,
      reason === "person"
        ? "The account of the applicant is gone."
        : `${person} did not become a member, since the club was not active any more.`,
    ],
    "zh-CN": ({ club, person }, { reason }) => [
      `${club}的一份已通过的申请未能生效`,
      reason === "person" ? "申请人的账号已注销。" : `社团已不处于活动状态，${person}未能成为成员。`,
    ],
  },
  // To the applicant
  "application.underReview": {
    en: ({ club }) => [`Your application to ${club} is under review`, "You will be told when it is decided."],
    "zh-CN": ({ club }) => [`您加入${club}的申请已进入审批`, "有结果时会通知您。"],
  },
  "application.advanced": {
    en: ({ club }) => [
      `Your application to ${club} has passed a stage`,
      "It waits for the decision of the next one.",
    ],
    "zh-CN": ({ club }) => [`您加入${club}的申请已通过一个环节`, "正在等待下一环节审批。"],
  },
  "application.approved": {
    en: ({ club }) => [`Your application to ${club} was approved`, "Welcome to the club."],
    "zh-CN": ({ club }) => [`您加入${club}的申请已通过`, "欢迎加入社团。"],
  },
  "application.rejected": {
    en: ({ club }) => [
      `Your application to ${club} was declined`,
      "The application itself says why; you may apply again.",
    ],
    "zh-CN": ({ club }) => [`您加入${club}的申请未通过`, "原因见申请详情，您可以再次申请。"],
  },
  "application.expired": {
    en: ({ club }) => [`Your application to ${club} has expired`, "It was closed without a decision."],
    "zh-CN": ({ club }) => [`您加入${club}的申请已过期`, "申请未获处理，已关闭。"],
  },
  "application.void": {
    en: ({ club }) => [
      `You did not become a member of ${club}`,
      "Your application was approved, but the club was not active any more.",
    ],
    "zh-CN": ({ club }) => [`您未能成为${club}的成员`, "您的申请已通过，但社团已不处于活动状态。"],
  },
  // Reviews of new clubs
  "review.opened": {
    en: ({ club }) => ["A new club waits for review", `${club} was filed. Claim its review to decide it.`],
    "zh-CN": ({ club }) => ["有新社团等待审核", `${club}已提交，请认领审核任务。`],
  },
  "review.approved": {
    en: ({ club }, { comment }) => [`${club} was approved`, comment ?? "The club is active now."],
    "zh-CN": ({ club }, { comment }) => [`${club}已通过审核`, comment ?? "社团现已处于活动状态。"],
  },
  "review.rejected": {
    en: ({ club }, { comment }) => [`${club} was not approved`, comment ?? "You may file another club."],
    "zh-CN": ({ club }, { comment }) => [`${club}未通过审核`, comment ?? "您可以重新提交。"],
  },
  // Clubs and their people
  "club.suspended": {
    en: ({ club }, { comment }) => [
      `${club} was suspended`,
      comment ?? "Nothing can be changed in it for now.",
    ],
    "zh-CN": ({ club }, { comment }) => [`${club}已被停用`, comment ?? "社团内容暂时不能更改。"],
  },
  "club.reactivated": {
    en: ({ club }, { comment }) => [`${club} is active again`, comment ?? "Everything goes on as before."],
    "zh-CN": ({ club }, { comment }) => [`${club}已恢复`, comment ?? "一切照常进行。"],
  },
  "club.deleted": {
    en: ({ club }) => [`${club} was dissolved`, "Its people keep its history."],
    "zh-CN": ({ club }) => [`${club}已解散`, "成员仍可查看其历史。"],
  },
  "membership.removed": {
    en: ({ club }) => [`You are no longer a member of ${club}`, "You were taken off the list of members."],
    "zh-CN": ({ club }) => [`您已不再是${club}的成员`, "您已被移出成员名单。"],
  },
  "membership.role": {
    en: ({ club }, { role }) => [
      `Your role in ${club} has changed`,
      {
        president: "You are its president now.",
        officer: "You are an officer now.",
        member: "You are a member now.",
      }[role ?? "member"],
    ],
    "zh-CN": ({ club }, { role }) => [
      `您在${club}的角色已变更`,
      { president: "您现在是会长。", officer: "您现在是干事。", member: "您现在是普通成员。" }[
        role ?? "member"
      ],
    ],
  },
  "membership.offered": {
    en: ({ club }, { expiresAt }) => [
      `The presidency of ${club} is offered to you`,
      `Accept it by ${utc(expiresAt)}; after that the offer ends.`,
    ],
    "zh-CN": ({ club }, { expiresAt }) => [
      `${club}的会长职务待您接受`,
      `请在 ${utc(expiresAt)} 前接受，逾期失效。`,
    ],
  },
  // To those who are signed up
  "participation.promoted": {
    en: ({ club, activity, timezone }, { startsAt }) => [
      `You have a place in ${activity} of ${club}`,
      `You have moved up from the waitlist. It begins on ${time(startsAt, timezone, "en")}.`,
    ],
    "zh-CN": ({ club, activity, timezone }, { startsAt }) => [
      `您已获得${club}的${activity}的名额`,
      `您已从候补转为正式参加，活动将于 ${time(startsAt, timezone, "zh-CN")} 开始。`,
    ],
  },
  "participation.calledOff": {
    en: ({ club, activity, timezone }, { startsAt, comment, reason }) => [
      `${activity} of ${club} was cancelled`,
      `It was to begin on ${time(startsAt, timezone, "en")}.${why(comment, reason, "The club was dissolved.")}`,
    ],
    "zh-CN": ({ club, activity, timezone }, { startsAt, comment, reason }) => [
      `${club}的${activity}已取消`,
      `活动原定于 ${time(startsAt, timezone, "zh-CN")} 开始。${why(comment, reason, "社团已解散。")}`,
    ],
  },
  "participation.moved": {
    en: ({ club, activity, timezone }, { startsAt, endsAt, location }) => [
      `The time or place of ${activity} of ${club} has changed`,
      `It now begins on ${time(startsAt, timezone, "en")} and ends on ${time(endsAt, timezone, "en")}.${location ? ` Place: ${location}.` : ""}`,
    ],
    "zh-CN": ({ club, activity, timezone }, { startsAt, endsAt, location }) => [
      `${club}的${activity}的时间或地点有变`,
      `活动现定于 ${time(startsAt, timezone, "zh-CN")} 开始，${time(endsAt, timezone, "zh-CN")} 结束。${location ? `地点：${location}。` : ""}`,
    ],
  },
  "participation.reminded": {
    en: ({ club, activity, timezone }, { startsAt, location }) => [
      `Reminder: ${activity} of ${club}`,
      `It begins on ${time(startsAt, timezone, "en")}.${location ? ` Place: ${location}.` : ""}`,
    ],
    "zh-CN": ({ club, activity, timezone }, { startsAt, location }) => [
      `提醒：${club}的${activity}`,
      `活动将于 ${time(startsAt, timezone, "zh-CN")} 开始。${location ? `地点：${location}。` : ""}`,
    ],
  },
  // As it is by now, so that a change reaches whoever has not read it
  "announcement.made": {
    en: ({ announcement }) =>
      announcement
        ? [`${announcement.withdrawn ? "Withdrawn: " : ""}${announcement.title}`, announcement.body]
        : ["An announcement", "Its text cannot be shown just now."],
    "zh-CN": ({ announcement }) =>
      announcement
        ? [`${announcement.withdrawn ? "已撤回：" : ""}${announcement.title}`, announcement.body]
        : ["一则公告", "暂时无法显示公告内容。"],
  },
  ...MODERATION,
} as const satisfies Record<string, Record<Language, Template>>;

export type EventName = keyof typeof TEXTS;
export const EVENTS = Object.keys(TEXTS) as EventName[];

/** A line of its own: what somebody wrote, or that the club is gone; nothing where neither is so. */
function why(comment: string | null | undefined, reason: Values["reason"], dissolved: string): string {
  if (comment) return `\n${comment}`;
  return reason === "club" ? `\n${dissolved}` : "";
}

/** The title and the body of a notification in one language; an event that this version does not know has neither. */
export function textOf(
  event: string,
  values: Values,
  names: Names,
  language: Language,
): { title: string; body: string } {
  if (!Object.hasOwn(TEXTS, event)) return { title: "", body: "" };
  const template: Template = TEXTS[event as EventName][language];
  const [title, body] = template(names, values);
  return { title, body };
}

/** Formats are dear to make, and most of a page have the same one. */
const clocks = new LRUCache<string, Intl.DateTimeFormat>({ max: 100 });

/** As the clock shows it where the activity takes place, with the zone's name or offset. */
function time(at: number | undefined, timezone: string | null, language: Language): string {
  return timezone !== null && isTimeZone(timezone) ? clockOf(timezone, language).format(at ?? 0) : utc(at);
}

function clockOf(timezone: string, language: Language): Intl.DateTimeFormat {
  const key = `${language} ${timezone}`;
  const kept = clocks.get(key);
  if (kept) return kept;
  const clock = new Intl.DateTimeFormat(language, {
    timeZone: timezone,
    weekday: "long",
    year: "numeric",
    month: "long",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
  });
  clocks.set(key, clock);
  return clock;
}

/** Minutes in UTC, since the reader's clock is not known. */
function utc(at: number | undefined): string {
  return `${new Date(at ?? 0).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** What notifications about posts and comments before moderators say. */
import type { Language } from "../../lib/declare.ts";
import type { Template } from "./texts.ts";

const CONTENT = { post: "帖子", comment: "评论" };

export const MODERATION = {
  // To who has written it
  "moderation.held": {
    en: (_, { content }) => [
      `Your ${content ?? "post"} is held for review`,
      "Several people have reported it. Until a moderator has decided, only you can see it.",
    ],
    "zh-CN": (_, { content }) => [
      `您的${CONTENT[content ?? "post"]}正在等待审核`,
      "有多人举报了该内容，审核结束前仅您本人可见。",
    ],
  },
  "moderation.approved": {
    en: (_, { content, comment }) => [
      `Your ${content ?? "post"} was approved`,
      comment ?? "A moderator has looked at it, and everyone can see it.",
    ],
    "zh-CN": (_, { content, comment }) => [
      `您的${CONTENT[content ?? "post"]}已通过审核`,
      comment ?? "管理员已审核，内容已公开显示。",
    ],
  },
  "moderation.removed": {
    en: (_, { content, comment }) => [
      `Your ${content ?? "post"} was removed`,
      comment ?? "A moderator has removed it.",
    ],
    "zh-CN": (_, { content, comment }) => [
      `您的${CONTENT[content ?? "post"]}已被移除`,
      comment ?? "管理员已将其移除。",
    ],
  },
  // To moderators
  "moderation.waiting": {
    en: () => ["Something waits for a moderator", "There are posts or comments in the queue to decide."],
    "zh-CN": () => ["有内容等待审核", "审核队列中有帖子或评论等待处理。"],
  },
} as const satisfies Record<string, Record<Language, Template>>;

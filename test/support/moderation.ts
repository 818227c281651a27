/** What tests of moderation ask for. */
import type { Case } from "../../services/posts/moderation.contract.ts";
import type { ContentType } from "../../services/posts/records.ts";
import type { Forum } from "./posts.ts";

export interface Queue {
  items: Case[];
  nextCursor: string | null;
}

const PLURAL = { post: "posts", comment: "comments" };

/** The outcome of a report by somebody. */
export function report(
  forum: Forum,
  type: ContentType,
  id: string,
  as: string,
  body: object = { reason: "spam" },
): Promise<string> {
  return forum.outcome("POST", `/${PLURAL[type]}/${id}/reports`, { as, body });
}

/** Enough people report it. */
export async function reportToHold(forum: Forum, type: ContentType, id: string): Promise<void> {
  for (const [reason, detail] of [
    ["spam", "It sells something."],
    ["abuse", ""],
    ["other", "第三次"],
  ] as const)
    await forum.ok("POST", `/${PLURAL[type]}/${id}/reports`, {
      as: forum.person("Reporter"),
      body: { reason, detail },
    });
}

export function queue(forum: Forum, as: string, query = ""): Promise<Queue> {
  return forum.ok<Queue>("GET", `/moderation/queue${query}`, { as });
}

/** The case of a content that waits; undefined when it does not. */
export async function waiting(forum: Forum, as: string, id: string): Promise<Case | undefined> {
  let cursor: string | null = null;
  do {
    const page: Queue = await queue(forum, as, `?limit=100${cursor === null ? "" : `&cursor=${cursor}`}`);
    const found = page.items.find(({ subject }) => subject.id === id);
    if (found) return found;
    cursor = page.nextCursor;
  } while (cursor !== null);
  return undefined;
}

export function decide(forum: Forum, as: string, id: string, body: object): Promise<string> {
  return forum.outcome("POST", `/moderation/${id}/decision`, { as, body });
}

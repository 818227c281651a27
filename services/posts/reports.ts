/** Reports: how they are kept, closed, exported and erased. */
import { createHash } from "node:crypto";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { iso } from "../../lib/types.ts";
import type { ReportDocument, Store } from "./records.ts";

const DAY = 24 * 3_600_000;
/** A report by somebody who is erased is counted while it is open, and deleted like all others after this. */
const KEPT = 365 * DAY;
/** As many are looked at for a page of cases. */
const FOR_A_PAGE = 2_000;
const EXPORT_PAGE = 200;
const CURSOR = "moderation.reports";

/** One for each content and person. A hash, so that it need not change when the person is erased. */
export function reportId(content: string, user: string): string {
  return createHash("sha256").update(`${content}:${user}`).digest("base64url");
}

/** Those that no decision has counted yet, the newest first. */
export function openReports(store: Store, contents: readonly string[]) {
  return store.reports.find(
    { content: { $in: contents }, closed: false },
    { sort: { at: -1 }, limit: FOR_A_PAGE, projection: ["content", "reason", "detail", "at"] },
  );
}

/** After a decision: what was reported before does not hold the content again. */
export async function closeReports(store: Store, content: string, until: number): Promise<void> {
  await store.reports.updateMany({ content, closed: false, at: { $lte: until } }, { $set: { closed: true } });
}

/** Of a person who is erased nothing is left but that a content was reported, while that counts. */
export async function eraseReports(store: Store, user: string): Promise<void> {
  await store.reports.deleteMany({ user, closed: true });
  await store.reports.updateMany({ user }, { $set: { user: "", detail: "" } });
}

export async function sweepReports(store: Store, now: number): Promise<void> {
  await store.reports.deleteMany({ at: { $lt: now - KEPT } });
}

export async function exportReports(store: Store, user: string, cursor: string | null) {
  const after = (readCursor(cursor, CURSOR, ["string"]) as [string] | null)?.[0] ?? "";
  const rows = await store.reports.find(
    { user, _id: { $gt: after } },
    { sort: { _id: 1 }, limit: EXPORT_PAGE + 1 },
  );
  const { items, nextCursor } = pageOf(rows, EXPORT_PAGE, ({ _id }) => writeCursor(CURSOR, [_id]));
  return { records: items.map(recordOf), nextCursor };
}

function recordOf({ content, reason, detail, at, closed }: ReportDocument) {
  return { report: content, reason, detail, at: iso(at), closed };
}

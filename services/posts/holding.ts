/** How enough reports hold a content. */
import type { ServiceBroker } from "moleculer";
import type { Static } from "typebox";
import type { Ctx } from "../../lib/implement.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { about, changeCase, contentOf } from "./cases.ts";
import type { KeepingMethods } from "./keeping.ts";
import type { moderationMessages } from "./moderation.contract.ts";
import { newCase } from "./records.ts";
import type { ContentType } from "./records.ts";
import { closeReports } from "./reports.ts";

type Service = KeepingMethods & { broker: ServiceBroker };

/** Tries to hold what others change at the same time. */
const TRIES = 20;
const AT_ONCE = 500;

/**
 * Holds a published content that enough people have reported since it was decided last. Counted after a report is kept,
 * so of several at once the last one sees them all; they hold it once.
 */
export async function holdReported(
  service: Service,
  type: ContentType,
  id: string,
  requestId: string | null,
): Promise<void> {
  const { store } = service;
  const enough = runtimeOf(service.broker).live.get("moderation.reportsToHold");
  for (let tries = 0; tries < TRIES; tries++) {
    const content = await contentOf(store, type, id);
    if (content?.doc.status !== "published") return;
    const decidedAt = content.doc.case?.decidedAt ?? 0;
    const open = { content: id, closed: false, at: { $gt: decidedAt } };
    if ((await store.reports.count(open)) < enough) return;
    // A node may have died between a decision and this.
    if (decidedAt > 0) await closeReports(store, id, decidedAt);
    const record = newCase("reports", Date.now());
    const data: Static<(typeof moderationMessages)["moderation.held"]> = {
      ...about(content),
      caseId: record.id,
      why: "reports",
    };
    const told = [{ type: "moderation.held", data }];
    if (await changeCase(service, byNobody(requestId), content, { status: "held", case: record }, told))
      return;
  }
}

/** Nobody is to know who has reported, and a sweep has no caller: keeping() asks no more of a context than this. */
function byNobody(requestID: string | null): Ctx {
  return { requestID, locals: { user: null, sid: null, grant: {} } } as unknown as Ctx;
}

/** Holds what a node that died has not held after a report. Returns nothing; reports since `since` are looked at. */
export async function holdLeftovers(service: Service, since: number): Promise<void> {
  const { reports } = service.store;
  const seen = new Set<string>();
  for (let after = ""; ;) {
    const some = await reports.find(
      { at: { $gte: since }, closed: false, _id: { $gt: after } },
      { sort: { _id: 1 }, limit: AT_ONCE, projection: ["content", "type"] },
    );
    for (const { content, type } of some) {
      if (seen.has(content)) continue;
      seen.add(content);
      await holdReported(service, type, content, null);
    }
    after = some.at(-1)?._id ?? "";
    if (some.length < AT_ONCE) return;
  }
}

/** What the domain's services have in common: its collections, and how activities are read and changed. */
import type { Logger, ServiceBroker } from "moleculer";
import type { Acted } from "../../lib/audit.ts";
import type { Envelope } from "../../lib/declare.ts";
import type { Query, Update } from "../../lib/documents.ts";
import { Fresh } from "../../lib/fresh.ts";
import { newId } from "../../lib/ids.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { actedEnvelope, tellingOf } from "../../mixins/acting.ts";
import type { RefusalMethods } from "../../mixins/acting.ts";
import type { DocumentsMethods } from "../../mixins/documents.ts";
import { openStore } from "./records.ts";
import type { Told } from "../../lib/queue-documents.ts";
import type { ActivityDocument, Store } from "./records.ts";

/** Milliseconds that a change waits for its rosters to follow; a sweep sees to those that did not. */
const SETTLE_LIMIT = 2_000;

export interface KeepingMethods extends RefusalMethods {
  store: Store;
  /** The activity as it is after this was asked for; null when there is none. Thousands at once are one reading. */
  activity(id: string): Promise<ActivityDocument | null>;
  /**
   * Changes an activity that is still at this version; null when it is not. What it tells is kept with it and passed on;
   * its rosters have followed when this resolves, or will within seconds.
   */
  changeActivity(
    ctx: Ctx,
    activity: ActivityDocument,
    change: Partial<ActivityDocument>,
    told: Pick<Told, "type" | "data">[],
  ): Promise<ActivityDocument | null>;
  /** Adds an activity, and tells of it; false when it is there already. */
  addActivity(ctx: Ctx, activity: ActivityDocument): Promise<boolean>;
  /** Puts an activity's messages into the outbox. */
  passOn(id: string): Promise<void>;
  /** Asks the owner of its rosters to bring them in line. */
  settle(id: string): Promise<void>;
}

type Self = KeepingMethods &
  DocumentsMethods & {
    broker: ServiceBroker;
    logger: Logger;
    reading: Fresh<string, ActivityDocument | null>;
  };

/** Needs the mixin of the domain's documents behind it: what stands last in a list starts first. */
export function keeping(): Mixin<KeepingMethods> {
  const mixin = {
    async started(this: Self) {
      this.store = await openStore(this.documents);
      this.reading = new Fresh((id) => this.store.activities.findOne({ _id: id }));
    },
    methods: {
      activity(this: Self, id: string): Promise<ActivityDocument | null> {
        return this.reading.get(id);
      },
      async changeActivity(
        this: Self,
        ctx: Ctx,
        activity: ActivityDocument,
        change: Partial<ActivityDocument>,
        told: Pick<Told, "type" | "data">[],
      ): Promise<ActivityDocument | null> {
        const now = Date.now();
        const version = activity.version + 1;
        const messages = messagesOf(ctx, version, told);
        const status = change.status ?? activity.status;
        const unsettled = status !== "draft";
        const written = { ...change, version, updatedAt: now, unsettled };
        const query: Query<ActivityDocument> = { _id: activity._id, version: activity.version };
        // No more than that: how far reminders are is written beside it, without a version.
        const update: Update<ActivityDocument> = {
          $set: { ...written, ...(messages.length > 0 && { pending: true }) },
          ...(messages.length > 0 && { $push: { outbox: { $each: messages } } }),
        };
        const { matched } = await this.store.activities.updateOne(query, update);
        if (matched === 0) return null;
        ctx.locals.recorded = true;
        if (messages.length > 0) await this.passOn(activity._id).catch(() => undefined);
        if (unsettled) await this.settle(activity._id).catch(() => undefined);
        return { ...activity, ...written };
      },
      async addActivity(this: Self, ctx: Ctx, activity: ActivityDocument): Promise<boolean> {
        const outbox = messagesOf(ctx, activity.version, []);
        const pending = outbox.length > 0;
        if (!(await this.store.activities.insertOne({ ...activity, outbox, pending }))) return false;
        if (pending) await this.passOn(activity._id).catch(() => undefined);
        return true;
      },
      async tellRefused(this: Self, ctx: Ctx, acted: Acted): Promise<void> {
        await this.outbox.tell([actedEnvelope(ctx, "activities", acted)]);
        this.relay.nudge();
      },
      async passOn(this: Self, id: string): Promise<void> {
        const activity = await this.store.activities.findOne({ _id: id });
        if (!activity?.pending) return;
        await this.outbox.tell(activity.outbox.map((told) => envelopeOf(id, told)));
        this.relay.nudge();
        await this.store.activities.updateOne(
          { _id: id, version: activity.version },
          { $set: { outbox: [], pending: false } },
        );
      },
      async settle(this: Self, id: string): Promise<void> {
        await this.broker.call("participations.settle", { id }, { timeout: SETTLE_LIMIT });
      },
    },
  };
  return mixin as unknown as Mixin<KeepingMethods>;
}

/** The messages of a change, with what the audit log is told of it. */
function messagesOf(ctx: Ctx, version: number, told: Pick<Told, "type" | "data">[]): Told[] {
  const { user: actor } = ctx.locals;
  const requestId = ctx.requestID ?? null;
  const at = Date.now();
  return [...told, ...tellingOf(ctx, "activities")].map((each) => ({
    ...each,
    id: newId(),
    at,
    version,
    actor,
    requestId,
  }));
}

function envelopeOf(id: string, { version, ...told }: Told): Envelope {
  return { ...told, aggregate: { type: "activity", id, version } };
}

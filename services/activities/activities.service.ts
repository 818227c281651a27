import { randomBytes } from "node:crypto";
import { audited } from "../../lib/audit.ts";
import type { Answer } from "../../lib/declare.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import { expectVersion, idFor, implement, userOf } from "../../lib/implement.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { claimFiles } from "../../mixins/file-claims.ts";
import { documents } from "../../mixins/documents.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { activities } from "./activities.contract.ts";
import { about, changed, knownOccurrence, onRecord, oneCancelled, wholeCancelled } from "./changes.ts";
import type { Change } from "./changes.ts";
import { directory } from "./directory.ts";
import { DEFAULTS, demandSound, fieldsOf, isOver } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { keeping } from "./keeping.ts";
import { presentAll } from "./present.ts";
import type { ActivityDocument } from "./records.ts";
import { nextReminder } from "./reminding.ts";
import { timeOf } from "./terms.ts";

const CURSOR = "activities";
/** Tries of a change that others change at the same time. */
const TRIES = 5;
/** Milliseconds. */
const SWEEP = 500;
const LEFT = 2_000;
const AT_ONCE = 100;

interface Methods {
  need(id: string): Promise<ActivityDocument>;
  /** Reads, changes and writes an activity, again where somebody else was faster. */
  edit(ctx: Ctx<{ id: string }>, edit: Edit): Promise<ActivityDocument>;
  /** Whether people are signed up for what is still to come. */
  hasSignUps(activity: ActivityDocument): Promise<boolean>;
  /** Ids of a club's drafts, the newest first. */
  draftsOf(clubId: string, before: string | null, limit: number): Promise<string[]>;
  /** Finishes what nodes that died have left: messages, and rosters that do not follow their activities. */
  takeUp(): Promise<void>;
  /** The activity as its caller sees it. */
  show(ctx: Ctx, activity: ActivityDocument): Promise<Answer<"activities.get">>;
}
/**
 * What becomes of the activity; null: it is like that already. It refuses what is wrong in itself, then calls `admit`, and
 * only then refuses what the activity's state forbids.
 */
type Edit = (activity: ActivityDocument, admit: () => void) => Promise<Change | null> | Change | null;

const own: Mixin<Methods> = {};

export default implement(activities, {
  mixins: [directory(), keeping(), documents("activities", { tells: true }), sweeper(), own],
  methods: {
    async need(id: string): Promise<ActivityDocument> {
      const activity = await this.activity(id);
      if (!activity) throw new AppError("NOT_FOUND");
      return activity;
    },
    async edit(ctx: Ctx<{ id: string }>, edit: Edit): Promise<ActivityDocument> {
      for (let tries = 0; tries < TRIES; tries++) {
        const activity = await this.need(ctx.params.id);
        const made = await edit(activity, () => {
          expectVersion(ctx, activity.version);
          if (ctx.locals.grant["clubStatus"] !== "active") throw new AppError("CLUB_NOT_ACTIVE");
        });
        if (!made) return activity;
        const { occurrence } = ctx.params as { occurrence?: string };
        const next = { ...activity, ...made.change };
        audited(ctx, { before: onRecord(activity), after: { ...onRecord(next), occurrence } });
        const after = await this.changeActivity(ctx, activity, made.change, made.tell);
        if (after) {
          this.learn(after);
          return after;
        }
      }
      throw new AppError("OVERLOADED", { retryAfter: 1 });
    },
    async hasSignUps({ _id: activityId }: ActivityDocument): Promise<boolean> {
      const fields = ["terms", "confirmed", "waitlisted"] as const;
      const rosters = await this.store.rosters.find({ activityId }, { projection: fields });
      return rosters.some(
        ({ terms, confirmed, waitlisted }) =>
          !terms.cancelled && terms.endsAt > Date.now() && confirmed + waitlisted > 0,
      );
    },
    async draftsOf(clubId: string, before: string | null, limit: number): Promise<string[]> {
      const drafts = await this.store.activities.find(
        { clubId, status: "draft", ...(before && { _id: { $lt: before } }) },
        { sort: { _id: -1 }, limit, projection: ["clubId"] },
      );
      return drafts.map(({ _id }) => _id);
    },
    async takeUp(): Promise<void> {
      const before = Date.now() - LEFT;
      const { activities: all, rosters } = this.store;
      const untold = await all.find({ pending: true }, { limit: AT_ONCE, projection: ["clubId"] });
      for (const { _id } of untold) await this.passOn(_id);
      const unsettled = await all.find(
        { unsettled: true, updatedAt: { $lt: before } },
        { limit: AT_ONCE, projection: ["clubId"] },
      );
      const left = await rosters.find(
        { pending: true, touchedAt: { $lt: before } },
        { limit: AT_ONCE, projection: ["activityId"] },
      );
      const ids = new Set([...unsettled.map(({ _id }) => _id), ...left.map(({ activityId }) => activityId)]);
      for (const id of ids) await this.settle(id);
    },
    async show(ctx: Ctx, activity: ActivityDocument): Promise<Answer<"activities.get">> {
      const [shown] = await presentAll(ctx, this.store, [activity], ctx.locals.user);
      return shown as Answer<"activities.get">;
    },
  },
  actions: {
    async create(ctx) {
      const { id: clubId, ...written } = ctx.params;
      const now = Date.now();
      const fields = { ...DEFAULTS, ...fieldsOf(written) };
      const activity = {
        ...fields,
        ...fresh(idFor(ctx), clubId, now),
        originalStart: fields.startsAt,
      } as ActivityDocument;
      demandSound(activity);
      await claimOf(ctx, activity._id, [])(activity.fileIds);
      if (ctx.locals.grant["status"] !== "active") throw new AppError("CLUB_NOT_ACTIVE");
      audited(ctx, { subject: activity._id, after: onRecord(activity) });
      const made = await this.addActivity(ctx, activity);
      // A repeat whose first try was made but not answered finds its own.
      return this.show(ctx, made ? activity : ((await this.activity(activity._id)) as ActivityDocument));
    },
    async update(ctx) {
      const { id: _id, ...written } = ctx.params;
      const fields = fieldsOf(written);
      const after = await this.edit(ctx, (activity, admit) =>
        changed(activity, fields, admit, {
          hasSignUps: () => this.hasSignUps(activity),
          claim: claimOf(ctx, activity._id, activity.fileIds),
        }),
      );
      return this.show(ctx, after);
    },
    async publish(ctx) {
      const after = await this.edit(ctx, (activity, admit) => {
        const now = Date.now();
        admit();
        if (activity.status === "cancelled" || isOver(activity, now)) throw new AppError("ACTIVITY_OVER");
        if (activity.status === "published") return null;
        const change = { status: "published", publishedAt: now, remindedUntil: now } as const;
        return {
          change: { ...change, nextReminderAt: nextReminder({ ...activity, ...change }) },
          tell: [{ type: "activities.published", data: { ...about(activity), publishedAt: now } }],
        };
      });
      return this.show(ctx, after);
    },
    async cancel(ctx) {
      const { reason, occurrence } = ctx.params;
      const after = await this.edit(ctx, (activity, admit) => {
        const one = occurrence === undefined ? null : knownOccurrence(activity, occurrence);
        admit();
        if (activity.status === "cancelled") return null;
        if (isOver(activity, Date.now())) throw new AppError("ACTIVITY_OVER");
        return one && activity.recurrence
          ? oneCancelled(activity, one, reason)
          : wholeCancelled(activity, reason);
      });
      return this.show(ctx, after);
    },
    async list(ctx) {
      const { status, clubId, limit = 20, cursor, q } = ctx.params;
      const [after = null] = (readCursor(cursor, CURSOR, ["string"]) ?? []) as string[];
      const from = ctx.params.from && timeOf(ctx.params.from, "from");
      const to = ctx.params.to && timeOf(ctx.params.to, "to");
      const ids =
        status === "draft"
          ? await this.draftsOf(await draftClub(ctx, clubId), after, limit + 1)
          : await this.find({
              from: from || undefined,
              to: to || undefined,
              clubId,
              q,
              status,
              before: after,
              limit: limit + 1,
            });
      const { items, nextCursor } = pageOf(ids, limit, (id) => writeCursor(CURSOR, [id]));
      const found = new Map(
        (await this.store.activities.find({ _id: { $in: items } })).map((each) => [each._id, each]),
      );
      const inOrder = items.flatMap((id) => found.get(id) ?? []);
      return { items: await presentAll(ctx, this.store, inOrder, ctx.locals.user), nextCursor };
    },
    async get(ctx) {
      return this.show(ctx, await this.need(ctx.params.id));
    },
    async allows(ctx): Promise<Answer<"activities.allows">> {
      const { id, relation, user, write } = ctx.params;
      const activity = await this.activity(id);
      if (!activity) return { verdict: "missing", grant: {} };
      const seen = activity.publishedAt !== null;
      if (relation === "visible" && seen) return { verdict: "yes", grant: {} };
      if (!user) return { verdict: seen ? "forbidden" : "hidden", grant: {} };
      const club = await ctx.call("clubs.allows", { id: activity.clubId, relation: "officer", user, write });
      const grant = { clubStatus: club.grant.status };
      if (club.verdict === "yes") return { verdict: "yes", grant };
      return { verdict: seen ? "forbidden" : "hidden", grant };
    },
    async records(ctx) {
      const found = await this.store.activities.find(
        { _id: { $in: ctx.params.ids } },
        { projection: ["clubId", "title", "timezone"] },
      );
      return found.map(({ _id: id, clubId, title, timezone }) => ({ id, clubId, title, timezone }));
    },
    async files(ctx) {
      const found = await this.store.activities.find(
        { _id: { $in: ctx.params.ids } },
        { projection: ["fileIds"] },
      );
      return found
        .filter(({ fileIds }) => fileIds.length > 0)
        .map(({ _id: id, fileIds }) => ({ id, fileIds }));
    },
    async onClubDeleted(ctx) {
      const clubId = ctx.params.aggregate.id;
      const coming = await this.store.activities.find({ clubId, status: { $in: ["draft", "published"] } });
      for (const activity of coming.filter((each) => !isOver(each, Date.now()))) {
        const { change, tell } = wholeCancelled(activity, null);
        if (!(await this.changeActivity(ctx, activity, change, tell)))
          throw new AppError("UNAVAILABLE", { retryAfter: 1 });
      }
    },
  },
  async started() {
    this.every(SWEEP, () => this.takeUp());
  },
});

/** Claims files for an activity, but for those that it shows already. */
function claimOf(ctx: Ctx, id: string, before: readonly string[]) {
  return (after: readonly string[]): Promise<void> =>
    claimFiles(ctx, {
      subject: { type: "activity", id },
      purpose: "activity",
      before,
      after,
      field: (index) => `fileIds[${index}]`,
    });
}

function fresh(
  id: string,
  clubId: string,
  now: number,
): Omit<ActivityDocument, keyof Fields | "originalStart"> {
  return {
    _id: id,
    clubId,
    cancelledOccurrences: [],
    remindedUntil: now,
    nextReminderAt: null,
    status: "draft",
    cancelReason: null,
    version: 1,
    sequence: 0,
    createdAt: now,
    updatedAt: now,
    publishedAt: null,
    checkInKey: randomBytes(32).toString("base64url"),
    unsettled: false,
    outbox: [],
    pending: false,
  };
}

/** Drafts are for the officers of one club. */
async function draftClub(ctx: Ctx, clubId: string | undefined): Promise<string> {
  const user = ctx.locals.user ? userOf(ctx) : null;
  if (!user) throw new AppError("UNAUTHENTICATED");
  if (!clubId) throw invalid({ field: "clubId", code: "REQUIRED" });
  const { verdict } = await ctx.call("clubs.allows", { id: clubId, relation: "officer", user, write: false });
  if (verdict !== "yes") throw new AppError("FORBIDDEN");
  return clubId;
}

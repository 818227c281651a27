/** Reminders, and whatever else people who are signed up are told: durable, and by any node of the domain. */
import type { Counter } from "prom-client";
import { implement } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { counterOf } from "../../lib/metrics.ts";
import { documents } from "../../mixins/documents.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { keeping } from "./keeping.ts";
import type { ActivityDocument, TellingDocument } from "./records.ts";
import { rosterId } from "./records.ts";
import { reminders } from "./reminders.contract.ts";
import { dueReminders, nextReminder } from "./reminding.ts";
import type { Reminder } from "./reminding.ts";
import { newTelling, tellAll } from "./telling.ts";

const SWEEP = 500;
const AT_ONCE = 100;

interface Methods {
  /** Turns the reminders of an activity that are due into tellings. */
  remind(activity: ActivityDocument): Promise<void>;
  remindRoster(activity: ActivityDocument, reminder: Reminder): Promise<void>;
  /** Tells what is due. */
  tellDue(): Promise<void>;
  tell(telling: TellingDocument): Promise<void>;
  drop(count: number, activity: string): void;
  dropped: Counter;
  droppedCount: number;
  ended: boolean;
}

const own: Mixin<Methods> = {};

export default implement(reminders, {
  mixins: [keeping(), documents("activities", { tells: true }), sweeper(), own],
  methods: {
    async remind(activity: ActivityDocument): Promise<void> {
      const now = Date.now();
      const due = dueReminders(activity, now);
      const useful = due.filter(({ occurrence }) => occurrence.startsAt > now);
      for (const reminder of useful) await this.remindRoster(activity, reminder);
      const change = {
        remindedUntil: now,
        nextReminderAt: nextReminder({ ...activity, remindedUntil: now }),
      };
      const { matched } = await this.store.activities.updateOne(
        { _id: activity._id, version: activity.version, remindedUntil: activity.remindedUntil },
        { $set: change },
      );
      // Whoever moves the mark counts, so that two nodes do not count the same.
      if (matched === 1 && due.length > useful.length) this.drop(due.length - useful.length, activity._id);
    },
    async remindRoster(activity: ActivityDocument, { occurrence, minutes }: Reminder): Promise<void> {
      const { startsAt } = occurrence;
      const [roster] = await this.store.rosters.find({ _id: rosterId(activity._id, occurrence.occurrence) });
      if (!roster || roster.confirmed === 0) return;
      const told = {
        type: "participations.reminded",
        data: { startsAt, location: occurrence.location ?? activity.location, minutes },
        expiresAt: startsAt,
      } as const;
      await this.store.tellings.insertOne(newTelling(roster, told, [startsAt, minutes], Date.now()));
    },
    drop(count: number, activity: string): void {
      this.dropped.inc(count);
      this.droppedCount += count;
      this.logger.warn("Reminders came too late to be of use and were dropped", { activity, count });
    },
    async tellDue(): Promise<void> {
      const due = await this.store.tellings.find(
        { dueAt: { $lte: Date.now() } },
        { sort: { dueAt: 1 }, limit: AT_ONCE },
      );
      for (const telling of due) {
        if (this.ended) return;
        await this.tell(telling);
      }
    },
    async tell(telling: TellingDocument): Promise<void> {
      const { _id, roster, expiresAt, activityId } = telling;
      if (expiresAt !== null && Date.now() >= expiresAt) {
        await this.store.tellings.deleteMany({ _id });
        return this.drop(1, activityId);
      }
      const left = await this.store.rosters.count({ _id: roster, pending: true });
      // What a dead node has left may hold people who are not in the participations yet.
      if (left > 0) await this.settle(activityId);
      await tellAll(this.store, this.outbox, telling, () => this.ended);
      this.relay.nudge();
    },
  },
  actions: {
    async depth() {
      const [oldest] = await this.store.tellings.find(
        {},
        { sort: { dueAt: 1 }, limit: 1, projection: ["dueAt"] },
      );
      const waiting = await this.store.tellings.count({});
      return { waiting, oldest: oldest?.dueAt ?? null, dropped: this.droppedCount };
    },
  },
  created() {
    this.ended = false;
    this.droppedCount = 0;
    const { metrics } = runtimeOf(this.broker);
    this.dropped = counterOf(metrics, "club_alliance_reminders_dropped_total");
  },
  async started() {
    this.every(SWEEP, async () => {
      const due = await this.store.activities.find(
        { nextReminderAt: { $lte: Date.now() } },
        { sort: { nextReminderAt: 1 }, limit: AT_ONCE },
      );
      for (const activity of due) await this.remind(activity);
      await this.tellDue();
    });
  },
  async stopped() {
    this.ended = true;
  },
});

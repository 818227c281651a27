/** Brings the rosters of an activity in line with what it says by now, and sees that people hear of what concerns them. */
import type { ActivityDocument, RosterDocument, Store, Terms } from "./records.ts";
import { newTelling, noticeOf } from "./telling.ts";
import { termsOf } from "./terms.ts";

type Known = Pick<
  RosterDocument,
  | "_id"
  | "activityId"
  | "clubId"
  | "occurrence"
  | "version"
  | "terms"
  | "pending"
  | "confirmed"
  | "waitlisted"
>;
const FIELDS = [
  "activityId",
  "clubId",
  "occurrence",
  "version",
  "terms",
  "pending",
  "confirmed",
  "waitlisted",
] as const;

/** @param settleRoster has the owner take up the activity's terms, and empty the roster's journal */
export async function settleActivity(
  store: Store,
  activity: ActivityDocument,
  settleRoster: (id: string) => Promise<void>,
  now: number,
): Promise<void> {
  const rosters = await store.rosters.find({ activityId: activity._id }, { projection: FIELDS });
  for (const roster of rosters) {
    const terms = termsOf(activity, roster.occurrence) ?? { ...roster.terms, cancelled: true };
    const behind = roster.terms.revision < activity.version;
    const over = roster.terms.endsAt <= now && terms.endsAt <= now;
    // Before the roster follows, so that a crash in between forgets nobody: it is told once the roster has.
    if (behind && !over) await prepareNotice(store, activity, roster, terms, now);
    if (roster.pending || (behind && !over)) await settleRoster(roster._id);
  }
  if (activity.unsettled)
    await store.activities.updateOne(
      { _id: activity._id, version: activity.version },
      { $set: { unsettled: false } },
    );
}

async function prepareNotice(
  store: Store,
  activity: ActivityDocument,
  roster: Known,
  terms: Terms,
  now: number,
): Promise<void> {
  const { version: revision, cancelReason, cancelledOccurrences } = activity;
  const one = cancelledOccurrences.find(({ occurrence }) => occurrence === roster.occurrence);
  const whole = activity.status === "cancelled";
  const notice = noticeOf(roster.terms, terms, {
    reason: whole ? cancelReason : (one?.reason ?? null),
    // People cancel with a reason.
    dissolved: whole && cancelReason === null,
  });
  if (!notice) return;
  await store.tellings.insertOne(
    newTelling(roster, { ...notice, revision, expiresAt: null }, [revision], now),
  );
}

/** Brings the rosters of an activity in line with what it says by now. */
import type { ActivityDocument, Store } from "./records.ts";
import { termsOf } from "./terms.ts";

/** @param settleRoster has the owner take up the activity's terms, and empty the roster's journal */
export async function settleActivity(
  store: Store,
  activity: ActivityDocument,
  settleRoster: (id: string) => Promise<void>,
  now: number,
): Promise<void> {
  const rosters = await store.rosters.find(
    { activityId: activity._id },
    { projection: ["occurrence", "terms", "pending"] },
  );
  for (const { _id, occurrence, terms: known, pending } of rosters) {
    const behind = known.revision < activity.version;
    const over = known.endsAt <= now && (termsOf(activity, occurrence) ?? known).endsAt <= now;
    if (pending || (behind && !over)) await settleRoster(_id);
  }
  if (activity.unsettled)
    await store.activities.updateOne(
      { _id: activity._id, version: activity.version },
      { $set: { unsettled: false } },
    );
}

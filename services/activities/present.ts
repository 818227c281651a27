/** Activities as the contract shows them. */
import type { Static } from "typebox";
import type { Ctx } from "../../lib/implement.ts";
import { isRefusal } from "../../lib/errors.ts";
import { iso } from "../../lib/types.ts";
import type { Activity, MyParticipation } from "./activities.contract.ts";
import { isOver } from "./fields.ts";
import type { ActivityDocument, ParticipationDocument, Store } from "./records.ts";

type Mine = Static<typeof MyParticipation>;

/** With what is the caller's own; `user` is null without one. */
export async function presentAll(
  ctx: Ctx,
  store: Store,
  activities: readonly ActivityDocument[],
  user: string | null,
): Promise<Activity[]> {
  if (activities.length === 0) return [];
  const ids = activities.map(({ _id }) => _id);
  const [counts, mine] = await Promise.all([
    countsOf(store, ids),
    user && participationsOf(store, ids, user),
  ]);
  return Promise.all(
    activities.map(async (activity) => ({
      ...present(activity, Date.now()),
      ...(counts.get(activity._id) ?? { confirmedCount: 0, waitlistCount: 0 }),
      ...(mine && { myParticipation: await mineOf(ctx, activity, mine.get(activity._id) ?? []) }),
    })),
  );
}

/** Cancelled, finished once all of it has ended, or as it was set. @param now milliseconds */
export function statusOf(activity: ActivityDocument, now: number): Activity["status"] {
  return activity.status === "published" && isOver(activity, now) ? "finished" : activity.status;
}

function present(activity: ActivityDocument, now: number) {
  const { _id: id, clubId, title, description, timezone, location, capacity, waitlist, audience } = activity;
  const { recurrence, reminders, fileIds, attributes, version } = activity;
  const opensAt = activity.signUpOpensAt ?? activity.publishedAt;
  const status = statusOf(activity, now);
  return {
    id,
    clubId,
    title,
    description,
    timezone,
    location,
    capacity,
    waitlist,
    audience,
    startsAt: iso(activity.startsAt),
    endsAt: iso(activity.endsAt),
    signUpOpensAt: opensAt === null ? null : iso(opensAt),
    signUpClosesAt: iso(activity.signUpClosesAt ?? activity.startsAt),
    recurrence: recurrence && {
      rrule: recurrence.rrule,
      exdates: recurrence.exdates.map(iso),
      overrides: recurrence.overrides.map(({ occurrence, startsAt, endsAt, location: place }) => ({
        occurrence: iso(occurrence),
        ...(startsAt !== undefined && { startsAt: iso(startsAt) }),
        ...(endsAt !== undefined && { endsAt: iso(endsAt) }),
        ...(place !== undefined && { location: place }),
      })),
    },
    cancelledOccurrences: activity.cancelledOccurrences.map(({ occurrence, reason }) => ({
      occurrence: iso(occurrence),
      reason,
    })),
    reminders,
    fileIds,
    attributes,
    version,
    status,
    ...(status === "cancelled" && { cancelReason: activity.cancelReason }),
    createdAt: iso(activity.createdAt),
    updatedAt: iso(activity.updatedAt),
  };
}

/** Of all occurrences of a series together. */
async function countsOf(store: Store, ids: string[]) {
  const rosters = await store.rosters.find(
    { activityId: { $in: ids } },
    { projection: ["activityId", "confirmed", "waitlisted"] },
  );
  const counts = new Map<string, { confirmedCount: number; waitlistCount: number }>();
  for (const { activityId, confirmed, waitlisted } of rosters) {
    const sum = counts.get(activityId) ?? { confirmedCount: 0, waitlistCount: 0 };
    counts.set(activityId, {
      confirmedCount: sum.confirmedCount + confirmed,
      waitlistCount: sum.waitlistCount + waitlisted,
    });
  }
  return counts;
}

async function participationsOf(store: Store, ids: string[], user: string) {
  const all = await store.participations.find({ user, activityId: { $in: ids } });
  return Map.groupBy(all, ({ activityId }) => activityId);
}

/** Of a series the next occurrence that the person is signed up for, else the last that they had to do with. */
async function mineOf(
  ctx: Ctx,
  activity: ActivityDocument,
  all: readonly ParticipationDocument[],
): Promise<Mine | null> {
  const now = Date.now();
  const inOrder = all.toSorted((a, b) => a.occurrence - b.occurrence);
  const length = activity.endsAt - activity.startsAt;
  const next = inOrder.find((each) => each.status !== "cancelled" && each.occurrence + length > now);
  const chosen = next ?? inOrder.at(-1);
  return chosen ? presentMine(ctx, chosen) : null;
}

/** One's own participation; the place in the waitlist is known to its owner. */
export async function presentMine(ctx: Ctx, own: ParticipationDocument): Promise<Mine> {
  const occurrence = iso(own.occurrence);
  const checkedInAt = own.checkedInAt === null ? null : iso(own.checkedInAt);
  if (own.status !== "waitlisted") return { occurrence, status: own.status, checkedInAt };
  try {
    return { occurrence, ...(await ctx.call("participations.mine", { id: own.activityId, occurrence })) };
  } catch (error) {
    // In a rush nobody is asked for a rank; that they wait is known.
    if (isRefusal(error, "OVERLOADED")) return { occurrence, status: own.status, checkedInAt };
    throw error;
  }
}

/** What an activity says of one occurrence. */
import { LRUCache } from "lru-cache";
import { invalid } from "../../lib/errors.ts";
import { occurrenceAt } from "../../lib/recurrence.ts";
import type { Occurrence, Schedule } from "../../lib/recurrence.ts";
import type { ActivityDocument, Terms } from "./records.ts";
import { scheduleOf } from "./records.ts";

/** One schedule object for what is the same schedule, so that what was worked out for it is found again. */
const schedules = new LRUCache<string, Schedule>({ max: 2_000 });

/** The schedule of an activity. */
export function scheduled(activity: ActivityDocument): Schedule {
  const schedule = scheduleOf(activity);
  const key = JSON.stringify(schedule);
  const known = schedules.get(key);
  if (known) return known;
  schedules.set(key, schedule);
  return schedule;
}

/**
 * The occurrence that a request names; of what is no series the only one.
 * @throws 422 where a series' is not named, or there is none such
 */
export function namedOccurrence(activity: ActivityDocument, name: string | undefined): number {
  if (name !== undefined) return timeOf(name, "occurrence");
  if (activity.recurrence) throw invalid({ field: "occurrence", code: "REQUIRED" });
  return activity.originalStart;
}

/** The terms of an occurrence; null where the activity has none of this name. */
export function termsOf(activity: ActivityDocument, occurrence: number): Terms | null {
  const found = occurrenceAt(scheduled(activity), occurrence);
  return found && termsFor(activity, found);
}

/** Of a series, the times of sign-up that were given are those of its first occurrence: later ones have theirs as long before. */
function termsFor(activity: ActivityDocument, { occurrence, startsAt, endsAt, location }: Occurrence): Terms {
  const { signUpOpensAt, signUpClosesAt, publishedAt, recurrence } = activity;
  const shift = recurrence ? occurrence - activity.startsAt : 0;
  const moved = (at: number | null): number | null => (at === null ? null : at + shift);
  return {
    revision: activity.version,
    startsAt,
    endsAt,
    location: location ?? activity.location,
    capacity: activity.capacity,
    waitlist: activity.waitlist,
    opensAt: moved(signUpOpensAt) ?? publishedAt ?? NEVER,
    closesAt: moved(signUpClosesAt) ?? startsAt,
    membersOnly: activity.audience === "members",
    cancelled: activity.status !== "published" || isCancelled(activity, occurrence),
    ...whyCancelled(activity, occurrence),
  };
}

/** The end of time, as far as documents can say it. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** People cancel with a reason; without one it went with its club. */
function whyCancelled(
  { status, cancelReason, cancelledOccurrences }: ActivityDocument,
  occurrence: number,
): Pick<Terms, "reason" | "dissolved"> {
  if (status === "cancelled") return { reason: cancelReason, dissolved: cancelReason === null };
  const one = cancelledOccurrences.find((each) => each.occurrence === occurrence);
  return { reason: one?.reason ?? null, dissolved: false };
}

export function isCancelled(activity: ActivityDocument, occurrence: number): boolean {
  return (
    activity.status === "cancelled" ||
    activity.cancelledOccurrences.some((each) => each.occurrence === occurrence)
  );
}

/** Milliseconds of a time that a person wrote. @throws 422 that names the field */
export function timeOf(text: string, field: string): number {
  const at = Date.parse(text);
  if (Number.isFinite(at) && at >= 0 && at < LATEST) return at;
  throw invalid({ field, code: "INVALID_FORMAT" });
}

const LATEST = Date.UTC(2200, 0);

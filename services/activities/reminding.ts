/** When reminders of an activity are due. */
import { occurrencesBetween } from "../../lib/recurrence.ts";
import type { Occurrence } from "../../lib/recurrence.ts";
import type { ActivityDocument } from "./records.ts";
import { isCancelled, scheduled } from "./terms.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** How far ahead the next start is looked for; a series with longer gaps is looked at again. */
const HORIZON = 400 * DAY;

export interface Reminder {
  occurrence: Occurrence;
  minutes: number;
}

/** When the next reminder is due (milliseconds), or when to look again; null when there will be none. */
export function nextReminder(activity: ActivityDocument): number | null {
  const { status, reminders, remindedUntil, recurrence } = activity;
  if (status !== "published" || reminders.length === 0) return null;
  const due = reminders.flatMap((minutes) => {
    const after = remindedUntil + minutes * MINUTE;
    const start = firstStart(activity, after);
    return start === null ? [] : [start - minutes * MINUTE];
  });
  if (due.length > 0) return Math.min(...due);
  return recurrence ? remindedUntil + HORIZON / 2 : null;
}

/** The reminders that have become due since they were last seen to. @param now milliseconds */
export function dueReminders(activity: ActivityDocument, now: number): Reminder[] {
  const { reminders, remindedUntil } = activity;
  return reminders.flatMap((minutes) =>
    startsIn(activity, remindedUntil + minutes * MINUTE, now + minutes * MINUTE).map((occurrence) => ({
      occurrence,
      minutes,
    })),
  );
}

function firstStart(activity: ActivityDocument, after: number): number | null {
  // What is no series has one start, however far away.
  const until = activity.recurrence ? after + HORIZON : Number.MAX_SAFE_INTEGER - 1;
  return startsIn(activity, after, until, 1)[0]?.startsAt ?? null;
}

/** Occurrences that take place and start in (after, until]. */
function startsIn(activity: ActivityDocument, after: number, until: number, limit = Infinity): Occurrence[] {
  const found: Occurrence[] = [];
  for (const each of occurrencesBetween(scheduled(activity), after, until + 1)) {
    if (each.startsAt <= after || isCancelled(activity, each.occurrence)) continue;
    if (found.push(each) >= limit) break;
  }
  return found;
}

/** What changes make of an activity, and what they tell. */
import { AppError, invalid } from "../../lib/errors.ts";
import { occurrenceAt } from "../../lib/recurrence.ts";
import type { Occurrence } from "../../lib/recurrence.ts";
import { iso } from "../../lib/types.ts";
import { demandSound } from "./fields.ts";
import type { Told } from "../../lib/queue-documents.ts";
import type { ActivityDocument } from "./records.ts";
import { nextReminder } from "./reminding.ts";
import { isCancelled, namedOccurrence, scheduled } from "./terms.ts";

export interface Change {
  change: Partial<ActivityDocument>;
  tell: Pick<Told, "type" | "data">[];
}

export const about = ({ clubId, title }: ActivityDocument) => ({ clubId, title });

/** An activity as the audit log records it. */
export function onRecord(activity: ActivityDocument): Record<string, unknown> {
  return { ...activity, startsAt: iso(activity.startsAt), endsAt: iso(activity.endsAt) };
}

/** What a change asks of others. */
interface Asked {
  hasSignUps: () => Promise<boolean>;
  /** Claims the files that it is to show. */
  claim: (fileIds: readonly string[]) => Promise<void>;
}

/** What a PATCH makes of an activity. @throws 422, and 409 where people who are signed up would lose their occurrence */
export async function changed(
  activity: ActivityDocument,
  fields: Partial<ActivityDocument>,
  admit: () => void,
  { hasSignUps, claim }: Asked,
): Promise<Change | null> {
  const draft = activity.status === "draft";
  const after = { ...activity, ...fields };
  if (draft || activity.recurrence || after.recurrence) after.originalStart = after.startsAt;
  const differs = (...keys: (keyof ActivityDocument)[]) =>
    keys.some((key) => JSON.stringify(after[key]) !== JSON.stringify(activity[key]));
  const same = !differs(...(Object.keys(fields) as (keyof ActivityDocument)[]));
  if (!same) {
    demandSound(after);
    await claim(after.fileIds);
  }
  admit();
  if (activity.status === "cancelled") throw new AppError("ACTIVITY_OVER");
  if (same) return null;
  const series = activity.recurrence !== null || after.recurrence !== null;
  const renamed =
    series && (activity.recurrence?.rrule !== after.recurrence?.rrule || differs("timezone", "startsAt"));
  if (renamed && !draft && (await hasSignUps())) throw new AppError("HAS_SIGN_UPS");
  const moved = differs("startsAt", "endsAt", "timezone", "recurrence", "location", "title");
  const change = {
    ...fields,
    originalStart: after.originalStart,
    sequence: activity.sequence + (moved ? 1 : 0),
    nextReminderAt: nextReminder(after),
  };
  return { change, tell: draft ? [] : [{ type: "activities.changed", data: about(after) }] };
}

/** @param reason null: its club was dissolved */
export function wholeCancelled(activity: ActivityDocument, reason: string | null): Change {
  return {
    change: {
      status: "cancelled",
      cancelReason: reason,
      sequence: activity.sequence + 1,
      nextReminderAt: null,
    },
    tell:
      activity.publishedAt === null
        ? []
        : [{ type: "activities.cancelled", data: { ...about(activity), occurrence: null, reason } }],
  };
}

/** An occurrence as it is named in a request, cancelled or not. @throws 422 when there is none such */
export function knownOccurrence(activity: ActivityDocument, name: string): Occurrence {
  const found = occurrenceAt(scheduled(activity), namedOccurrence(activity, name));
  if (!found) throw invalid({ field: "occurrence", code: "NO_SUCH_OCCURRENCE" });
  return found;
}

/** @throws 409 when it has ended */
export function oneCancelled(
  activity: ActivityDocument,
  { occurrence, endsAt }: Occurrence,
  reason: string,
): Change | null {
  if (isCancelled(activity, occurrence)) return null;
  if (endsAt <= Date.now()) throw new AppError("ACTIVITY_OVER");
  const cancelledOccurrences = [...activity.cancelledOccurrences, { occurrence, reason }];
  return {
    change: { cancelledOccurrences, sequence: activity.sequence + 1 },
    tell: [{ type: "activities.cancelled", data: { ...about(activity), occurrence, reason } }],
  };
}

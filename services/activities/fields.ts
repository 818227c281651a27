/** From what people write of an activity to its document, and what is wrong with it. */
import type { Params } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { checkSchedule, spanOf } from "../../lib/recurrence.ts";
import type { Recurrence } from "../../lib/recurrence.ts";
import type { ActivityDocument } from "./records.ts";
import { scheduleOf } from "./records.ts";
import { scheduled, timeOf } from "./terms.ts";

type Written = Omit<Params<"activities.update">, "id">;
export type Fields = Pick<
  ActivityDocument,
  | "title"
  | "description"
  | "startsAt"
  | "endsAt"
  | "timezone"
  | "location"
  | "capacity"
  | "waitlist"
  | "signUpOpensAt"
  | "signUpClosesAt"
  | "audience"
  | "recurrence"
  | "reminders"
  | "fileIds"
  | "attributes"
>;

export const DEFAULTS: Omit<Fields, "title" | "startsAt" | "endsAt" | "timezone"> = {
  description: "",
  location: "",
  capacity: null,
  waitlist: false,
  signUpOpensAt: null,
  signUpClosesAt: null,
  audience: "everyone",
  recurrence: null,
  reminders: [],
  fileIds: [],
  attributes: {},
};

/** The fields that were written, as they are kept. @throws 422 that names each time that is none */
export function fieldsOf(written: Written): Partial<Fields> {
  const { startsAt, endsAt, signUpOpensAt, signUpClosesAt, recurrence, ...plain } = written;
  const errors: FieldError[] = [];
  const time = (text: string, field: string): number => {
    try {
      return timeOf(text, field);
    } catch {
      errors.push({ field, code: "INVALID_FORMAT" });
      return 0;
    }
  };
  const times = Object.entries({ startsAt, endsAt, signUpOpensAt, signUpClosesAt }).flatMap(
    ([field, text]) =>
      text === undefined ? [] : [[field, text === null ? null : time(text, field)] as const],
  );
  const kept = recurrence && recurrenceOf(recurrence, time);
  if (errors.length > 0) throw new AppError("VALIDATION_FAILED", { errors });
  return { ...plain, ...Object.fromEntries(times), ...(kept !== undefined && { recurrence: kept }) };
}

function recurrenceOf(
  { rrule, exdates = [], overrides = [] }: NonNullable<Written["recurrence"]>,
  time: (text: string, field: string) => number,
): Recurrence {
  return {
    rrule,
    exdates: exdates.map((text, i) => time(text, `recurrence.exdates[${i}]`)),
    overrides: overrides.map(({ occurrence, startsAt, endsAt, location }, i) => ({
      occurrence: time(occurrence, `recurrence.overrides[${i}].occurrence`),
      ...(startsAt && { startsAt: time(startsAt, `recurrence.overrides[${i}].startsAt`) }),
      ...(endsAt && { endsAt: time(endsAt, `recurrence.overrides[${i}].endsAt`) }),
      ...(location && { location }),
    })),
  };
}

/** @throws 422 that names what does not go together */
export function demandSound(activity: ActivityDocument): void {
  const { startsAt, endsAt, signUpOpensAt, signUpClosesAt } = activity;
  const errors: FieldError[] = [...checkSchedule(scheduleOf(activity))];
  if (signUpClosesAt !== null && signUpClosesAt > endsAt && endsAt > startsAt)
    errors.push({ field: "signUpClosesAt", code: "AFTER_END" });
  if (signUpOpensAt !== null && signUpOpensAt >= (signUpClosesAt ?? startsAt))
    errors.push({ field: "signUpOpensAt", code: "OPENS_AFTER_CLOSING" });
  if (errors.length > 0) throw new AppError("VALIDATION_FAILED", { errors });
}

/** Whether all of it has ended. @param now milliseconds */
export function isOver(activity: ActivityDocument, now: number): boolean {
  const { last } = spanOf(scheduled(activity));
  return last !== null && last <= now;
}

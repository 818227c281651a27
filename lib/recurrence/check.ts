/** What is wrong with a schedule. Whatever its texts are, the work is bounded: by periods and times looked at, and by counts. */
import type { FieldCode, FieldError } from "../errors.ts";
import type { Recurrence, Schedule } from "../recurrence.ts";
import { isTimeZone } from "../time-zones.ts";
import { first, take } from "./lazy.ts";
import { withOverride } from "./overrides.ts";
import { isRule, parseRule } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { DAY, HORIZON, isSlow, seriesOf, startsBetween, timesADay } from "./series.ts";
import type { Series } from "./series.ts";

/** Exdates, and overrides. */
export const MAX_EXCEPTIONS = 1000;
/** Each is looked up, which takes up to 2 ms. */
const MAX_SLOW_EXCEPTIONS = 50;
const MAX_DAYS = 31;
const MAX_OCCURRENCES = 1000;
const WITHIN_DAYS = 366;
/** So few a day cannot be too many, and more no activity has. */
const [FEW_TIMES_A_DAY, MAX_TIMES_A_DAY] = [2, 8];
const YEARS_LOOKED_AT = 4;

const RULE = "recurrence.rrule";

/**
 * What is wrong with a schedule, as entries for a 422 with paths `startsAt`, `endsAt`, `timezone`, `recurrence.rrule`,
 * `recurrence.exdates[0]`, `recurrence.overrides[1].occurrence`…; exceptions are checked where the rule is right.
 */
export function checkSchedule(schedule: Schedule): FieldError[] {
  const { startsAt, endsAt, timezone, recurrence } = schedule;
  const errors = [...checkStart(startsAt), ...checkLength(startsAt, endsAt, "endsAt")];
  if (!isTimeZone(timezone)) errors.push({ field: "timezone", code: "UNKNOWN_TIME_ZONE" });
  if (recurrence === null) return errors;
  const rule = parseRule(recurrence.rrule);
  if (!isRule(rule)) return [...errors, { field: RULE, ...rule }];
  return errors.length > 0 ? errors : checkRecurrence(schedule, recurrence, rule);
}

function checkStart(startsAt: number, field = "startsAt"): FieldError[] {
  return isTime(startsAt) ? [] : [{ field, code: "INVALID" }];
}

function isTime(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= HORIZON;
}

function checkLength(startsAt: number, endsAt: number, field: string): FieldError[] {
  if (!Number.isInteger(endsAt)) return [{ field, code: "INVALID" }];
  if (endsAt <= startsAt) return [{ field, code: "ENDS_BEFORE_START" }];
  return endsAt - startsAt > MAX_DAYS * DAY
    ? [{ field, code: "LASTS_TOO_LONG", values: { days: MAX_DAYS } }]
    : [];
}

function checkRecurrence(schedule: Schedule, recurrence: Recurrence, rule: Rule): FieldError[] {
  if (timesADay(rule) > MAX_TIMES_A_DAY) return [tooMany()];
  const series = seriesOf(rule, schedule.startsAt, schedule.timezone);
  const { exdates, overrides } = recurrence;
  const start = first(startsBetween(series, -Infinity, Infinity));
  if (start === null) return [nothing()];
  if (series.outOfReach)
    return [{ field: RULE, code: "INVALID_RRULE", values: { part: `COUNT=${rule.get("COUNT")}` } }];
  if (timesADay(rule) > FEW_TIMES_A_DAY && isTooDense(series, start)) return [tooMany()];
  const crowded = [
    ...checkNumber(exdates.length, "recurrence.exdates", rule),
    ...checkNumber(overrides.length, "recurrence.overrides", rule),
  ];
  if (crowded.length > 0) return crowded;
  const errors = [...checkExdates(series, exdates), ...checkOverrides(series, schedule, recurrence)];
  return errors.length === 0 && isEmptied(series, exdates) ? [nothing()] : errors;
}

const nothing = (): FieldError => ({ field: RULE, code: "RRULE_YIELDS_NOTHING" });

const tooMany = (): FieldError => ({
  field: RULE,
  code: "TOO_MANY_OCCURRENCES",
  values: { limit: MAX_OCCURRENCES, days: WITHIN_DAYS },
});

function isTooDense(series: Series, from: number): boolean {
  const recent: number[] = [];
  for (const start of startsBetween(series, from, from + YEARS_LOOKED_AT * WITHIN_DAYS * DAY)) {
    const earlier = recent.at(-MAX_OCCURRENCES);
    if (earlier !== undefined && start - earlier < WITHIN_DAYS * DAY) return true;
    recent.push(start);
  }
  return false;
}

function checkNumber(length: number, field: string, rule: Rule): FieldError[] {
  const limit = isSlow(rule) ? MAX_SLOW_EXCEPTIONS : MAX_EXCEPTIONS;
  return length > limit ? [{ field, code: "TOO_MANY", values: { limit } }] : [];
}

function checkExdates(series: Series, exdates: number[]): FieldError[] {
  return exdates.flatMap((exdate, index): FieldError[] =>
    isStart(series, exdate) ? [] : [{ field: `recurrence.exdates[${index}]`, code: "NO_SUCH_OCCURRENCE" }],
  );
}

function isStart(series: Series, start: number): boolean {
  return isTime(start) && first(startsBetween(series, start, start + 1)) !== null;
}

/** Of one more than there are exdates, one must be left. */
function isEmptied(series: Series, exdates: number[]): boolean {
  const removed = new Set(exdates);
  return take(startsBetween(series, -Infinity, Infinity), removed.size + 1).every((start) =>
    removed.has(start),
  );
}

function checkOverrides(
  series: Series,
  schedule: Schedule,
  { exdates, overrides }: Recurrence,
): FieldError[] {
  const removed = new Set(exdates);
  const seen = new Set<number>();
  const length = schedule.endsAt - schedule.startsAt;
  return overrides.flatMap((override, index): FieldError[] => {
    const { occurrence } = override;
    const field = `recurrence.overrides[${index}]`;
    const at = (code: FieldCode): FieldError => ({ field: `${field}.occurrence`, code });
    if (removed.has(occurrence) || !isStart(series, occurrence)) return [at("NO_SUCH_OCCURRENCE")];
    if (seen.has(occurrence)) return [at("DUPLICATE")];
    seen.add(occurrence);
    const { startsAt, endsAt } = withOverride(override, length);
    return [
      ...checkStart(startsAt, `${field}.startsAt`),
      ...checkLength(startsAt, endsAt, `${field}.endsAt`),
    ];
  });
}

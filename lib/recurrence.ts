/**
 * When a series happens. Rules are RFC 5545's, read on the wall clock of the schedule's time zone; times are milliseconds
 * since 1970. A start that its own rule does not match is no occurrence (docs/decisions/0017-recurrence.md).
 */
import { first, take } from "./recurrence/lazy.ts";
import { withOverride } from "./recurrence/overrides.ts";
import { isRule, parseRule } from "./recurrence/rule.ts";
import type { Rule } from "./recurrence/rule.ts";
import { calendarTextOf, lastStart, seriesOf, startsBetween } from "./recurrence/series.ts";
import type { Series } from "./recurrence/series.ts";

export { checkSchedule, MAX_EXCEPTIONS } from "./recurrence/check.ts";

export interface Override {
  /** The original start. */
  occurrence: number;
  /** Alone it keeps the length. */
  startsAt?: number;
  endsAt?: number;
  location?: string;
}

export interface Recurrence {
  /** Without `RRULE:`. */
  rrule: string;
  /** Original starts. */
  exdates: number[];
  overrides: Override[];
}

export interface Schedule {
  startsAt: number;
  endsAt: number;
  timezone: string;
  recurrence: Recurrence | null;
  /** The name of a single activity's only occurrence, which stays when it is moved; by default `startsAt`. */
  originalStart?: number;
}

export interface Occurrence {
  /** Its name: the original start. */
  occurrence: number;
  startsAt: number;
  endsAt: number;
  /** Of its override. */
  location: string | null;
}

/** What is worked out once for a schedule. */
interface Plan {
  rule: Rule;
  series: Series;
  length: number;
  /** Exdates, and the original starts of overridden ones. */
  excluded: Set<number>;
  /** By original start, without the exdates. */
  overridden: Map<number, Occurrence>;
  /** The same in order of their new starts. */
  moved: Occurrence[];
}

const plans = new WeakMap<Schedule, Plan>();

/**
 * All occurrences that overlap [from, to), in order of start; overridden ones at their new times. At most `limit`.
 * What was worked out for a schedule is kept by the object, which must not change.
 */
export function occurrencesBetween(
  schedule: Schedule,
  from: number,
  to: number,
  limit = Infinity,
): Occurrence[] {
  return take(occurrences(schedule, from, to), limit);
}

/** The same one by one, those that start before `notBefore` left out. */
export function* occurrences(
  schedule: Schedule,
  from: number,
  to: number,
  notBefore = -Infinity,
): Generator<Occurrence, void, undefined> {
  const wanted = ({ startsAt, endsAt }: Occurrence): boolean =>
    startsAt < to && endsAt > from && startsAt >= notBefore;
  if (schedule.recurrence === null) {
    const only = onlyOf(schedule);
    if (wanted(only)) yield only;
    return;
  }
  const plan = planOf(schedule);
  const moved = plan.moved.filter(wanted);
  let next = 0;
  for (const start of startsBetween(plan.series, Math.max(from - plan.length + 1, notBefore), to)) {
    if (plan.excluded.has(start)) continue;
    for (let other = moved[next]; other && isBefore(other, start); other = moved[next]) {
      yield other;
      next += 1;
    }
    yield regular(plan, start);
  }
  yield* moved.slice(next);
}

/** The occurrence of this name; null when there is none, or it is an exdate. */
export function occurrenceAt(schedule: Schedule, occurrence: number): Occurrence | null {
  if (schedule.recurrence === null) {
    const only = onlyOf(schedule);
    return only.occurrence === occurrence ? only : null;
  }
  const plan = planOf(schedule);
  const overridden = plan.overridden.get(occurrence);
  if (overridden) return overridden;
  if (plan.excluded.has(occurrence)) return null;
  const start = first(startsBetween(plan.series, occurrence, occurrence + 1));
  return start === null ? null : regular(plan, start);
}

/** First start and last end; `last` is null where the rule has no end. */
export function spanOf(schedule: Schedule): { first: number; last: number | null } {
  const start = first(occurrences(schedule, -Infinity, Infinity)) ?? schedule;
  return { first: start.startsAt, last: lastEnd(schedule) };
}

/** The first occurrence, in order of start, that ends after `at`. */
export function nextOccurrence(schedule: Schedule, at: number): Occurrence | null {
  return first(occurrences(schedule, at, Infinity));
}

/**
 * A series as other calendars read it, which take DTSTART for an occurrence: the first original start, whether or not it
 * is an exdate, and the rule with UNTIL in UTC. Null for what is no series, or an empty one.
 */
export function seriesOfCalendar(schedule: Schedule): { firstStart: number; rrule: string } | null {
  if (schedule.recurrence === null) return null;
  const { rule, series } = planOf(schedule);
  const firstStart = first(startsBetween(series, -Infinity, Infinity));
  return firstStart === null ? null : { firstStart, rrule: calendarTextOf(rule, series) };
}

function lastEnd(schedule: Schedule): number | null {
  if (schedule.recurrence === null) return schedule.endsAt;
  const { series, length, excluded, moved } = planOf(schedule);
  if (series.endless) return null;
  const last = lastStart(series, (start) => excluded.has(start));
  const ends = moved.map(({ endsAt }) => endsAt);
  return last === null && ends.length === 0
    ? schedule.endsAt
    : ends.reduce((a, b) => Math.max(a, b), last === null ? -Infinity : last + length);
}

function isBefore(moved: Occurrence, start: number): boolean {
  return moved.startsAt < start || (moved.startsAt === start && moved.occurrence < start);
}

function onlyOf({ startsAt, endsAt, originalStart }: Schedule): Occurrence {
  return { occurrence: originalStart ?? startsAt, startsAt, endsAt, location: null };
}

function regular({ length }: Plan, start: number): Occurrence {
  return { occurrence: start, startsAt: start, endsAt: start + length, location: null };
}

function planOf(schedule: Schedule): Plan {
  const kept = plans.get(schedule);
  if (kept) return kept;
  const made = makePlan(schedule, schedule.recurrence ?? { rrule: "", exdates: [], overrides: [] });
  plans.set(schedule, made);
  return made;
}

function makePlan({ startsAt, endsAt, timezone }: Schedule, { rrule, exdates, overrides }: Recurrence): Plan {
  const rule = parseRule(rrule);
  if (!isRule(rule)) throw new RangeError(`"${rrule}" is no rule: it was not checked.`);
  const length = endsAt - startsAt;
  const removed = new Set(exdates);
  const kept = overrides.filter(({ occurrence }) => !removed.has(occurrence));
  const overridden = new Map(kept.map((each) => [each.occurrence, withOverride(each, length)]));
  return {
    rule,
    series: seriesOf(rule, startsAt, timezone),
    length,
    excluded: new Set([...removed, ...overridden.keys()]),
    overridden,
    moved: [...overridden.values()].toSorted(
      (a, b) => a.startsAt - b.startsAt || a.occurrence - b.occurrence,
    ),
  };
}

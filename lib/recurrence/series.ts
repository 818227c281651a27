/** A rule in its time zone: the original starts of a series, as instants. */
import { instantOf, offsetAt, wallOf } from "../time-zones.ts";
import { DAY } from "./days.ts";
import { beginOf, cycleOf, HORIZON, patternOf, periodAt, wallsIn } from "./periods.ts";
import type { Pattern } from "./periods.ts";
import type { Rule } from "./rule.ts";

export interface Series {
  pattern: Pattern;
  timezone: string;
  startsAt: number;
  /** The last instant and wall time that may be one; wall times after that are not looked at. */
  lastInstant: number;
  lastWall: number;
  endless: boolean;
}

/** No wall time is moved further, and no clock is set back further. */
const LONGEST_SHIFT = DAY;
const NEAR = 1.5 * DAY;

/** The series of `rule` from `startsAt` on. */
export function seriesOf(rule: Rule, startsAt: number, timezone: string): Series {
  const pattern = patternOf(rule, wallOf(timezone, startsAt));
  const endless = rule.count === null && rule.until === null;
  const series = { pattern, timezone, startsAt, lastInstant: Infinity, lastWall: HORIZON, endless };
  if (rule.count !== null) return { ...series, lastWall: countedOut(pattern, rule.count) };
  if (rule.until === null) return series;
  const lastInstant = "day" in rule.until ? endOfDay(timezone, rule.until.day) : rule.until.instant + 999;
  const lastWall = Math.min(HORIZON, wallOf(timezone, lastInstant) + LONGEST_SHIFT);
  return { ...series, lastInstant, lastWall };
}

/** RRULE as other calendars read it: upper case, and UNTIL in UTC, since with a zone it may be no date. */
export function textOf(rrule: string, { lastInstant }: Series): string {
  const text = rrule.toUpperCase();
  if (lastInstant === Infinity) return text;
  const until = new Date(lastInstant).toISOString().slice(0, 19).replace(/[-:]/g, "");
  return text.replace(/UNTIL=[^;]*/, `UNTIL=${until}Z`);
}

/** On a day that the clock skips, before the next begins. */
function endOfDay(timezone: string, day: number): number {
  return instantOf(timezone, (day + 1) * DAY) - 1;
}

/** The wall time of the last of `count`. With it a counted series need never be counted again. */
function countedOut(pattern: Pattern, count: number): number {
  let [left, barren, last] = [count, 0, -Infinity];
  for (let period = 0; left > 0 && mayHold(pattern, period, HORIZON, barren); period += 1) {
    const walls = wallsIn(pattern, period);
    barren = walls.length === 0 ? barren + 1 : 0;
    last = walls[Math.min(left, walls.length) - 1] ?? last;
    left -= walls.length;
  }
  return last;
}

/** Whether there may be a wall time up to `last` in the period or after it, `barren` ones having had none. */
function mayHold(pattern: Pattern, period: number, last: number, barren: number): boolean {
  return beginOf(pattern, period) <= last && barren <= cycleOf(pattern) + 1;
}

/** The original starts in [from, to), in order and each once. */
export function* startsBetween(series: Series, from: number, to: number): Generator<number, void, undefined> {
  const { timezone, startsAt, lastInstant } = series;
  const inside = (at: number): boolean => at >= from && at < to && at >= startsAt && at <= lastInstant;
  let held: number[] = [];
  let holdUntil = -Infinity;
  for (const wall of wallsAround(series, from, to)) {
    if (wall > holdUntil && held.length > 0) {
      yield* inOrder(held);
      held = [];
    }
    const instant = startAt(series, wall);
    // A time that the clock skips lands among later ones, or on one of them.
    if (wallOf(timezone, instant) !== wall) holdUntil = wall + LONGEST_SHIFT;
    if (!inside(instant)) continue;
    if (wall <= holdUntil) held.push(instant);
    else yield instant;
  }
  yield* inOrder(held);
}

/** The last original start that is not `excluded`; of a series with an end. */
export function lastStart(series: Series, excluded: (start: number) => boolean): number | null {
  const { pattern, lastWall } = series;
  if (lastWall < pattern.anchor) return null;
  const newest = periodAt(pattern, lastWall);
  let last: number | null = null;
  for (let period = newest; period >= 0 && newest - period <= cycleOf(pattern); period -= 1) {
    const found = last !== null;
    for (const start of startsIn(series, period)) if (!excluded(start)) last = Math.max(last ?? start, start);
    // The period before may hold a time that was moved past those of this one.
    if (found) break;
  }
  return last;
}

function startsIn(series: Series, period: number): number[] {
  return wallsIn(series.pattern, period)
    .filter((wall) => wall <= series.lastWall)
    .map((wall) => startAt(series, wall))
    .filter((start) => start >= series.startsAt && start <= series.lastInstant);
}

/** The wall times of all starts in [from, to), and perhaps some more. */
function* wallsAround(series: Series, from: number, to: number): Generator<number, void, undefined> {
  const { pattern, timezone, startsAt } = series;
  const latest = Math.min(to, HORIZON + LONGEST_SHIFT);
  const earliest = Math.min(Math.max(from, startsAt), latest);
  const first = wallOf(timezone, earliest) - shiftNear(timezone, earliest);
  const last = Math.min(series.lastWall, wallOf(timezone, latest) + shiftNear(timezone, latest));
  let barren = 0;
  for (let period = periodAt(pattern, first); mayHold(pattern, period, last, barren); period += 1) {
    const walls = wallsIn(pattern, period);
    barren = walls.length === 0 ? barren + 1 : 0;
    for (const wall of walls) if (wall >= first && wall <= last) yield wall;
  }
}

/** How far wall times near `instant` may be from where the clock says. */
function shiftNear(timezone: string, instant: number): number {
  return offsetAt(timezone, instant - NEAR) === offsetAt(timezone, instant + NEAR) ? 0 : LONGEST_SHIFT;
}

/** The start itself may be the second of two same wall times. */
function startAt({ pattern, timezone, startsAt }: Series, wall: number): number {
  return wall === pattern.anchor ? startsAt : instantOf(timezone, wall);
}

function inOrder(instants: number[]): number[] {
  return [...new Set(instants)].toSorted((a, b) => a - b);
}

/**
 * A rule in its time zone: the original starts of a series, as instants. The library expands it on the wall clock; what the
 * clock makes of a wall time is ours (docs/decisions/0017-recurrence.md).
 */
import { RRuleTemporal } from "rrule-temporal";
import { instantOf, isChangedNear, wallOf } from "../time-zones.ts";
import { frequencyOf, partOf, textOf, untilOf } from "./rule.ts";
import type { Rule } from "./rule.ts";

export const DAY = 86_400_000;
/** Days are written with four digits of a year. */
export const HORIZON = Date.UTC(9999, 11, 31);
/** No wall time is moved further, and no clock is set back further. */
const LONGEST_SHIFT = DAY;
/** So long a time is asked for at once after a first start: a few of most rules, and of each day no more than a page. */
const BLOCK = 64 * DAY;
/** The last of each series: calendars are asked about the same weeks again and again. */
const BLOCKS_KEPT = 2;
/** Periods without a start after which none is expected. A leap day may be eight years away, one on a Monday forty. */
const PATIENCE = { DAILY: 3000, WEEKLY: 1000, MONTHLY: 1000, YEARLY: 250 };
/** Of these the library looks at each period, for up to 0.1 ms; others it counts. */
const SLOW = /FREQ=(DAILY|WEEKLY).*BY(MONTH|MONTHDAY|SETPOS)=|BYYEARDAY|BYWEEKNO/;
const POSITIONED = /FREQ=(DAILY|WEEKLY).*BYSETPOS/;
const [SLOW_YEARS, POSITIONED_PERIODS] = [50, 400];
const EACH_DAY_OR_WEEK = /FREQ=(DAILY|WEEKLY)(?!.*INTERVAL=([2-9]|1\d))/;
const WEEKDAYS = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
/** As many as COUNT may be, and some. */
const COUNTED = 12_000;

/** All starts in [from, until). */
interface Block {
  from: number;
  until: number;
  starts: number[];
}

export interface Series {
  /** The rule on the wall clock, with an end instead of COUNT. */
  walls: RRuleTemporal;
  timezone: string;
  startsAt: number;
  /** The last instant that may be one. */
  lastInstant: number;
  endless: boolean;
  /** COUNT leads further than is looked. */
  outOfReach: boolean;
  blocks: Block[];
}

/** The series of `rule` from `startsAt` on. */
export function seriesOf(rule: Rule, startsAt: number, timezone: string): Series {
  const [until, count] = [rule.get("UNTIL"), rule.get("COUNT")];
  const lastInstant = until === undefined ? Infinity : lastOf(until, timezone);
  const anchor = wallOf(timezone, startsAt);
  const lastWall = lastInstant === Infinity ? HORIZON : wallOf(timezone, lastInstant) + LONGEST_SHIFT;
  const walls = wallsOf(rule, anchor, lastWall);
  const endless = until === undefined && count === undefined;
  const series = { walls, timezone, startsAt, lastInstant, endless, outOfReach: false, blocks: [] };
  // A barren rule is not counted.
  if (count === undefined || nextWall(series, anchor) === null) return series;
  const last = lastCounted(rule, anchor);
  return last === null
    ? { ...series, outOfReach: true }
    : { ...series, walls: wallsOf(rule, anchor, last), blocks: [] };
}

/** RRULE as other calendars read it: UNTIL in UTC, since with a zone it may be no date. */
export function calendarTextOf(rule: Rule, { lastInstant }: Series): string {
  return textOf(rule.has("UNTIL") ? new Map([...rule, ["UNTIL", basic(lastInstant)]]) : rule);
}

/** The original starts in [from, to), in order and each once. */
export function* startsBetween(series: Series, from: number, to: number): Generator<number, void, undefined> {
  const end = Math.min(to, series.lastInstant + 1, HORIZON + 2 * DAY);
  for (let low = Math.max(from, series.startsAt); low < end;) {
    const { starts, until } = blockAt(series, low);
    for (const start of starts) if (start >= low && start < end) yield start;
    low = until;
  }
}

function blockAt(series: Series, low: number): Block {
  const kept = series.blocks.find(({ from, until }) => low >= from && low < until);
  if (kept) return kept;
  const block = blockFrom(series, low);
  series.blocks = [block, ...series.blocks.slice(0, BLOCKS_KEPT - 1)];
  return block;
}

function blockFrom(series: Series, from: number): Block {
  const { timezone } = series;
  const wall = nextWall(series, wallOf(timezone, from) - shiftNear(timezone, from));
  if (wall === null) return { from, until: Infinity, starts: [] };
  const start = startAt(series, wall);
  const until = Math.max(from, start) + BLOCK;
  return { from, until, starts: startsIn(series, Math.max(from, start - LONGEST_SHIFT), until) };
}

/** The last original start that is not `excluded`; of a series with an end. */
export function lastStart(series: Series, excluded: (start: number) => boolean): number | null {
  const { startsAt, lastInstant } = series;
  const around = LONGEST_SHIFT * 2 + DAY;
  let wall = previousWall(series, HORIZON);
  for (; wall !== null; wall = previousWall(series, wall - around + LONGEST_SHIFT)) {
    const start = startAt(series, wall);
    const near = startsIn(
      series,
      Math.max(start - around, startsAt),
      Math.min(start + around, lastInstant + 1),
    );
    const last = near.findLast((each) => !excluded(each));
    if (last !== undefined) return last;
  }
  return null;
}

/** Whether the library looks at each period of the rule. */
export function isSlow(rule: Rule): boolean {
  return SLOW.test(textOf(rule));
}

/** How many times a day the rule names. */
export function timesADay(rule: Rule): number {
  const sizes = ["BYHOUR", "BYMINUTE", "BYSECOND"].map((name) => Math.max(1, partOf(rule, name).length));
  return sizes.reduce((product, size) => product * size, 1);
}

function lastOf(until: string, timezone: string): number {
  const last = untilOf(until);
  // On a day that the clock skips, before the next begins.
  return "day" in last ? instantOf(timezone, last.day + DAY) - 1 : last.instant + 999;
}

function wallsOf(rule: Rule, anchor: number, last: number): RRuleTemporal {
  const ended = new Map([...completed(rule, anchor), ["UNTIL", basic(Math.min(last, HORIZON))]]);
  ended.delete("COUNT");
  return libraryRule(ended, anchor, patienceFor(ended));
}

/** The wall time of the last that COUNT counts; null where that is not found in time. */
function lastCounted(rule: Rule, anchor: number): number | null {
  const plain = completed(rule, anchor);
  const counted = libraryRule(plain, anchor, isSlow(plain) ? patienceFor(plain) : COUNTED);
  const last = sought(() => counted.previous(new Date(HORIZON), true));
  return last && last.epochMilliseconds;
}

function patienceFor(rule: Rule): number {
  const frequency = frequencyOf(rule);
  if (!isSlow(rule)) return PATIENCE[frequency];
  return frequency === "YEARLY"
    ? SLOW_YEARS
    : POSITIONED.test(textOf(rule))
      ? POSITIONED_PERIODS
      : PATIENCE[frequency];
}

/**
 * The same rule with its missing part, which the library fills in otherwise for weeks; and by months where a date is looked
 * for, since it need not go through those one by one.
 */
function completed(rule: Rule, anchor: number): Rule {
  const frequency = frequencyOf(rule);
  const start = new Date(anchor);
  const weekday = WEEKDAYS[start.getUTCDay()] as string;
  const dated = rule.has("BYMONTH") || rule.has("BYMONTHDAY");
  if (rule.has("BYWEEKNO")) return new Map([["BYDAY", weekday], ...rule]);
  if (frequency === "MONTHLY" && !rule.has("BYDAY") && !rule.has("BYMONTHDAY"))
    return new Map([...rule, ["BYMONTHDAY", String(start.getUTCDate())]]);
  if (!EACH_DAY_OR_WEEK.test(textOf(rule)) || !dated || rule.has("BYSETPOS")) return rule;
  const days = frequency === "DAILY" ? WEEKDAYS.join(",") : weekday;
  return new Map([["BYDAY", days], ...rule, ["FREQ", "MONTHLY"]]);
}

function libraryRule(rule: Rule, anchor: number, maxIterations: number): RRuleTemporal {
  const rruleString = `DTSTART:${basic(anchor)}\nRRULE:${textOf(rule)}`;
  // Not maxCandidateEvaluations: below its default the library gives up seeking, and takes a hundred times as long.
  return new RRuleTemporal({ rruleString, maxIterations });
}

function nextWall({ walls, startsAt }: Series, from: number): number | null {
  const beyond = startsAt % 1000;
  const next = sought(() => walls.next(new Date(from - beyond), true));
  return next && next.epochMilliseconds + beyond;
}

function previousWall({ walls, startsAt }: Series, to: number): number | null {
  const beyond = startsAt % 1000;
  const previous = sought(() => walls.previous(new Date(to - beyond), true));
  return previous && previous.epochMilliseconds + beyond;
}

/** What the library stops looking for is not there. */
function sought<T>(find: () => T | null): T | null {
  try {
    return find();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("Maximum ")) return null;
    throw error;
  }
}

/** A time that the clock skips lands among later ones, or on one of them. Rules know whole seconds. */
function startsIn(series: Series, low: number, high: number): number[] {
  const { walls, timezone, startsAt } = series;
  const beyond = startsAt % 1000;
  const first = wallOf(timezone, low) - shiftNear(timezone, low) - beyond;
  const last = wallOf(timezone, high) + shiftNear(timezone, high) - beyond;
  if (last < first) return [];
  const starts = walls
    .between(new Date(first), new Date(last), true)
    .map(({ epochMilliseconds }) => startAt(series, epochMilliseconds + beyond))
    .filter((start) => start >= low && start < high);
  return [...new Set(starts)].toSorted((a, b) => a - b);
}

/** How far wall times near `instant` may be from where the clock says. */
function shiftNear(timezone: string, instant: number): number {
  return isChangedNear(timezone, instant) ? LONGEST_SHIFT : 0;
}

/** The start itself may be the second of two same wall times. */
function startAt({ timezone, startsAt }: Series, wall: number): number {
  return wall === wallOf(timezone, startsAt) ? startsAt : instantOf(timezone, wall);
}

function basic(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

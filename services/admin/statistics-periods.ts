/** Periods in hours, days, weeks (from Monday) and months of a time zone. */
import { instantOf, offsetsOf, wallOf } from "../../lib/time-zones.ts";
import type { Unit } from "./statistics.contract.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The first Monday of the epoch. */
const MONDAY = 4 * DAY;

/** What is shown when no beginning is asked for: so many buckets. */
const BUCKETS: Record<Unit, number> = { hour: 48, day: 30, week: 12, month: 12 };

/** A time in which the clock on the wall is not changed (milliseconds). */
export interface Part {
  from: number;
  until: number;
  offset: number;
}

export interface Period {
  unit: Unit;
  timezone: string;
  /** Where each bucket begins (milliseconds), and where the last one ends. */
  borders: number[];
}

/**
 * The buckets that have a part in [from, to): the first and the last are whole too. Hours are those of the clock on the
 * wall; the hour that it shows twice is two, and a day may have 23 or 25.
 * @param limit no more than so many; null where there would be
 */
export function periodOf(
  unit: Unit,
  timezone: string,
  from: number,
  to: number,
  limit: number,
): Period | null {
  const borders = unit === "hour" ? hours(timezone, from, to, limit) : days(unit, timezone, from, to, limit);
  return borders.length - 1 > limit ? null : { unit, timezone, borders };
}

/** When the default period of a unit begins that ends at `to`. */
export function defaultFrom(unit: Unit, timezone: string, to: number): number {
  if (unit === "hour") return Math.max(0, to - 1 - (BUCKETS.hour - 1) * HOUR);
  let begin = floorOf(unit, wallOf(timezone, to - 1));
  for (let i = 1; i < BUCKETS[unit]; i++) begin = floorOf(unit, begin - 1);
  return Math.max(0, instantOf(timezone, begin));
}

function days(unit: Unit, timezone: string, from: number, to: number, limit: number): number[] {
  const borders: number[] = [];
  for (
    let wall = floorOf(unit, wallOf(timezone, from));
    borders.length <= limit + 1;
    wall = nextOf(unit, wall)
  ) {
    const at = instantOf(timezone, wall);
    // Some zone has left out a day.
    if (borders.at(-1) !== at) borders.push(at);
    if (at >= to) return borders;
  }
  return borders;
}

function hours(timezone: string, from: number, to: number, limit: number): number[] {
  const borders: number[] = [];
  const offsets = offsetsOf(timezone, from - HOUR, to + HOUR);
  for (const [i, { from: since, offset }] of offsets.entries()) {
    const until = offsets[i + 1]?.from ?? Infinity;
    const first = since + ((HOUR - modulo(since + offset, HOUR)) % HOUR);
    // Where the clock is set by half an hour an hour is cut.
    if (i > 0 && first > since) borders.push(since);
    for (let at = first; at < until && at < to + HOUR && borders.length <= limit + 3; at += HOUR)
      borders.push(at);
  }
  const begin = borders.findLastIndex((at) => at <= from);
  const end = borders.findIndex((at) => at >= to);
  return borders.slice(Math.max(0, begin), end < 0 ? undefined : end + 1);
}

/** Walls: where the bucket that holds `wall` begins. */
function floorOf(unit: Unit, wall: number): number {
  if (unit === "week") return wall - modulo(wall - MONDAY, 7 * DAY);
  if (unit !== "month") return wall - modulo(wall, unit === "day" ? DAY : HOUR);
  const date = new Date(wall);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}

function nextOf(unit: Unit, wall: number): number {
  if (unit !== "month") return wall + (unit === "week" ? 7 : 1) * DAY;
  const date = new Date(wall);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}

/** What is summed in the database before it is put into the buckets: it does not know months. */
function spanOf(unit: Unit): { span: number; shift: number } {
  if (unit === "hour") return { span: HOUR, shift: 0 };
  return unit === "week" ? { span: 7 * DAY, shift: 7 * DAY - MONDAY } : { span: DAY, shift: 0 };
}

/** The parts that a period has by changes of the clock. */
export function evenParts({ timezone, borders }: Pick<Period, "timezone" | "borders">): Part[] {
  const [from, until] = [borders[0] as number, borders.at(-1) as number];
  const offsets = offsetsOf(timezone, from, until);
  return offsets.map((each, i) => ({ ...each, until: offsets[i + 1]?.from ?? until }));
}

/** A group of rows begins where the hour, day or week of its first one does, or where the clock was changed since. */
export function grouped(column: string, { offset, from }: Part, { unit }: Period) {
  const { span, shift } = spanOf(unit);
  return {
    key: `${column} - (${column} + :shift) % :span`,
    // More than nothing, so that the remainder is one of positive numbers.
    values: { shift: offset + shift + (offset + shift < 0 ? span : 0), span },
    begin: (at: number | string) => Math.max(from, Number(at)),
  };
}

/** The bucket that `at`, within the period, falls into. */
export function indexOf({ borders }: Period, at: number): number {
  let [low, high] = [0, borders.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((borders[middle] as number) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

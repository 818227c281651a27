/**
 * A rule on the wall clock: which wall times each of its periods (days, weeks, months or years) holds. Any period can be
 * asked for by itself, so that a far one costs no more than the first.
 */
import { civilOf, DAY, ERA, firstOfMonth, firstOfYear, isLeap, modulo, weekdayOf, floor } from "./days.ts";
import type { Rule, Weekday } from "./rule.ts";

/** A rule together with the start that it takes its missing parts from. */
export interface Pattern {
  rule: Rule;
  /** Wall time of the start. */
  anchor: number;
  /** Number of the start's period in units of the frequency. */
  origin: number;
  /** Milliseconds of the day, in order. */
  times: number[];
  /** Bits. */
  months: number;
  /** Bits; all where the rule names none or only the nth ones. */
  weekdays: number;
  /** Keys of `nthKey`. */
  nths: Set<number>;
  yearDays: Set<number>;
  weekNumbers: Set<number>;
  monthDays: Set<number>;
  /** A smaller set has none of the positions. */
  leastPosition: number;
}

/** Days are written with four digits of a year. */
export const HORIZON = Date.UTC(9999, 11, 31);

/** The day under examination, and the month or year that its ordinals count in. */
interface Place {
  number: number;
  year: number;
  month: number;
  day: number;
  from: number;
  length: number;
}

/** The pattern of `rule` for a series that starts when the wall clock shows `anchor`. */
export function patternOf(given: Rule, anchor: number): Pattern {
  const rule = completed(given, anchor);
  const plain = rule.weekdays.filter(({ nth }) => nth === 0);
  const pattern: Pattern = {
    rule,
    anchor,
    origin: 0,
    times: timesOf(rule, modulo(anchor, 1000)),
    months: rule.months.length === 0 ? -1 : bits(rule.months),
    weekdays: rule.weekdays.length === 0 ? -1 : bits(plain.map(({ weekday }) => weekday)),
    nths: new Set(rule.weekdays.filter(({ nth }) => nth !== 0).map(nthKey)),
    yearDays: new Set(rule.yearDays),
    weekNumbers: new Set(rule.weekNumbers),
    monthDays: new Set(rule.monthDays),
    leastPosition: Math.min(...rule.positions.map(Math.abs)),
  };
  return { ...pattern, origin: unitOf(rule, floor(anchor / DAY)) };
}

function nthKey({ weekday, nth }: Weekday): number {
  return nth * 7 + weekday;
}

/** How many times a day the rule names. */
export function timesADay({ hours, minutes, seconds }: Rule): number {
  return Math.max(hours.length, 1) * Math.max(minutes.length, 1) * Math.max(seconds.length, 1);
}

/** "Information not contained in the rule" is "derived from DTSTART" (RFC 5545, 3.3.10). */
function completed(rule: Rule, anchor: number): Rule {
  const { year: _, month, day } = civilOf(floor(anchor / DAY));
  const second = floor(modulo(anchor, DAY) / 1000);
  const clock = {
    hours: rule.hours.length > 0 ? rule.hours : [floor(second / 3600)],
    minutes: rule.minutes.length > 0 ? rule.minutes : [floor(second / 60) % 60],
    seconds: rule.seconds.length > 0 ? rule.seconds : [second % 60],
  };
  return { ...rule, ...clock, ...missingDays(rule, month, day, weekdayOf(floor(anchor / DAY))) };
}

function missingDays(rule: Rule, month: number, day: number, weekday: number): Partial<Rule> {
  const { frequency, weekNumbers, yearDays, monthDays, weekdays } = rule;
  if (frequency === "DAILY" || weekdays.length + yearDays.length + monthDays.length > 0) return {};
  if (frequency === "WEEKLY" || weekNumbers.length > 0) return { weekdays: [{ weekday, nth: 0 }] };
  if (frequency === "MONTHLY" || rule.months.length > 0) return { monthDays: [day] };
  return { months: [month], monthDays: [day] };
}

/** Rules know whole seconds; what the start has beyond them, all have. */
function timesOf({ hours, minutes, seconds }: Rule, beyond: number): number[] {
  return hours.flatMap((hour) =>
    minutes.flatMap((minute) =>
      seconds.map((second) => ((hour * 60 + minute) * 60 + second) * 1000 + beyond),
    ),
  );
}

function bits(values: number[]): number {
  return values.reduce((sum, value) => sum | (1 << value), 0);
}

function unitOf({ frequency, weekStart }: Rule, day: number): number {
  if (frequency === "DAILY") return day;
  if (frequency === "WEEKLY") return floor((day + 3 - weekStart) / 7);
  const { year, month } = civilOf(day);
  return frequency === "MONTHLY" ? year * 12 + month - 1 : year;
}

/** The index of the last period that begins at or before `wall`; 0 is that of the start. */
export function periodAt({ rule, origin }: Pattern, wall: number): number {
  return Math.max(0, floor((unitOf(rule, floor(wall / DAY)) - origin) / rule.interval));
}

/** When the period begins on the wall. */
export function beginOf({ rule, origin }: Pattern, period: number): number {
  return firstDayOf(rule, origin + period * rule.interval) * DAY;
}

function firstDayOf({ frequency, weekStart }: Rule, unit: number): number {
  if (frequency === "DAILY") return unit;
  if (frequency === "WEEKLY") return unit * 7 - 3 + weekStart;
  return frequency === "YEARLY" ? firstOfYear(unit) : firstOfMonth(floor(unit / 12), modulo(unit, 12) + 1);
}

/** After so many periods without a time there never is one: the calendar has repeated. */
export function cycleOf({ rule }: Pattern): number {
  return { DAILY: ERA, WEEKLY: ERA / 7, MONTHLY: 4800, YEARLY: 400 }[rule.frequency];
}

/** The wall times in a period in order, without those before the start or past the horizon. */
export function wallsIn(pattern: Pattern, period: number): number[] {
  const days = daysIn(pattern, period);
  if (days.length === 0) return days;
  const { rule, times, anchor } = pattern;
  const walls = rule.positions.length > 0 ? positioned(pattern, days) : timed(days, times);
  const inside = (wall: number): boolean => wall >= anchor && wall <= HORIZON;
  return inside(walls[0] ?? 0) && inside(walls.at(-1) ?? 0) ? walls : walls.filter(inside);
}

function timed(days: number[], times: number[]): number[] {
  const [time = 0] = times;
  if (times.length === 1) return days.map((day) => day * DAY + time);
  return days.flatMap((day) => times.map((each) => day * DAY + each));
}

/** By index, since the whole set may be large. */
function positioned({ rule, times, leastPosition }: Pattern, days: number[]): number[] {
  const size = days.length * times.length;
  if (size < leastPosition) return [];
  const indexes = rule.positions
    .map((position) => (position > 0 ? position - 1 : size + position))
    .filter((index) => index >= 0 && index < size);
  return [...new Set(indexes)]
    .toSorted((a, b) => a - b)
    .map((index) => {
      const day = days[floor(index / times.length)] as number;
      return day * DAY + (times[index % times.length] as number);
    });
}

function daysIn(pattern: Pattern, period: number): number[] {
  const { rule, origin } = pattern;
  const unit = origin + period * rule.interval;
  if (rule.frequency === "YEARLY") return daysOfYear(pattern, unit);
  if (rule.frequency === "MONTHLY") return daysOfMonth(pattern, floor(unit / 12), modulo(unit, 12) + 1);
  return daysFrom(pattern, firstDayOf(rule, unit), rule.frequency === "WEEKLY" ? 7 : 1);
}

function daysFrom(pattern: Pattern, from: number, length: number): number[] {
  const days: number[] = [];
  const byDate = pattern.rule.months.length > 0 || pattern.rule.monthDays.length > 0;
  for (let number = from; number < from + length; number += 1) {
    if (((pattern.weekdays >> weekdayOf(number)) & 1) === 0) continue;
    if (!byDate || hasDate(pattern, number)) days.push(number);
  }
  return days;
}

function hasDate({ monthDays, months }: Pattern, number: number): boolean {
  const { year, month, day } = civilOf(number);
  return ((months >> month) & 1) === 1 && isMonthDay(monthDays, day, lengthOf(year, month));
}

function lengthOf(year: number, month: number): number {
  return firstOfMonth(year, month + 1) - firstOfMonth(year, month);
}

function isMonthDay(monthDays: Set<number>, day: number, length: number): boolean {
  return monthDays.size === 0 || monthDays.has(day) || monthDays.has(day - length - 1);
}

/** With `year` as the scope of ordinals where they count in the year. */
function daysOfMonth(pattern: Pattern, year: number, month: number, scope?: [number, number]): number[] {
  if (((pattern.months >> month) & 1) === 0) return [];
  const first = firstOfMonth(year, month);
  const length = lengthOf(year, month);
  const [from, size] = scope ?? [first, length];
  const days: number[] = [];
  for (let day = 1; day <= length; day += 1) {
    if (!isMonthDay(pattern.monthDays, day, length)) continue;
    const place: Place = { number: first + day - 1, year, month, day, from, length: size };
    if (isWeekday(pattern, place) && isInYear(pattern, place)) days.push(place.number);
  }
  return days;
}

/** Ordinals of weekdays count in the month where the rule names months, else in the year. */
function daysOfYear(pattern: Pattern, year: number): number[] {
  const inYear: [number, number] = [firstOfYear(year), isLeap(year) ? 366 : 365];
  const scope = pattern.rule.months.length > 0 ? undefined : inYear;
  const days: number[] = [];
  for (let month = 1; month <= 12; month += 1) days.push(...daysOfMonth(pattern, year, month, scope));
  return days;
}

function isWeekday({ weekdays, nths }: Pattern, { number, from, length }: Place): boolean {
  const weekday = weekdayOf(number);
  if (((weekdays >> weekday) & 1) === 1) return true;
  if (nths.size === 0) return false;
  const forward = floor((number - from) / 7) + 1;
  const backward = -floor((from + length - 1 - number) / 7) - 1;
  return nths.has(nthKey({ weekday, nth: forward })) || nths.has(nthKey({ weekday, nth: backward }));
}

function isInYear(pattern: Pattern, { number, year }: Place): boolean {
  const { yearDays, weekNumbers } = pattern;
  if (yearDays.size > 0) {
    const ofYear = number - firstOfYear(year) + 1;
    if (!yearDays.has(ofYear) && !yearDays.has(ofYear - (isLeap(year) ? 366 : 365) - 1)) return false;
  }
  return weekNumbers.size === 0 || isInWeek(pattern, number, year);
}

/** A day around New Year may be in a week of the year before or after; it still counts in its own year's period. */
function isInWeek({ weekNumbers, rule: { weekStart } }: Pattern, number: number, year: number): boolean {
  const own = [year + 1, year, year - 1].find((each) => firstWeek(each, weekStart) <= number) as number;
  const week = floor((number - firstWeek(own, weekStart)) / 7) + 1;
  const weeks = (firstWeek(own + 1, weekStart) - firstWeek(own, weekStart)) / 7;
  return weekNumbers.has(week) || weekNumbers.has(week - weeks - 1);
}

/** The first week with at least four days in the year. */
function firstWeek(year: number, weekStart: number): number {
  const fourth = firstOfYear(year) + 3;
  return fourth - modulo(weekdayOf(fourth) - weekStart, 7);
}

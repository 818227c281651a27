/** RRULE (RFC 5545, 3.3.10) as data. What is written here is what is understood; everything else is refused. */
import type { FieldCode } from "../errors.ts";
import { DAY } from "./days.ts";

export type Frequency = "DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY";

/** `nth` 0 is every one; weekdays count from Monday = 0. */
export interface Weekday {
  weekday: number;
  nth: number;
}

/** Lists that are not in the rule are empty. Months count from 1. */
export interface Rule {
  frequency: Frequency;
  interval: number;
  count: number | null;
  until: Until | null;
  weekStart: number;
  months: number[];
  weekNumbers: number[];
  yearDays: number[];
  monthDays: number[];
  weekdays: Weekday[];
  hours: number[];
  minutes: number[];
  seconds: number[];
  positions: number[];
}

/** A date means the whole of that day on the wall, a date-time an instant. */
export type Until = { day: number } | { instant: number };

/** Why a text is no rule that can be used here. */
export interface RuleError {
  code: FieldCode;
  values?: Record<string, string | number>;
}

/** Every list that the RFC allows fits in twice. */
const MAX_TEXT = 8000;
export const MAX_INTERVAL = 1000;
export const MAX_COUNT = 10_000;
const WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const FREQUENCIES: readonly string[] = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"] satisfies Frequency[];

type Parts = Map<string, string>;

class Refused extends Error {
  readonly reason: RuleError;

  constructor(code: FieldCode, values?: Record<string, string | number>) {
    super(code);
    this.reason = { code, ...(values && { values }) };
  }
}

const bad = (part: string): Refused => new Refused("INVALID_RRULE", { part: part.slice(0, 40) });

/** The rule in `text`, or what is wrong with it. */
export function parseRule(text: string): Rule | RuleError {
  try {
    const rule = ruleOf(partsOf(text));
    checkParts(rule);
    return rule;
  } catch (error) {
    if (error instanceof Refused) return error.reason;
    throw error;
  }
}

export function isRule(parsed: Rule | RuleError): parsed is Rule {
  return "frequency" in parsed;
}

function partsOf(text: string): Parts {
  if (text.length > MAX_TEXT) throw bad(text);
  const upper = text.toUpperCase();
  if (/RRULE|DTSTART/.test(upper)) throw new Refused("RRULE_ONLY_THE_RULE");
  const parts: Parts = new Map();
  for (const part of upper.split(";")) {
    const [name = "", value, ...more] = part.split("=");
    if (!value || more.length > 0 || parts.has(name) || !PART_NAMES.has(name)) throw bad(part);
    parts.set(name, value);
  }
  return parts;
}

const PART_NAMES = new Set(
  "FREQ INTERVAL COUNT UNTIL WKST BYMONTH BYWEEKNO BYYEARDAY BYMONTHDAY BYDAY BYHOUR BYMINUTE BYSECOND BYSETPOS".split(
    " ",
  ),
);

function ruleOf(parts: Parts): Rule {
  return {
    frequency: frequencyOf(parts),
    interval: numberOf(parts, "INTERVAL", MAX_INTERVAL) ?? 1,
    count: countOf(parts),
    until: untilOf(parts.get("UNTIL")),
    weekStart: weekStartOf(parts.get("WKST")),
    months: listOf(parts, "BYMONTH", 1, 12),
    weekNumbers: listOf(parts, "BYWEEKNO", 1, 53, true),
    yearDays: listOf(parts, "BYYEARDAY", 1, 366, true),
    monthDays: listOf(parts, "BYMONTHDAY", 1, 31, true),
    weekdays: weekdaysOf(parts.get("BYDAY")),
    hours: listOf(parts, "BYHOUR", 0, 23),
    minutes: listOf(parts, "BYMINUTE", 0, 59),
    seconds: listOf(parts, "BYSECOND", 0, 59),
    positions: listOf(parts, "BYSETPOS", 1, 366, true),
  };
}

function frequencyOf(parts: Parts): Frequency {
  const value = parts.get("FREQ");
  if (isFrequency(value)) return value;
  throw new Refused("RRULE_FREQUENCY");
}

function isFrequency(value: string | undefined): value is Frequency {
  return value !== undefined && FREQUENCIES.includes(value);
}

function countOf(parts: Parts): number | null {
  if (parts.has("COUNT") && parts.has("UNTIL")) throw new Refused("RRULE_COUNT_AND_UNTIL");
  const text = parts.get("COUNT");
  if (text && /^\d+$/.test(text) && Number(text) > MAX_COUNT)
    throw new Refused("RRULE_COUNT_TOO_LARGE", { limit: MAX_COUNT });
  return numberOf(parts, "COUNT", MAX_COUNT) ?? null;
}

function numberOf(parts: Parts, name: string, max: number): number | undefined {
  const text = parts.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
  throw bad(`${name}=${text}`);
}

function listOf(parts: Parts, name: string, min: number, max: number, signed = false): number[] {
  const text = parts.get(name);
  if (text === undefined) return [];
  const form = signed ? /^[+-]?\d{1,3}$/ : /^\d{1,2}$/;
  const numbers = text.split(",").map((item) => {
    const value = Number(item);
    const size = Math.abs(value);
    if (!form.test(item) || size < min || size > max) throw bad(`${name}=${item}`);
    return value;
  });
  return [...new Set(numbers)].toSorted((a, b) => a - b);
}

function weekdaysOf(text: string | undefined): Weekday[] {
  const items = [...new Set(text?.split(","))];
  return items.map((item) => {
    const [, nth = "0", name = ""] = /^([+-]?\d{1,2})?([A-Z]{2})$/.exec(item) ?? [];
    const weekday = WEEKDAYS.indexOf(name);
    const given = item.length > 2;
    if (weekday < 0 || Math.abs(Number(nth)) > 53 || (given && Number(nth) === 0)) throw bad(`BYDAY=${item}`);
    return { weekday, nth: Number(nth) };
  });
}

function weekStartOf(text: string | undefined): number {
  const weekday = WEEKDAYS.indexOf(text ?? "MO");
  if (weekday < 0) throw bad(`WKST=${text}`);
  return weekday;
}

function untilOf(text: string | undefined): Until | null {
  if (text === undefined) return null;
  const found = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)Z)?$/.exec(text);
  const [, year, month, day, hours = "00", minutes = "00", seconds = "00"] = found ?? [];
  const iso = `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.000Z`;
  const instant = Date.parse(iso);
  // Of the days that a month does not have the engine makes days of the next.
  if (Number.isNaN(instant) || new Date(instant).toISOString() !== iso) throw bad(`UNTIL=${text}`);
  return text.endsWith("Z") ? { instant } : { day: instant / DAY };
}

/** The combinations that RFC 5545 forbids. */
function checkParts(rule: Rule): void {
  const { frequency, weekdays, positions } = rule;
  const longest = frequency === "YEARLY";
  const ordinal = weekdays.some(({ nth }) => nth !== 0);
  if (ordinal && !longest && frequency !== "MONTHLY") throw bad("BYDAY");
  if (ordinal && rule.weekNumbers.length > 0) throw bad("BYDAY");
  if (rule.weekNumbers.length > 0 && !longest) throw bad("BYWEEKNO");
  if (rule.yearDays.length > 0 && !longest) throw bad("BYYEARDAY");
  if (rule.monthDays.length > 0 && frequency === "WEEKLY") throw bad("BYMONTHDAY");
  if (positions.length > 0 && !hasList(rule)) throw bad("BYSETPOS");
}

function hasList(rule: Rule): boolean {
  const { months, weekNumbers, yearDays, monthDays, weekdays, hours, minutes, seconds } = rule;
  const lists = [months, weekNumbers, yearDays, monthDays, weekdays, hours, minutes, seconds];
  return lists.some((list) => list.length > 0);
}

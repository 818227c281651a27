/**
 * RRULE (RFC 5545, 3.3.10) as people send it. What is written here reaches the library that expands it; everything else is
 * refused, also the combinations that the RFC forbids and those of docs/decisions/0017-recurrence.md.
 */
import type { FieldCode } from "../errors.ts";

/** Upper case, each part once and its values in order, by its name. */
export type Rule = Map<string, string>;

/** Why a text is no rule that can be used here. */
export interface RuleError {
  code: FieldCode;
  values?: Record<string, string | number>;
}

const FREQUENCIES = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"] as const;
export type Frequency = (typeof FREQUENCIES)[number];

/** Every list that the RFC allows fits in twice. */
const MAX_TEXT = 8000;
const MAX_COUNT = 10_000;

/** More than any calendar offers, and few enough that the library is done within 100 ms. */
const listOf = (item: string, max = 62): RegExp => new RegExp(`^(${item})(,(${item})){0,${max - 1}}$`);
const WEEKDAY = "MO|TU|WE|TH|FR|SA|SU";
const UP_TO_59 = "[0-5]?\\d";
const UP_TO_366 = "[+-]?(0{0,2}[1-9]|0?[1-9]\\d|[12]\\d\\d|3[0-5]\\d|36[0-6])";

const FORMS: Record<string, RegExp> = {
  FREQ: new RegExp(`^(${FREQUENCIES.join("|")})$`),
  INTERVAL: /^0*([1-9]\d{0,2}|1000)$/,
  COUNT: /^0*([1-9]\d{0,3}|10000)$/,
  UNTIL: /^\d{8}(T\d{6}Z)?$/,
  WKST: new RegExp(`^(${WEEKDAY})$`),
  BYMONTH: listOf("0?[1-9]|1[0-2]"),
  // The library counts weeks that belong to two years otherwise than others do.
  BYWEEKNO: listOf("[+-]?(0?[2-9]|[1-4]\\d|5[01])", 20),
  BYYEARDAY: listOf(UP_TO_366, 31),
  BYMONTHDAY: listOf("[+-]?(0?[1-9]|[12]\\d|3[01])"),
  BYDAY: listOf(`([+-]?(0?[1-9]|[1-4]\\d|5[0-2]))?(${WEEKDAY})`, 35),
  BYHOUR: listOf("[01]?\\d|2[0-3]"),
  BYMINUTE: listOf(UP_TO_59),
  BYSECOND: listOf(UP_TO_59),
  BYSETPOS: listOf(UP_TO_366, 10),
};

/** A list is refused where `when` says so: the whole text, with its parts in the order of FORMS. */
const FORBIDDEN: [part: string, when: RegExp][] = [
  ["BYDAY", /FREQ=(DAILY|WEEKLY).*BYDAY=[^;]*\d/],
  ["BYDAY", /BYWEEKNO.*BYDAY=[^;]*\d/],
  // The library takes the one sort of weekdays alone, or counts in the month, others in the year.
  ["BYDAY", /FREQ=YEARLY(?!.*BYMONTH=).*BYDAY=([^;]*,)?[A-Z]{2}(,[^;]*)?\d/],
  ["BYDAY", /FREQ=YEARLY(?!.*BYMONTH=).*BYDAY=[^;]*\d[^;]*,[A-Z]{2}/],
  ["BYDAY", /FREQ=YEARLY(?!.*BYMONTH=).*BYMONTHDAY.*BYDAY=[^;]*\d/],
  ["BYWEEKNO", /FREQ=[^Y].*BYWEEKNO/],
  ["BYYEARDAY", /FREQ=[^Y].*BYYEARDAY/],
  // The library adds the days of one to those of the other, or looks for what both have for too long.
  ["BYYEARDAY", /BY(MONTH|WEEKNO)=.*BYYEARDAY|BYYEARDAY.*BY(MONTHDAY|DAY)=/],
  ["BYMONTHDAY", /FREQ=WEEKLY.*BYMONTHDAY/],
  // The library does not look at the day of the month.
  ["BYMONTHDAY", /BYWEEKNO.*BYMONTHDAY/],
  ["BYSETPOS", /^(?!.*BY.*BYSETPOS)(?=.*BYSETPOS)/],
];

/** The rule in `text`, or what is wrong with it. */
export function parseRule(text: string): Rule | RuleError {
  if (text.length > MAX_TEXT) return bad(text);
  const upper = text.toUpperCase();
  if (/RRULE|DTSTART/.test(upper)) return { code: "RRULE_ONLY_THE_RULE" };
  const given: Rule = new Map();
  for (const part of upper.split(";")) {
    const [name = "", value = "", ...more] = part.split("=");
    const error = more.length > 0 || given.has(name) ? bad(part) : checkPart(name, value);
    if (error) return error;
    given.set(name, valuesOf(value));
  }
  if (!given.has("FREQ")) return { code: "RRULE_FREQUENCY" };
  if (given.has("COUNT") && given.has("UNTIL")) return { code: "RRULE_COUNT_AND_UNTIL" };
  const rule: Rule = new Map(Object.keys(FORMS).flatMap((name) => pairOf(given, name)));
  const forbidden = FORBIDDEN.find(([, when]) => when.test(textOf(rule)));
  return forbidden ? bad(forbidden[0]) : rule;
}

export function isRule(parsed: Rule | RuleError): parsed is Rule {
  return parsed instanceof Map;
}

export function textOf(rule: Rule): string {
  return [...rule].map(([name, value]) => `${name}=${value}`).join(";");
}

/** The values of a list; none where the rule has none. */
export function partOf(rule: Rule, name: string): string[] {
  return rule.get(name)?.split(",") ?? [];
}

export function frequencyOf(rule: Rule): Frequency {
  return FREQUENCIES.find((each) => each === rule.get("FREQ")) ?? "DAILY";
}

/** The last instant that UNTIL names, or a whole day on the wall. */
export function untilOf(value: string): { instant: number } | { day: number } {
  const time = Date.parse(isoOf(value));
  return value.endsWith("Z") ? { instant: time } : { day: time };
}

const bad = (part: string): RuleError => ({ code: "INVALID_RRULE", values: { part: part.slice(0, 40) } });

function checkPart(name: string, value: string): RuleError | null {
  if (name === "FREQ" && !FORMS.FREQ?.test(value)) return { code: "RRULE_FREQUENCY" };
  if (name === "COUNT" && /^\d+$/.test(value) && Number(value) > MAX_COUNT)
    return { code: "RRULE_COUNT_TOO_LARGE", values: { limit: MAX_COUNT } };
  const form = Object.hasOwn(FORMS, name) && FORMS[name];
  const right = form && form.test(value) && (name !== "UNTIL" || isDate(value));
  return right ? null : bad(`${name}=${value}`);
}

function isoOf(until: string): string {
  const [, year, month, day, time = "T000000Z"] = /^(\d{4})(\d\d)(\d\d)(T.*)?$/.exec(until) ?? [];
  return `${year}-${month}-${day}${time.replace(/T(\d\d)(\d\d)(\d\d)Z/, "T$1:$2:$3.000Z")}`;
}

/** Of the days that a month does not have the engine makes days of the next. */
function isDate(until: string): boolean {
  const time = Date.parse(isoOf(until));
  return !Number.isNaN(time) && new Date(time).toISOString() === isoOf(until);
}

/** Each once, numbers in order and without what may be left out. */
function valuesOf(value: string): string {
  const plain = value.split(",").map((each) => each.replace(/^\+/, "").replace(/^(-?)0+(?=\d)/, "$1"));
  return [...new Set(plain)].toSorted((a, b) => Number(a) - Number(b) || 0).join(",");
}

function pairOf(given: Rule, name: string): [string, string][] {
  const value = given.get(name);
  return value === undefined ? [] : [[name, value]];
}

/** The same rules by two libraries: rrule on the wall clock with Temporal's reading of it, and rrule-temporal. */
import fc from "fast-check";
// oxlint-disable-next-line import/default -- the default is all that Node offers of a CommonJS file
import rrule from "rrule";
import { RRuleTemporal } from "rrule-temporal";
import { Temporal } from "temporal-polyfill";
import { occurrencesBetween } from "../../lib/recurrence.ts";
import { instantOf } from "../../lib/time-zones.ts";
import { DAY, rules, schedule, walls, ZONES } from "../support/random-rules.ts";

// rrule-temporal looks for it where Node will have it one day.
Object.assign(globalThis, { Temporal });

const inTemporal = (wall: number, timezone: string): number =>
  Temporal.PlainDateTime.from(new Date(wall).toISOString().slice(0, -1)).toZonedDateTime(timezone)
    .epochMilliseconds;

const onTheWall = (instant: number, timezone: string): number => {
  const zoned = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone);
  return Date.parse(`${zoned.toPlainDateTime().toString()}Z`);
};

/** 400 days from the start; the libraries take long to find that there is nothing more. */
const SPAN = 400 * DAY;

function byRrule(text: string, wall: number, timezone: string): number[] {
  const options = rrule.RRule.parseString(text.replace(/;UNTIL=[^;]*/, ""));
  const limit = options.count ? {} : { until: new Date(wall + SPAN + 2 * DAY) };
  const found: number[] = [];
  new rrule.RRule({ ...options, ...limit, dtstart: new Date(wall) }).all((date) => {
    found.push(date.getTime());
    return date.getTime() < wall + SPAN + 2 * DAY;
  });
  return [...new Set(found.map((each) => inTemporal(each, timezone)))].toSorted((a, b) => a - b);
}

function byTemporal(text: string, wall: number, timezone: string, to: number): number[] {
  const start = new Date(wall).toISOString().slice(0, 19).replace(/[-:]/g, "");
  const rule = new RRuleTemporal({ rruleString: `DTSTART;TZID=${timezone}:${start}\nRRULE:${text}` });
  return rule
    .between(new Date(inTemporal(wall, timezone)), new Date(to), true)
    .map(({ epochMilliseconds }) => epochMilliseconds);
}

const ours = (text: string, startsAt: number, timezone: string, to: number): number[] =>
  occurrencesBetween(schedule(text, { startsAt, timezone }), startsAt, to).map(
    ({ startsAt: start }) => start,
  );

describe("rules as other libraries expand them", () => {
  test("rrule, with Temporal for the clock", () => {
    fc.assert(
      fc.property(rules, walls, fc.constantFrom(...ZONES), (text, time, timezone) => {
        const startsAt = inTemporal(time, timezone);
        const wall = onTheWall(startsAt, timezone);
        const until = untilOf(text, timezone);
        const to = startsAt + SPAN;
        const expected = byRrule(text, wall, timezone).filter(
          (at) => at >= startsAt && at < to && at <= until,
        );
        expect(ours(text, startsAt, timezone, to)).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  test("rrule-temporal", () => {
    fc.assert(
      fc.property(rules.filter(isCommonGround), walls, fc.constantFrom(...ZONES), (text, time, timezone) => {
        const wall = time - (time % DAY) + DAY / 2;
        const startsAt = inTemporal(wall, timezone);
        const to = startsAt + SPAN;
        const expected = byTemporal(text, wall, timezone, to).filter((at) => at < to);
        expect(ours(text, startsAt, timezone, to)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test("the clock, through every hour of two years in every zone that Node lists", () => {
    for (const timezone of Intl.supportedValuesOf("timeZone"))
      for (let wall = Date.UTC(2026, 0, 1); wall < Date.UTC(2028, 0, 1); wall += 5 * DAY + 7 * 1_800_000)
        if (instantOf(timezone, wall) !== inTemporal(wall, timezone))
          throw new Error(`${timezone} ${new Date(wall).toISOString()}`);
  });
});

/**
 * Where rrule-temporal goes its own way: it adds BYDAY to BYYEARDAY, leaves out times that the clock skips, and looks for
 * weeks in years of weeks.
 */
function isCommonGround(text: string): boolean {
  const ordinals = /BYDAY=[^;]*\d/.test(text) && text.includes("YEARLY") && text.includes("BYMONTHDAY");
  return !/BYYEARDAY.*BYDAY|BYWEEKNO|BYHOUR/.test(text) && !ordinals;
}

function untilOf(text: string, timezone: string): number {
  const [, date, time] = /UNTIL=(\d{8})(T\d{6}Z)?/.exec(text) ?? [];
  if (date === undefined) return Infinity;
  const iso = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`;
  if (time === undefined) return inTemporal(Date.parse(`${iso}T23:59:59Z`), timezone);
  return Date.parse(`${iso}T${time.slice(1, 3)}:${time.slice(3, 5)}:${time.slice(5, 7)}Z`);
}

/** The same rules by another library: rrule on the wall clock, with Temporal's reading of it. */
import fc from "fast-check";
// oxlint-disable-next-line import/default -- the default is all that Node offers of a CommonJS file
import rrule from "rrule";
import { Temporal } from "temporal-polyfill";
import { occurrencesBetween } from "../../lib/recurrence.ts";
import { DAY, rules, schedule, walls, ZONES } from "../support/random-rules.ts";

const inTemporal = (wall: number, timezone: string): number =>
  Temporal.PlainDateTime.from(new Date(wall).toISOString().slice(0, -1)).toZonedDateTime(timezone)
    .epochMilliseconds;

const onTheWall = (instant: number, timezone: string): number => {
  const zoned = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone);
  return Date.parse(`${zoned.toPlainDateTime().toString()}Z`);
};

/** 400 days from the start; rrule takes long to find that there is nothing more. */
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

const ours = (text: string, startsAt: number, timezone: string, to: number): number[] =>
  occurrencesBetween(schedule(text, { startsAt, timezone }), startsAt, to).map(
    ({ startsAt: start }) => start,
  );

describe("rules as another library expands them", () => {
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
});

function untilOf(text: string, timezone: string): number {
  const [, date, time] = /UNTIL=(\d{8})(T\d{6}Z)?/.exec(text) ?? [];
  if (date === undefined) return Infinity;
  const iso = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`;
  if (time === undefined) return inTemporal(Date.parse(`${iso}T23:59:59Z`), timezone);
  return Date.parse(`${iso}T${time.slice(1, 3)}:${time.slice(3, 5)}:${time.slice(5, 7)}Z`);
}

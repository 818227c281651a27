import fc from "fast-check";
import { instantOf, wallOf } from "../../lib/time-zones.ts";
import { defaultFrom, evenParts, indexOf, periodOf } from "../../services/admin/statistics-periods.ts";
import type { Period } from "../../services/admin/statistics-periods.ts";
import { UNITS } from "../../services/admin/statistics.contract.ts";
import { bucketNames } from "../support/statistics.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ZONES = [
  "Asia/Shanghai",
  "Asia/Kathmandu",
  "America/New_York",
  "America/St_Johns",
  "Australia/Lord_Howe",
  "Pacific/Chatham",
  "Europe/London",
  "UTC",
] as const;

function period(unit: Period["unit"], timezone: string, from: string, to: string): Period {
  const found = periodOf(unit, timezone, Date.parse(from), Date.parse(to), 2_000);
  if (!found) throw new Error("Too many points.");
  return found;
}

const lengths = ({ borders }: Period): number[] =>
  borders.slice(1).map((at, i) => (at - (borders[i] as number)) / HOUR);

test("a day has 23 hours when the clock is put forward, 25 when it is put back", () => {
  const spring = period("day", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z");
  expect(lengths(spring)).toEqual([24, 23, 24]);
  const autumn = period("day", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z");
  expect(lengths(autumn)).toEqual([24, 25, 24]);
});

test("the hour that is shown twice is two, the one that is left out is none", () => {
  const twice = period("hour", "Europe/London", "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z");
  expect(lengths(twice)).toEqual([1, 1, 1]);
  const names = twice.borders.map(bucketNames("hour", "Europe/London"));
  expect(names.slice(0, 3)).toEqual([
    "2026-10-25 01 GMT+01:00",
    "2026-10-25 01 GMT+00:00",
    "2026-10-25 02 GMT+00:00",
  ]);
});

test("a day that a zone has left out is no bucket", () => {
  const samoa = period("day", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z");
  expect(lengths(samoa)).toEqual([24, 24, 24]);
  expect(samoa.borders.map(bucketNames("day", "Pacific/Apia"))).toEqual([
    "2011-12-29",
    "2011-12-31",
    "2012-01-01",
    "2012-01-02",
  ]);
});

test("each moment of a period lies in the one bucket that has its name", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...UNITS),
      fc.constantFrom(...ZONES),
      fc.integer({ min: Date.UTC(2015, 0), max: Date.UTC(2035, 0) }),
      fc.integer({ min: 1, max: 40 * DAY }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (unit, timezone, from, length, place) => {
        const found = periodOf(unit, timezone, from, from + length, 2_000) as Period;
        const { borders } = found;
        expect(borders[0]).toBeLessThanOrEqual(from);
        expect(borders[1]).toBeGreaterThan(from);
        expect(borders.at(-1)).toBeGreaterThanOrEqual(from + length);
        expect(borders.at(-2)).toBeLessThan(from + length);
        const at = from + Math.floor(place * (length - 1));
        const index = indexOf(found, at);
        const nameOf = bucketNames(unit, timezone);
        expect(nameOf(borders[index] as number)).toBe(nameOf(at));
        expect(nameOf((borders[index + 1] as number) - 1)).toBe(nameOf(at));
        // No other bucket has the name.
        expect(new Set(borders.map(nameOf)).size).toBe(borders.length);
        // Whole quarters of an hour, in parts of one offset.
        for (const border of borders) expect(border % 900_000).toBe(0);
        const parts = evenParts(found);
        expect(parts[0]?.from).toBe(borders[0]);
        expect(parts.at(-1)?.until).toBe(borders.at(-1));
        for (const part of parts) expect(wallOf(timezone, part.from) - part.from).toBe(part.offset);
      },
    ),
    { numRuns: 100 },
  );
});

test("one point more than are allowed is too many, however far the end is", () => {
  const from = Date.UTC(2026, 0, 1);
  expect(periodOf("day", "UTC", from, from + 5 * DAY, 5)?.borders).toHaveLength(6);
  expect(periodOf("day", "UTC", from, from + 5 * DAY + 1, 5)).toBeNull();
  expect(periodOf("hour", "UTC", from, from + 5 * HOUR, 5)?.borders).toHaveLength(6);
  expect(periodOf("hour", "America/New_York", 0, Date.UTC(2199, 0), 2_000)).toBeNull();
});

test("what is shown unasked ends with the present bucket", () => {
  const now = Date.parse("2026-03-10T05:00:00Z");
  const count = (unit: Period["unit"]): number => {
    const found = periodOf(unit, "Asia/Shanghai", defaultFrom(unit, "Asia/Shanghai", now), now, 2_000);
    return (found?.borders.length ?? 0) - 1;
  };
  expect(UNITS.map(count)).toEqual([48, 30, 12, 12]);
  expect(defaultFrom("month", "Asia/Shanghai", now)).toBe(instantOf("Asia/Shanghai", Date.UTC(2025, 3, 1)));
});

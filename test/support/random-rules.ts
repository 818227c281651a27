/** Rules, zones and schedules for property tests. */
import fc from "fast-check";
import type { Schedule } from "../../lib/recurrence.ts";

export const ZONES = [
  "America/New_York",
  "Europe/Berlin",
  "Asia/Shanghai",
  "Australia/Lord_Howe",
  "Pacific/Apia",
];
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

const WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const weekdays = fc.uniqueArray(fc.constantFrom(...WEEKDAYS), { minLength: 1, maxLength: 4 });
const signed = (max: number) => fc.integer({ min: 1, max }).chain((n) => fc.constantFrom(n, -n));
const weeks = fc.integer({ min: 2, max: 51 }).chain((n) => fc.constantFrom(n, -n));
/** In order: rrule takes the times of a day in the order that they are given in. */
const list = (item: fc.Arbitrary<number>, maxLength = 4) =>
  fc.uniqueArray(item, { minLength: 1, maxLength }).map((items) => items.toSorted((a, b) => a - b).join(","));
const nths = fc
  .uniqueArray(fc.tuple(signed(5), fc.constantFrom(...WEEKDAYS)), { minLength: 1, maxLength: 3 })
  .map((items) => [...new Set(items.map(([nth, day]) => `${nth}${day}`))].join(","));
const part = (name: string, value: fc.Arbitrary<string | number>) => value.map((each) => `${name}=${each}`);
const rarely = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 2 });

const months = part("BYMONTH", list(fc.integer({ min: 1, max: 12 })));
const plainDays = part("BYDAY", weekdays.map(String));
const anyDays = fc.oneof(plainDays, part("BYDAY", nths));
const monthDays = part("BYMONTHDAY", list(signed(31)));
const times = fc.oneof(
  part("BYHOUR", list(fc.integer({ min: 0, max: 23 }), 2)),
  part("BYMINUTE", list(fc.integer({ min: 0, max: 59 }), 2)),
);
/**
 * Never more than the sets have: rrule takes positions before the first for the first. And from one end: it counts what
 * is named from both ends twice.
 */
const positions = part(
  "BYSETPOS",
  fc.oneof(list(fc.integer({ min: 1, max: 4 }), 2), list(fc.integer({ min: -4, max: -1 }), 2)),
);

/** By frequency, the parts that go with it. */
const shapes: fc.Arbitrary<(string | null)[]>[] = [
  fc.tuple(fc.constant("FREQ=DAILY"), rarely(months), rarely(plainDays), rarely(monthDays)),
  fc.tuple(fc.constant("FREQ=WEEKLY"), fc.option(plainDays), rarely(months)),
  fc.tuple(fc.constant("FREQ=MONTHLY"), fc.option(anyDays), rarely(monthDays), rarely(months)),
  fc.tuple(fc.constant("FREQ=MONTHLY"), plainDays, positions),
  fc.tuple(fc.constant("FREQ=YEARLY"), fc.option(months), rarely(plainDays), rarely(monthDays)),
  fc.tuple(fc.constant("FREQ=YEARLY"), months, anyDays, rarely(monthDays)),
  fc.tuple(fc.constant("FREQ=YEARLY"), part("BYDAY", nths)),
  fc.tuple(fc.constant("FREQ=YEARLY"), months, plainDays, positions),
  fc.tuple(fc.constant("FREQ=YEARLY"), part("BYYEARDAY", list(signed(366)))),
  fc.tuple(fc.constant("FREQ=YEARLY"), part("BYWEEKNO", list(weeks)), plainDays),
];

const common = fc.tuple(
  rarely(part("INTERVAL", fc.integer({ min: 1, max: 5 }))),
  rarely(part("WKST", fc.constantFrom(...WEEKDAYS))),
  rarely(times),
  fc.option(
    fc.oneof(
      part("COUNT", fc.integer({ min: 1, max: 60 })),
      part("UNTIL", fc.constantFrom("20270101", "20271231", "20270315T120000Z", "20301027T003000Z")),
    ),
  ),
);

/** Rules of all kinds that are not refused for their parts; some yield nothing. */
export const rules: fc.Arbitrary<string> = fc
  .tuple(fc.oneof(...shapes), common)
  .map(([shape, more]) => [...shape, ...more].filter((each) => each !== null).join(";"))
  // Some of these are not counted to their end, and refused.
  .filter((text) => !/FREQ=(DAILY|WEEKLY).*BYMONTH.*INTERVAL.*COUNT|(BYWEEKNO|BYYEARDAY).*COUNT/.test(text));

/** Wall times in 2026 and the years after, at whole minutes, many of them where clocks change. */
export const walls: fc.Arbitrary<number> = fc
  .tuple(
    fc.integer({ min: Date.UTC(2026, 0, 1) / DAY, max: Date.UTC(2028, 11, 31) / DAY }),
    fc.oneof(fc.integer({ min: 0, max: 24 * 60 - 1 }), fc.integer({ min: 60, max: 210 })),
  )
  .map(([day, minute]) => day * DAY + minute * 60_000);

export const schedule = (rrule: string | null, more: Partial<Schedule> = {}): Schedule => ({
  startsAt: Date.UTC(2026, 8, 1, 11),
  endsAt: (more.startsAt ?? Date.UTC(2026, 8, 1, 11)) + 2 * HOUR,
  timezone: "Asia/Shanghai",
  recurrence: rrule === null ? null : { rrule, exdates: [], overrides: [] },
  ...more,
});

import fc from "fast-check";
import type { FieldError } from "../../lib/errors.ts";
import {
  checkSchedule,
  nextOccurrence,
  occurrenceAt,
  occurrencesBetween,
  spanOf,
} from "../../lib/recurrence.ts";
import type { Occurrence, Recurrence, Schedule } from "../../lib/recurrence.ts";
import { instantOf, isTimeZone, wallOf } from "../../lib/time-zones.ts";
import { DAY, HOUR, rules, schedule, walls, ZONES } from "../support/random-rules.ts";

const at = (iso: string): number => Date.parse(`${iso}Z`);
const short = (instant: number): string => new Date(instant).toISOString().slice(0, 16);
const starts = (series: Schedule, limit = 100): string[] =>
  occurrencesBetween(series, -Infinity, Infinity, limit).map(({ startsAt }) => short(startsAt));
const codes = (errors: FieldError[]): string[] => errors.map(({ field, code }) => `${field} ${code}`);
const inZone = (timezone: string, wall: string, rrule: string): Schedule =>
  schedule(rrule, { timezone, startsAt: instantOf(timezone, at(wall)) });

describe("the hour on the wall stays", () => {
  test.each([
    [
      "America/New_York",
      "2026-10-25T19:00",
      "FREQ=WEEKLY;COUNT=3",
      ["2026-10-25T23:00", "2026-11-02T00:00", "2026-11-09T00:00"],
    ],
    [
      "Europe/Berlin",
      "2026-03-28T02:30",
      "FREQ=DAILY;COUNT=3",
      // 02:30 does not exist on the 29th: 03:30 summer time.
      ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"],
    ],
    [
      "Europe/Berlin",
      "2026-10-24T02:30",
      "FREQ=DAILY;COUNT=3",
      // 02:30 is twice on the 25th: the first.
      ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
    ],
    [
      "Asia/Shanghai",
      "2026-03-28T02:30",
      "FREQ=DAILY;COUNT=3",
      ["2026-03-27T18:30", "2026-03-28T18:30", "2026-03-29T18:30"],
    ],
    [
      "Australia/Lord_Howe",
      "2026-10-03T02:15",
      "FREQ=DAILY;COUNT=3",
      // The clock skips half an hour on the 4th.
      ["2026-10-02T15:45", "2026-10-03T15:45", "2026-10-04T15:15"],
    ],
    [
      "Pacific/Apia",
      "2011-12-29T10:00",
      "FREQ=DAILY;COUNT=4",
      // There was no 30th: its 10:00 falls on that of the 31st.
      ["2011-12-29T20:00", "2011-12-30T20:00", "2011-12-31T20:00"],
    ],
    [
      "Pacific/Apia",
      "2011-12-29T10:00",
      "FREQ=DAILY;BYHOUR=10,12;COUNT=6",
      ["2011-12-29T20:00", "2011-12-29T22:00", "2011-12-30T20:00", "2011-12-30T22:00"],
    ],
  ])("%s from %s, %s", (timezone, wall, rrule, expected) => {
    expect(starts(inZone(timezone, wall, rrule))).toEqual(expected);
  });

  test("of times moved forward, those that land late are still in order", () => {
    const series = inZone("Europe/Berlin", "2026-03-28T02:30", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;COUNT=7");
    expect(starts(series)).toEqual([
      "2026-03-28T01:30",
      "2026-03-28T02:00",
      "2026-03-28T02:30",
      "2026-03-29T01:00",
      "2026-03-29T01:30",
    ]);
  });

  test("a start in the second of two same hours stays where it is", () => {
    const startsAt = at("2026-10-25T01:30");
    const series = schedule("FREQ=DAILY;COUNT=2", { timezone: "Europe/Berlin", startsAt });
    expect(starts(series)).toEqual(["2026-10-25T01:30", "2026-10-26T01:30"]);
    expect(occurrenceAt(series, startsAt)?.startsAt).toBe(startsAt);
  });

  test("wall times and instants are each other's", () => {
    fc.assert(
      fc.property(walls, fc.constantFrom(...ZONES), (wall, timezone) => {
        const instant = instantOf(timezone, wall);
        expect(wallOf(timezone, instant)).toBeGreaterThanOrEqual(wall);
        expect(instantOf(timezone, wallOf(timezone, instant))).toBe(instant);
      }),
    );
  });

  test.each([
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Asia/Calcutta",
    "UTC",
    "Etc/GMT+5",
    "America/Argentina/Salta",
  ])("%s is a time zone", (name) => expect(isTimeZone(name)).toBe(true));

  test.each(["", "asia/shanghai", "+08:00", "Mars/Olympus", "Asia/Shanghai\n", "GMT+8", "A".repeat(10_000)])(
    "%j is none",
    (name) => expect(isTimeZone(name)).toBe(false),
  );
});

describe("rules", () => {
  /** Examples of RFC 5545, 3.8.5.3, from Tuesday, 2 September 1997, 09:00 in New York. */
  test.each([
    ["FREQ=DAILY;COUNT=3", "2 3 4"],
    ["FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,TH;COUNT=4", "2 4 16 18"],
    ["FREQ=MONTHLY;BYDAY=1FR;COUNT=2", "5 33"],
    ["FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=2", "28 59"],
    ["FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3;COUNT=2", "4 37"],
    ["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=2", "29 60"],
    ["FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=1", "166"],
    ["FREQ=YEARLY;BYDAY=20MO;COUNT=1", "260"],
    ["FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=1", "253"],
    ["FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=1", "65"],
    ["FREQ=WEEKLY;UNTIL=19970916T130000Z", "2 9 16"],
    ["FREQ=WEEKLY;UNTIL=19970916T125959Z", "2 9"],
    ["FREQ=WEEKLY;UNTIL=19970916", "2 9 16"],
    ["freq=weekly;until=19970915", "2 9"],
  ])("%s", (rrule, days) => {
    const series = inZone("America/New_York", "1997-09-02T09:00", rrule);
    const first = Date.UTC(1997, 8, 1, 9) - DAY;
    const found = occurrencesBetween(series, -Infinity, Infinity, 10).map(
      ({ startsAt }) => (wallOf("America/New_York", startsAt) - first) / DAY,
    );
    expect(found.join(" ")).toBe(days);
  });

  test("a start that its rule does not match is no occurrence", () => {
    // The 1st is a Tuesday.
    const series = schedule("FREQ=WEEKLY;BYDAY=MO;COUNT=2");
    expect(starts(series)).toEqual(["2026-09-07T11:00", "2026-09-14T11:00"]);
    expect(occurrenceAt(series, series.startsAt)).toBeNull();
    expect(spanOf(series).first).toBe(at("2026-09-07T11:00"));
  });

  test("BYWEEKNO without BYDAY has the weekday of the start", () => {
    expect(starts(schedule("FREQ=YEARLY;BYWEEKNO=38"), 2)).toEqual(["2026-09-15T11:00", "2027-09-21T11:00"]);
  });

  test("a start within a second", () => {
    const series = schedule("FREQ=DAILY;COUNT=2", { startsAt: at("2026-09-01T11:00:00.250") });
    const found = occurrencesBetween(series, -Infinity, Infinity).map(({ startsAt }) => startsAt);
    expect(found).toEqual([at("2026-09-01T11:00:00.250"), at("2026-09-02T11:00:00.250")]);
    const until = schedule("FREQ=DAILY;UNTIL=20260902T110000Z", { startsAt: at("2026-09-01T11:00:00.250") });
    expect(occurrencesBetween(until, -Infinity, Infinity)).toHaveLength(2);
  });

  test("a window far away is as near as the first", () => {
    const series = schedule("FREQ=DAILY");
    expect(
      occurrencesBetween(series, at("9990-01-01T00:00"), at("9990-01-03T00:00")).map(({ startsAt }) =>
        short(startsAt),
      ),
    ).toEqual(["9990-01-01T11:00", "9990-01-02T11:00"]);
    expect(occurrencesBetween(series, at("9999-12-30T00:00"), Infinity)).toHaveLength(1);
  });
});

const exceptional = schedule("FREQ=WEEKLY;COUNT=5", {
  recurrence: {
    rrule: "FREQ=WEEKLY;COUNT=5",
    exdates: [at("2026-09-08T11:00")],
    overrides: [
      { occurrence: at("2026-09-15T11:00"), startsAt: at("2026-09-30T09:00") },
      { occurrence: at("2026-09-22T11:00"), endsAt: at("2026-09-22T12:00"), location: "礼堂" },
    ],
  },
});

describe("exceptions", () => {
  test("stand at their new times", () => {
    expect(occurrencesBetween(exceptional, -Infinity, Infinity)).toEqual([
      {
        occurrence: at("2026-09-01T11:00"),
        startsAt: at("2026-09-01T11:00"),
        endsAt: at("2026-09-01T13:00"),
        location: null,
      },
      {
        occurrence: at("2026-09-22T11:00"),
        startsAt: at("2026-09-22T11:00"),
        endsAt: at("2026-09-22T12:00"),
        location: "礼堂",
      },
      {
        occurrence: at("2026-09-29T11:00"),
        startsAt: at("2026-09-29T11:00"),
        endsAt: at("2026-09-29T13:00"),
        location: null,
      },
      {
        occurrence: at("2026-09-15T11:00"),
        startsAt: at("2026-09-30T09:00"),
        endsAt: at("2026-09-30T11:00"),
        location: null,
      },
    ]);
    expect(checkSchedule(exceptional)).toEqual([]);
  });

  test("are found by their names", () => {
    expect(occurrenceAt(exceptional, at("2026-09-08T11:00"))).toBeNull();
    expect(occurrenceAt(exceptional, at("2026-09-15T11:00"))?.startsAt).toBe(at("2026-09-30T09:00"));
    expect(occurrenceAt(exceptional, at("2026-09-30T09:00"))).toBeNull();
    expect(occurrenceAt(exceptional, at("2026-10-06T11:00"))).toBeNull();
  });

  test("count for the span and for what is next", () => {
    expect(spanOf(exceptional)).toEqual({ first: at("2026-09-01T11:00"), last: at("2026-09-30T11:00") });
    expect(nextOccurrence(exceptional, at("2026-09-01T13:00"))?.startsAt).toBe(at("2026-09-22T11:00"));
    expect(nextOccurrence(exceptional, at("2026-09-01T12:59"))?.startsAt).toBe(at("2026-09-01T11:00"));
    expect(nextOccurrence(exceptional, at("2026-09-30T11:00"))).toBeNull();
  });

  test("a single activity keeps its name when it is moved", () => {
    const moved = schedule(null, { originalStart: at("2026-08-01T00:00") });
    const only = {
      occurrence: at("2026-08-01T00:00"),
      startsAt: moved.startsAt,
      endsAt: moved.endsAt,
      location: null,
    };
    expect(occurrencesBetween(moved, moved.endsAt - 1, moved.endsAt)).toEqual([only]);
    expect(occurrencesBetween(moved, moved.endsAt, Infinity)).toEqual([]);
    expect(occurrenceAt(moved, at("2026-08-01T00:00"))).toEqual(only);
    expect(occurrenceAt(moved, moved.startsAt)).toBeNull();
    expect(spanOf(moved)).toEqual({ first: moved.startsAt, last: moved.endsAt });
  });
});

/** With exdates and overrides on some of its first occurrences. */
const schedules: fc.Arbitrary<Schedule> = fc
  .tuple(
    rules,
    walls,
    fc.constantFrom(...ZONES),
    fc.integer({ min: 1, max: 40 }),
    fc.array(fc.nat(60), { maxLength: 5 }),
  )
  .map(([rrule, wall, timezone, hours, marks]) => {
    const startsAt = instantOf(timezone, wall);
    const plain = schedule(rrule, { startsAt, endsAt: startsAt + hours * HOUR, timezone });
    const names = occurrencesBetween(plain, -Infinity, startsAt + 800 * DAY, 60).map(
      ({ occurrence }) => occurrence,
    );
    const marked = [...new Set(marks.map((mark) => names[mark]))].filter((name) => name !== undefined);
    const recurrence: Recurrence = {
      rrule,
      exdates: marked.slice(0, 1),
      overrides: marked
        .slice(1)
        .map((occurrence, index) => ({ occurrence, startsAt: occurrence + (index - 1) * 5 * DAY })),
    };
    return { ...plain, recurrence };
  });

const ordered = (found: Occurrence[]): Occurrence[] =>
  found.toSorted((a, b) => a.startsAt - b.startsAt || a.occurrence - b.occurrence);

describe("any schedule", () => {
  test("two windows give what one gives", () => {
    fc.assert(
      fc.property(schedules, fc.nat(700), fc.nat(700), (series, one, two) => {
        const [from, to] = [series.startsAt - 10 * DAY, series.startsAt + 700 * DAY];
        const middle = series.startsAt + Math.min(one, two) * DAY;
        const whole = occurrencesBetween(series, from, to);
        const before = occurrencesBetween(series, from, middle);
        const after = occurrencesBetween(series, middle, to);
        expect(ordered(whole)).toEqual(whole);
        expect(before.filter(({ endsAt }) => endsAt <= middle)).toEqual(
          whole.filter(({ endsAt }) => endsAt <= middle),
        );
        expect(after).toEqual(whole.filter(({ endsAt }) => endsAt > middle));
        expect(ordered([...before.filter(({ endsAt }) => endsAt <= middle), ...after])).toEqual(whole);
        expect(occurrencesBetween(series, from, to, 7)).toEqual(whole.slice(0, 7));
      }),
      { numRuns: 300 },
    );
  });

  test("each occurrence is found by its name, and what is beside it is not", () => {
    fc.assert(
      fc.property(schedules, (series) => {
        const found = occurrencesBetween(series, -Infinity, series.startsAt + 500 * DAY);
        const names = new Set(found.map(({ occurrence }) => occurrence));
        for (const each of found) {
          expect(occurrenceAt(series, each.occurrence)).toEqual(each);
          for (const near of [each.occurrence + 60_000, each.occurrence - HOUR, each.startsAt])
            if (!names.has(near)) expect(occurrenceAt(series, near)?.occurrence ?? near).toBe(near);
        }
        for (const exdate of series.recurrence?.exdates ?? [])
          expect(occurrenceAt(series, exdate)).toBeNull();
      }),
      { numRuns: 200 },
    );
  });

  test("its span and its next occurrence are those of the whole list", () => {
    fc.assert(
      fc.property(schedules, fc.nat(800), (series, day) => {
        const now = series.startsAt + day * DAY;
        const span = spanOf(series);
        const all = occurrencesBetween(series, -Infinity, span.last ?? now + 4000 * DAY);
        if (all.length === 0) return;
        expect(span.first).toBe(all[0]?.startsAt);
        if (span.last !== null) expect(span.last).toBe(Math.max(...all.map(({ endsAt }) => endsAt)));
        const next = all.find(({ endsAt }) => endsAt > now);
        if (next || span.last !== null) expect(nextOccurrence(series, now)).toEqual(next ?? null);
      }),
      { numRuns: 200 },
    );
  });

  test("what is checked and right has an occurrence", () => {
    fc.assert(
      fc.property(schedules, (series) => {
        const errors = checkSchedule(series).map(({ code }) => code);
        const some = nextOccurrence(series, -Infinity);
        if (errors.length === 0) expect(some).not.toBeNull();
        else expect(["RRULE_YIELDS_NOTHING", "TOO_MANY_OCCURRENCES"]).toContain(errors[0]);
      }),
    );
  });
});

const ruled = (rrule: string): string[] => codes(checkSchedule(schedule(rrule)));
const range = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index).join(",");

describe("refusals", () => {
  test.each<[string, Partial<Schedule>, string[]]>([
    ["ends at its start", { endsAt: at("2026-09-01T11:00") }, ["endsAt ENDS_BEFORE_START"]],
    ["lasts more than 31 days", { endsAt: at("2026-10-02T11:01") }, ["endsAt LASTS_TOO_LONG"]],
    ["lasts 31 days", { endsAt: at("2026-10-02T11:00") }, []],
    ["unknown zone", { timezone: "Asia/Peking" }, ["timezone UNKNOWN_TIME_ZONE"]],
    ["no time", { startsAt: Number.NaN }, ["startsAt INVALID", "endsAt INVALID"]],
    ["before 1970", { startsAt: -1, endsAt: 1 }, ["startsAt INVALID"]],
  ])("%s", (_, more, expected) => {
    expect(codes(checkSchedule(schedule(null, more)))).toEqual(expected);
    expect(codes(checkSchedule(schedule("FREQ=WEEKLY", more)))).toEqual(expected);
  });

  test.each([
    ["FREQ=WEEKLY;BYDAY=MO", ""],
    ["", "INVALID_RRULE"],
    ["every Monday", "INVALID_RRULE"],
    ["RRULE:FREQ=WEEKLY", "RRULE_ONLY_THE_RULE"],
    ["DTSTART:20260901T110000Z\nFREQ=WEEKLY", "RRULE_ONLY_THE_RULE"],
    ["FREQ=HOURLY", "RRULE_FREQUENCY"],
    ["INTERVAL=2", "RRULE_FREQUENCY"],
    ["FREQ=DAILY;COUNT=2;UNTIL=20270101", "RRULE_COUNT_AND_UNTIL"],
    ["FREQ=DAILY;COUNT=0", "INVALID_RRULE"],
    ["FREQ=DAILY;COUNT=999999999", "RRULE_COUNT_TOO_LARGE"],
    ["FREQ=DAILY;INTERVAL=99999999", "INVALID_RRULE"],
    ["FREQ=DAILY;INTERVAL=0", "INVALID_RRULE"],
    ["FREQ=DAILY;FREQ=WEEKLY", "INVALID_RRULE"],
    ["FREQ=DAILY;", "INVALID_RRULE"],
    ["FREQ=DAILY\r\nSUMMARY=x", "INVALID_RRULE"],
    ["FREQ=DAILY;UNTIL=20270229", "INVALID_RRULE"],
    ["FREQ=DAILY;UNTIL=20270101T100000", "INVALID_RRULE"],
    ["FREQ=DAILY;UNTIL=20270101T250000Z", "INVALID_RRULE"],
    ["FREQ=DAILY;BYEASTER=1", "INVALID_RRULE"],
    ["FREQ=DAILY;BYDAY=1MO", "INVALID_RRULE"],
    ["FREQ=MONTHLY;BYDAY=0MO", "INVALID_RRULE"],
    ["FREQ=MONTHLY;BYMONTHDAY=0", "INVALID_RRULE"],
    ["FREQ=MONTHLY;BYMONTHDAY=32", "INVALID_RRULE"],
    ["FREQ=WEEKLY;BYMONTHDAY=1", "INVALID_RRULE"],
    ["FREQ=MONTHLY;BYYEARDAY=1", "INVALID_RRULE"],
    ["FREQ=MONTHLY;BYWEEKNO=1", "INVALID_RRULE"],
    ["FREQ=YEARLY;BYWEEKNO=1;BYDAY=2MO", "INVALID_RRULE"],
    ["FREQ=MONTHLY;BYSETPOS=1", "INVALID_RRULE"],
    [`FREQ=WEEKLY;BYDAY=${"MO,".repeat(3500)}MO`, "INVALID_RRULE"],
    ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "RRULE_YIELDS_NOTHING"],
    ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "RRULE_YIELDS_NOTHING"],
    ["FREQ=WEEKLY;UNTIL=20260831", "RRULE_YIELDS_NOTHING"],
    [`FREQ=DAILY;BYDAY=TU;BYSETPOS=${range(2, 11)}`, "RRULE_YIELDS_NOTHING"],
    [`FREQ=DAILY;BYDAY=TU;BYSETPOS=${range(2, 366)}`, "INVALID_RRULE"],
    ["FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1", "RRULE_YIELDS_NOTHING"],
    // What the library expands otherwise than others do, or looks for too long.
    ["FREQ=YEARLY;BYWEEKNO=1", "INVALID_RRULE"],
    ["FREQ=YEARLY;BYWEEKNO=-52", "INVALID_RRULE"],
    [`FREQ=YEARLY;BYWEEKNO=20;BYYEARDAY=${range(1, 365)}`, "INVALID_RRULE"],
    ["FREQ=YEARLY;BYYEARDAY=1;BYDAY=MO", "INVALID_RRULE"],
    ["FREQ=YEARLY;BYMONTHDAY=1;BYDAY=1MO", "INVALID_RRULE"],
    ["FREQ=DAILY;INTERVAL=2;BYMONTH=2;COUNT=1000", "INVALID_RRULE"],
    ["FREQ=YEARLY;BYWEEKNO=20;COUNT=40", ""],
    ["FREQ=YEARLY;BYWEEKNO=20;COUNT=60", "INVALID_RRULE"],
    ["FREQ=DAILY;BYMONTH=2;COUNT=10000", ""],
    ["FREQ=DAILY;BYHOUR=8,12,18", "TOO_MANY_OCCURRENCES"],
    [
      `FREQ=YEARLY;BYHOUR=${range(0, 23)};BYMINUTE=${range(0, 59)};BYSECOND=${range(0, 59)}`,
      "TOO_MANY_OCCURRENCES",
    ],
    ["FREQ=DAILY;BYHOUR=8,12", ""],
    ["FREQ=DAILY;COUNT=10000", ""],
    ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=10000", ""],
  ])("%j: %s", (rrule, code) => {
    expect(ruled(rrule)).toEqual(code === "" ? [] : [`recurrence.rrule ${code}`]);
  });

  test("any text at all comes back", () => {
    const names = fc.constantFrom(
      "FREQ",
      "COUNT",
      "UNTIL",
      "INTERVAL",
      "BYDAY",
      "BYHOUR",
      "BYSETPOS",
      "BYMONTHDAY",
      "WKST",
    );
    const numbers = fc
      .array(fc.integer({ min: -400, max: 400 }), { minLength: 1, maxLength: 400 })
      .map(String);
    const values = fc.oneof(fc.constantFrom("DAILY", "YEARLY", "MO", "-1SU"), numbers, fc.string());
    const texts = fc
      .array(
        fc.tuple(names, values).map((pair) => pair.join("=")),
        { maxLength: 6 },
      )
      .map((all) => all.join(";"));
    fc.assert(
      fc.property(fc.oneof(texts, fc.string({ unit: "binary", maxLength: 300 })), (text) => {
        expect(Array.isArray(checkSchedule(schedule(text)))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test.each<[string, Partial<Recurrence>, string[]]>([
    [
      "an exdate of no occurrence",
      { exdates: [at("2026-09-01T11:00"), at("2026-09-02T11:00")] },
      ["exdates[1] NO_SUCH_OCCURRENCE"],
    ],
    [
      "all taken out",
      { exdates: ["01", "08", "15"].map((day) => at(`2026-09-${day}T11:00`)) },
      ["rrule RRULE_YIELDS_NOTHING"],
    ],
    [
      "an override of no occurrence",
      { overrides: [{ occurrence: 1 }] },
      ["overrides[0].occurrence NO_SUCH_OCCURRENCE"],
    ],
    [
      "an override of what is taken out",
      { exdates: [at("2026-09-01T11:00")], overrides: [{ occurrence: at("2026-09-01T11:00") }] },
      ["overrides[0].occurrence NO_SUCH_OCCURRENCE"],
    ],
    [
      "two overrides of one",
      { overrides: [{ occurrence: at("2026-09-01T11:00") }, { occurrence: at("2026-09-01T11:00") }] },
      ["overrides[1].occurrence DUPLICATE"],
    ],
    [
      "an override that ends before it starts",
      { overrides: [{ occurrence: at("2026-09-01T11:00"), endsAt: at("2026-09-01T10:00") }] },
      ["overrides[0].endsAt ENDS_BEFORE_START"],
    ],
    [
      "too many",
      { exdates: Array.from({ length: 1001 }, () => at("2026-09-01T11:00")) },
      ["exdates TOO_MANY"],
    ],
  ])("%s", (_, exceptions, expected) => {
    const recurrence = { rrule: "FREQ=WEEKLY;COUNT=3", exdates: [], overrides: [], ...exceptions };
    expect(codes(checkSchedule(schedule(null, { recurrence })))).toEqual(
      expected.map((each) => `recurrence.${each}`),
    );
  });
});

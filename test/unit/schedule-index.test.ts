import fc from "fast-check";
import { occurrencesBetween } from "../../lib/recurrence.ts";
import { instantOf } from "../../lib/time-zones.ts";
import { ScheduleIndex } from "../../services/activities/schedule-index.ts";
import type { Scheduled, ScheduleItem, ScheduleWindow } from "../../services/activities/schedule-index.ts";
import { DAY, HOUR, rules, schedule, walls, ZONES } from "../support/random-rules.ts";

const START = Date.UTC(2026, 0, 1);

/** All occurrences of all activities, filtered and sorted. */
function naive(
  activities: Scheduled[],
  { from, to, clubId, after, limit }: ScheduleWindow,
): ScheduleItem<Scheduled>[] {
  const order = (one: ScheduleItem<Scheduled>, other: ScheduleItem<Scheduled>): number =>
    one.occurrence.startsAt - other.occurrence.startsAt ||
    (one.activity.id === other.activity.id ? 0 : one.activity.id < other.activity.id ? -1 : 1) ||
    one.occurrence.occurrence - other.occurrence.occurrence;
  const all = activities
    .filter((activity) => clubId === undefined || activity.clubId === clubId)
    .flatMap((activity) =>
      occurrencesBetween(activity, from, to).map((occurrence) => ({
        activity,
        occurrence,
        cancelled: activity.status === "cancelled" || activity.cancelled.includes(occurrence.occurrence),
      })),
    )
    .toSorted(order);
  const start = after
    ? all.findIndex(
        ({ activity, occurrence }) => activity.id === after.id && occurrence.occurrence === after.occurrence,
      ) + 1
    : 0;
  return all.slice(start, start + limit);
}

const activities: fc.Arbitrary<Scheduled> = fc
  .record({
    id: fc.integer({ min: 10, max: 40 }).map(String),
    clubId: fc.constantFrom("a", "b"),
    version: fc.integer({ min: 1, max: 5 }),
    status: fc.constantFrom("published" as const, "cancelled" as const),
    wall: fc.oneof(walls, fc.constant(START + 30 * DAY)),
    timezone: fc.constantFrom(...ZONES),
    rrule: fc.option(rules),
    hours: fc.constantFrom(1, 30, 24 * 31),
    marks: fc.array(fc.nat(20), { maxLength: 4 }),
  })
  .map(({ wall, timezone, rrule, hours, marks, ...more }) => {
    const startsAt = instantOf(timezone, wall);
    const plain = schedule(rrule, { startsAt, endsAt: startsAt + hours * HOUR, timezone });
    const names = occurrencesBetween(plain, -Infinity, startsAt + 400 * DAY, 20).map(
      ({ occurrence }) => occurrence,
    );
    const [exdate, moved, ...cancelled] = [...new Set(marks.map((mark) => names[mark]))].filter(
      (name) => name !== undefined,
    );
    const recurrence =
      rrule === null
        ? null
        : {
            rrule,
            exdates: exdate === undefined ? [] : [exdate],
            overrides: moved === undefined ? [] : [{ occurrence: moved, startsAt: moved + 40 * DAY }],
          };
    return { ...plain, ...more, recurrence, cancelled };
  });

const windows = fc.record({
  from: fc.integer({ min: 0, max: 1000 }).map((day) => START + day * DAY),
  days: fc.integer({ min: 1, max: 366 }),
  clubId: fc.option(fc.constantFrom("a", "b", "none"), { nil: undefined }),
  limit: fc.constantFrom(1, 3, 20, 1000),
});

const placeOf = ({ activity, occurrence }: ScheduleItem<Scheduled>) => ({
  startsAt: occurrence.startsAt,
  id: activity.id,
  occurrence: occurrence.occurrence,
});

/** The newest version of each; of equal ones the last. */
function kept(put: Scheduled[]): Scheduled[] {
  const newest = new Map<string, Scheduled>();
  for (const each of put) if ((newest.get(each.id)?.version ?? 0) <= each.version) newest.set(each.id, each);
  return [...newest.values()];
}

describe("the index of the calendar", () => {
  test("pages are those of all occurrences sorted, whatever was put and removed, in any order of questions", () => {
    fc.assert(
      fc.property(
        fc.array(activities, { maxLength: 25 }),
        fc.array(fc.integer({ min: 10, max: 40 }).map(String), { maxLength: 4 }),
        fc.array(windows, { minLength: 1, maxLength: 5 }),
        (put, removed, asked) => {
          const index = new ScheduleIndex<Scheduled>();
          for (const each of put.slice(0, 12)) index.put(each);
          index.page({ from: START, to: START + 300 * DAY, limit: 50 });
          for (const each of put.slice(12)) index.put(each);
          for (const id of removed) index.remove(id);
          const left = kept(put).filter(({ id }) => !removed.includes(id));
          expect(index.size).toBe(left.length);
          for (const { from, days, clubId, limit } of asked) {
            const window: ScheduleWindow = { from, to: from + days * DAY, clubId, limit };
            let after: ScheduleWindow["after"] = null;
            for (let page = 0; page < 4; page += 1) {
              const items = index.page({ ...window, after });
              expect(items).toEqual(naive(left, { ...window, after }));
              const last = items.at(-1);
              if (!last) break;
              after = placeOf(last);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a place that is gone is still a place", () => {
    const index = new ScheduleIndex<Scheduled>();
    const weekly = schedule("FREQ=WEEKLY", { startsAt: START });
    for (const id of ["1", "2", "3"])
      index.put({ ...weekly, id, clubId: "a", version: 1, status: "published", cancelled: [] });
    index.remove("2");
    const after = { startsAt: START + 7 * DAY, id: "2", occurrence: START + 7 * DAY };
    const [next] = index.page({ from: START, to: START + 30 * DAY, after, limit: 1 });
    expect(next).toMatchObject({ activity: { id: "3" }, occurrence: { startsAt: START + 7 * DAY } });
  });

  test("an older version changes nothing", () => {
    const index = new ScheduleIndex<Scheduled>();
    const of = (version: number, clubId: string): Scheduled => ({
      ...schedule(null, { startsAt: START }),
      id: "1",
      clubId,
      version,
      status: "published",
      cancelled: [],
    });
    index.put(of(3, "a"));
    index.put(of(2, "b"));
    const clubs = (): string[] =>
      index.page({ from: START, to: START + DAY, limit: 9 }).map(({ activity }) => activity.clubId);
    expect(clubs()).toEqual(["a"]);
    index.put(of(4, "b"));
    expect(clubs()).toEqual(["b"]);
    expect(index.page({ from: START, to: START + DAY, clubId: "a", limit: 9 })).toEqual([]);
  });
});

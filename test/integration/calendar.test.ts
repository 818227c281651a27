/** The calendar: occurrences in order of start, in windows and pages. */
import fc from "fast-check";
import type { Answer } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { DAY, HOUR, later, plus, startHall } from "../support/activities.ts";
import type { Club, Hall } from "../support/activities.ts";

type Page = Answer<"calendar.page">;
type Item = Page["items"][number];

let hall: Hall;
let club: Club;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => void (club = hall.club()));

const target = (query: object) => `/calendar?${new URLSearchParams({ ...query }).toString()}`;
/** Of this test's club. */
const page = (from: string, to: string, more: object = {}) =>
  hall.ok<Page>("GET", target({ from, to, clubId: club.id, ...more }));
const all = async (from: string, to: string, more: object = {}): Promise<Item[]> =>
  (await page(from, to, { limit: 1000, ...more })).items;
/** Walks through all pages. */
async function walk(from: string, to: string, limit: number, between = async () => {}): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const next: Page = await page(from, to, { limit, ...(cursor && { cursor }) });
    expect(next.items.length).toBeLessThanOrEqual(limit);
    items.push(...next.items);
    cursor = next.nextCursor;
    await between();
  } while (cursor);
  return items;
}
const starts = (items: Item[]) => items.map(({ startsAt }) => startsAt);

test("has every occurrence with what it is about, in order of start", async () => {
  const startsAt = "2031-03-03T10:00:00.000Z";
  const series = await hall.series(club, 3, { title: "Series", startsAt, location: "A" });
  const single = await hall.activity(club, { title: "Single", startsAt: plus(startsAt, DAY + HOUR) });
  const items = await all(startsAt, plus(startsAt, 5 * DAY));
  expect(items.map(({ title }) => title)).toEqual(["Series", "Series", "Single", "Series"]);
  expect(items[0]).toEqual({
    activityId: series.id,
    occurrence: startsAt,
    title: "Series",
    startsAt,
    endsAt: plus(startsAt, 2 * HOUR),
    timezone: "Asia/Shanghai",
    location: "A",
    clubId: club.id,
    status: "published",
  });
  expect(items[2]).toMatchObject({ activityId: single.id, occurrence: single.startsAt, location: "" });
});

test("has no drafts and no exdates; says what is cancelled or finished", async () => {
  await hall.draft(club, { startsAt: later(-DAY - 3 * HOUR) });
  const { id, names } = await hall.series(club, 5, { startsAt: later(-DAY - 3 * HOUR) });
  await hall.patch(club, id, { recurrence: { rrule: "FREQ=DAILY;COUNT=5", exdates: [names[3]] } });
  const body = { reason: "Rain", occurrence: names[2] };
  await hall.ok("POST", `/activities/${id}/cancel`, { as: club.president, body });
  const items = await all(later(-10 * DAY), later(10 * DAY));
  expect(items.map(({ occurrence, status }) => [occurrence, status])).toEqual([
    [names[0], "finished"],
    [names[1], "finished"],
    [names[2], "cancelled"],
    [names[4], "published"],
  ]);
  await hall.ok("POST", `/activities/${id}/cancel`, { as: club.president, body: { reason: "All" } });
  expect(new Set((await all(later(0), later(10 * DAY))).map(({ status }) => status))).toEqual(
    new Set(["cancelled"]),
  );
});

test("an override stands where it was moved to, under its own name", async () => {
  const { id, names } = await hall.series(club, 3);
  const [first, second, third] = names as [string, string, string];
  const overrides = [{ occurrence: first, startsAt: plus(second, HOUR), location: "B2" }];
  await hall.patch(club, id, { recurrence: { rrule: "FREQ=DAILY;COUNT=3", overrides } });
  const items = await all(plus(first, -DAY), plus(third, DAY));
  expect(items.map(({ occurrence }) => occurrence)).toEqual([second, first, third]);
  expect(items[1]).toMatchObject({
    startsAt: plus(second, HOUR),
    endsAt: plus(second, 3 * HOUR),
    location: "B2",
  });
  expect(await all(plus(first, -HOUR), plus(first, HOUR))).toEqual([]);
});

test("keeps the hour on the wall when the clocks change", async () => {
  const berlin = {
    timezone: "Europe/Berlin",
    startsAt: "2031-03-29T18:00:00.000Z",
    endsAt: "2031-03-29T20:00:00.000Z",
  };
  await hall.activity(club, { ...berlin, recurrence: { rrule: "FREQ=DAILY;COUNT=3" } });
  // On 30 March 2031 the clocks go forward: 19:00 is an hour earlier in UTC.
  const items = await all("2031-03-01T00:00:00Z", "2031-04-30T00:00:00Z");
  expect(starts(items)).toEqual([
    "2031-03-29T18:00:00.000Z",
    "2031-03-30T17:00:00.000Z",
    "2031-03-31T17:00:00.000Z",
  ]);
  expect(items.map(({ endsAt, startsAt }) => Date.parse(endsAt) - Date.parse(startsAt))).toEqual([
    2 * HOUR,
    2 * HOUR,
    2 * HOUR,
  ]);
});

test("a window has what overlaps it: from with, to without", async () => {
  const startsAt = later(40 * DAY);
  await hall.activity(club, { startsAt });
  const within = async (from: number, to: number) =>
    (await all(plus(startsAt, from), plus(startsAt, to))).length;
  expect(await within(-HOUR, 0)).toBe(0);
  expect(await within(-HOUR, 1)).toBe(1);
  expect(await within(2 * HOUR - 1, 3 * HOUR)).toBe(1);
  expect(await within(2 * HOUR, 3 * HOUR)).toBe(0);
});

test("pages of any size walk through everything once, in the order of one page", async () => {
  const startsAt = later(50 * DAY);
  for (let i = 0; i < 3; i++) await hall.series(club, 6, { startsAt });
  for (let i = 0; i < 5; i++) await hall.activity(club, { startsAt: plus(startsAt, (i % 2) * DAY) });
  const to = plus(startsAt, 30 * DAY);
  const whole = await all(startsAt, to);
  expect(whole).toHaveLength(23);
  expect(starts(whole)).toEqual(starts(whole).toSorted());
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 24 }), async (limit) => {
      expect(await walk(startsAt, to, limit)).toEqual(whole);
    }),
    { numRuns: 8 },
  );
});

test("pages are stable while others are planned", async () => {
  const startsAt = later(50 * DAY);
  const { id } = await hall.series(club, 6, { startsAt });
  const to = plus(startsAt, 30 * DAY);
  const seen = await walk(startsAt, to, 2, async () => {
    await hall.activity(club, { startsAt });
    await hall.activity(club, { startsAt: plus(startsAt, 20 * DAY) });
  });
  expect(seen.filter(({ activityId }) => activityId === id)).toHaveLength(6);
  const names = seen.map(({ activityId, occurrence }) => `${activityId} ${occurrence}`);
  expect(new Set(names).size).toBe(names.length);
});

test("up to a thousand on a page, twenty unless it is said", async () => {
  const startsAt = later(DAY);
  await hall.series(club, 366, { startsAt });
  await hall.series(club, 366, { startsAt: plus(startsAt, HOUR) });
  await hall.series(club, 366, { startsAt: plus(startsAt, 2 * HOUR) });
  const to = plus(startsAt, 366 * DAY);
  const first = await page(startsAt, to, { limit: 1000 });
  expect(first.items).toHaveLength(1000);
  const second = await page(startsAt, to, { limit: 1000, cursor: first.nextCursor });
  expect([second.items.length, second.nextCursor]).toEqual([98, null]);
  expect((await page(startsAt, to)).items).toHaveLength(20);
});

test("of all clubs, or of one", async () => {
  const startsAt = later(900 * DAY);
  const other = hall.club();
  await hall.activity(club, { startsAt });
  await hall.activity(other, { startsAt });
  const window = { from: startsAt, to: plus(startsAt, 1) };
  const clubs = async (query: object) =>
    (await hall.ok<Page>("GET", target(query))).items.map(({ clubId }) => clubId).toSorted();
  expect(await clubs(window)).toEqual([club.id, other.id].toSorted());
  expect(await clubs({ ...window, clubId: other.id })).toEqual([other.id]);
  expect(await clubs({ ...window, clubId: newId() })).toEqual([]);
});

test("refuses windows that are none or too long, and wrong parameters", async () => {
  const from = "2030-01-01T00:00:00.000Z";
  const refusal = (query: object) => hall.outcome("GET", target({ from, to: plus(from, DAY), ...query }));
  expect(await hall.outcome("GET", "/calendar")).toBe("422 VALIDATION_FAILED from=REQUIRED to=REQUIRED");
  expect(await refusal({ to: plus(from, 366 * DAY) })).toBe("200");
  for (const [query, field] of [
    [{ to: plus(from, 366 * DAY + 1) }, "to=WINDOW_TOO_LONG"],
    [{ to: from }, "to=NOT_AFTER_FROM"],
    [{ from: "2030-02-30T00:00:00Z" }, "from=INVALID_FORMAT"],
    [{ to: "later" }, "to=INVALID_FORMAT"],
    [{ limit: 0 }, "limit=TOO_SMALL"],
    [{ limit: 1001 }, "limit=TOO_LARGE"],
    [{ clubId: "x" }, "clubId=INVALID_FORMAT"],
    [{ q: "x" }, "q=UNKNOWN_FIELD"],
  ] as const)
    expect(await refusal(query)).toBe(`422 VALIDATION_FAILED ${field}`);
  expect(await refusal({ cursor: "x" })).toBe("422 INVALID_CURSOR");
});

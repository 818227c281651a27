/** The list of activities: filters, pages, drafts. */
import { newId } from "../../lib/ids.ts";
import { DAY, HOUR, later, plus, startHall } from "../support/activities.ts";
import type { Activity, Club, Hall } from "../support/activities.ts";

interface Page {
  items: Activity[];
  nextCursor: string | null;
}

let hall: Hall;
let club: Club;
let officer: string;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => {
  club = hall.club();
  officer = hall.member(club, "officer");
});

/** Of this test's club. */
const page = (query: object = {}, as?: string, clubId = club.id) =>
  hall.ok<Page>("GET", `/activities?${new URLSearchParams({ clubId, ...query }).toString()}`, { as });
const titles = async (query: object = {}, as?: string) =>
  (await page(query, as)).items.map(({ title }) => title);
const refusal = (query: string, as?: string) => hall.outcome("GET", `/activities?${query}`, { as });

test("has what was published, the newest first, of all clubs or of one", async () => {
  for (const title of ["A", "B", "C"]) await hall.activity(club, { title });
  await hall.draft(club, { title: "Draft" });
  const other = await hall.activity(hall.club(), { title: "Other" });
  expect(await titles()).toEqual(["C", "B", "A"]);
  const all = await hall.ok<Page>("GET", "/activities?limit=100");
  expect(all.items.map(({ title }) => title).slice(0, 4)).toEqual(["Other", "C", "B", "A"]);
  expect(all.items[0]).toEqual(await hall.get(other.id));
  expect((await page({}, undefined, newId())).items).toEqual([]);
});

test("shows a change, a cancellation and an end at once", async () => {
  const { id } = await hall.activity(club, { title: "A" });
  await hall.patch(club, id, { title: "B" });
  expect(await titles()).toEqual(["B"]);
  expect(await titles({ status: "published" })).toEqual(["B"]);
  await hall.ok("POST", `/activities/${id}/cancel`, { as: officer, body: { reason: "Rain" } });
  expect(await titles({ status: "published" })).toEqual([]);
  expect(await titles({ status: "cancelled" })).toEqual(["B"]);
  expect((await page()).items).toMatchObject([{ status: "cancelled", cancelReason: "Rain" }]);
});

test("by status; finished is what has ended, a series when its last has", async () => {
  const over = await hall.activity(club, { title: "Over" });
  await hall.patch(club, over.id, { startsAt: later(-3 * HOUR), endsAt: later(-HOUR) });
  await hall.series(club, 3, { title: "Goes on", startsAt: later(-DAY - 3 * HOUR) });
  await hall.activity(club, { title: "Under way", startsAt: later(-HOUR) });
  expect(await titles({ status: "finished" })).toEqual(["Over"]);
  expect(await titles({ status: "published" })).toEqual(["Under way", "Goes on"]);
});

test("by time: what overlaps from (with it) and to (without it), of a series any occurrence", async () => {
  const startsAt = later(20 * DAY);
  await hall.activity(club, { title: "One", startsAt });
  await hall.series(club, 3, { title: "Three", startsAt });
  const between = (from: number, to: number) =>
    titles({ from: plus(startsAt, from), to: plus(startsAt, to) });
  expect(await between(-HOUR, 0)).toEqual([]);
  expect(await between(-HOUR, 1)).toEqual(["Three", "One"]);
  expect(await between(HOUR, 90 * 60_000)).toEqual(["Three", "One"]);
  expect(await between(2 * HOUR, DAY)).toEqual([]);
  expect(await between(2 * HOUR, DAY + 1)).toEqual(["Three"]);
  expect(await between(3 * DAY, 9 * DAY)).toEqual([]);
  expect(await titles({ from: plus(startsAt, 2 * HOUR) })).toEqual(["Three"]);
  expect(await titles({ to: plus(startsAt, 1) })).toEqual(["Three", "One"]);
  expect(await titles({ to: startsAt })).toEqual([]);
});

test("by words in the title, without case and width", async () => {
  for (const title of ["Chess Night", "围棋之夜", "ＣＨＥＳＳ for all", "Choir"])
    await hall.activity(club, { title });
  expect(await titles({ q: "chess" })).toEqual(["ＣＨＥＳＳ for all", "Chess Night"]);
  expect(await titles({ q: "围棋" })).toEqual(["围棋之夜"]);
  expect(await titles({ q: "nothing of that" })).toEqual([]);
});

test("has what is the caller's own, for each caller", async () => {
  const [ada] = hall.people(1) as [string];
  const { id, startsAt } = await hall.activity(club);
  await hall.activity(club);
  await hall.join(id, ada);
  const mine = (await page({}, ada)).items.map(({ myParticipation }) => myParticipation);
  expect(mine).toEqual([null, { occurrence: startsAt, status: "confirmed", checkedInAt: null }]);
  expect((await page()).items[1]).toMatchObject({ confirmedCount: 1 });
  expect((await page()).items[1]).not.toHaveProperty("myParticipation");
});

test("pages are stable while others are added", async () => {
  for (let i = 1; i <= 7; i++) await hall.activity(club, { title: String(i) });
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const { items, nextCursor }: Page = await page({ limit: 3, ...(cursor && { cursor }) });
    seen.push(...items.map(({ title }) => title));
    cursor = nextCursor;
    await hall.activity(club, { title: "New" });
  } while (cursor);
  expect(seen).toEqual(["7", "6", "5", "4", "3", "2", "1"]);
});

test("a page that is just full is the last where nothing follows", async () => {
  for (let i = 0; i < 2; i++) await hall.activity(club);
  expect((await page({ limit: 2 })).nextCursor).toBeNull();
  expect((await page({ limit: 1 })).nextCursor).not.toBeNull();
});

test("refuses what is no filter, naming it", async () => {
  for (const [query, field] of [
    ["from=yesterday", "from=INVALID_FORMAT"],
    ["to=2030-02-30T00:00:00Z", "to=INVALID_FORMAT"],
    ["clubId=x", "clubId=INVALID_FORMAT"],
    ["status=open", "status=NOT_ALLOWED"],
    ["q=", "q=TOO_SHORT"],
    [`q=${"x".repeat(101)}`, "q=TOO_LONG"],
    ["limit=0", "limit=TOO_SMALL"],
    ["limit=101", "limit=TOO_LARGE"],
    ["limit=ten", "limit=WRONG_TYPE"],
    ["page=2", "page=UNKNOWN_FIELD"],
  ])
    expect(await refusal(query as string)).toBe(`422 VALIDATION_FAILED ${field}`);
  expect(await refusal("cursor=x")).toBe("422 INVALID_CURSOR");
  const { items } = await hall.ok<{ items: { id: string }[] }>("GET", "/activities?limit=1");
  const ofAnother = Buffer.from(JSON.stringify(["participants", items[0]?.id])).toString("base64url");
  expect(await refusal(`cursor=${ofAnother}`)).toBe("422 INVALID_CURSOR");
});

test("drafts are for officers of the club that is named", async () => {
  for (const title of ["A", "B", "C"]) await hall.draft(club, { title });
  await hall.activity(club, { title: "Published" });
  expect(await titles({ status: "draft" }, officer)).toEqual(["C", "B", "A"]);
  const first = await page({ status: "draft", limit: 2 }, officer);
  const second = await page({ status: "draft", limit: 2, cursor: first.nextCursor as string }, officer);
  expect([...first.items, ...second.items].map(({ title }) => title)).toEqual(["C", "B", "A"]);
  expect(second.nextCursor).toBeNull();
  const drafts = `status=draft&clubId=${club.id}`;
  expect(await refusal(drafts)).toBe("401 UNAUTHENTICATED");
  for (const as of [hall.person(), hall.member(club), hall.member(hall.club(), "officer")])
    expect(await refusal(drafts, as)).toBe("403 FORBIDDEN");
  expect(await refusal("status=draft", officer)).toBe("422 VALIDATION_FAILED clubId=REQUIRED");
});

/** What came of a batch is the same when it is asked for again: after a crash between the domain's commit and the import's. */
import { newId } from "../../lib/ids.ts";
import type { Batch, Outcome } from "../../lib/imports.ts";
import { startPlace } from "../support/place.ts";
import type { Place } from "../support/place.ts";
import { unique } from "../support/users.ts";

let place: Place;
let by: string;
beforeAll(async () => {
  place = await startPlace(["users", "clubs"], {
    ADMIN_EMAIL: "admin@example.edu",
    ADMIN_PASSWORD: "correct horse battery",
  });
  [by = ""] = await place.broker.call<string[], object>("users.withRole", { role: "admin" });
}, 60_000);
afterAll(() => place.stop());

const take = (action: string, batch: Batch): Promise<Outcome[]> =>
  place.broker.call<Outcome[], Batch>(action, batch, { timeout: 30_000 });
const batchOf = (cells: Record<string, string>[], dryRun = false): Batch => ({
  importId: newId(),
  at: Date.now(),
  by,
  lang: "en",
  dryRun,
  rows: cells.map((each, i) => ({ row: i + 1, cells: each })),
});
const words = (outcomes: Outcome[]): string[] => outcomes.map(({ outcome }) => outcome);

const people = Array.from({ length: 40 }, () => `r${unique()}`);
const users = people.map((name) => ({ username: name, email: `${name}@example.edu` }));
const clubs = people
  .slice(0, 10)
  .map((name) => ({ name: `Club ${name}`, category: "service", summary: "short" }));
const members = people.map((user, i) => ({ club: `club ${people[i % 10] ?? ""}`, user }));

test.each([
  ["userImports.take", users, 40],
  ["clubImports.clubs", clubs, 10],
  ["clubImports.members", members, 40],
])(
  "%s answers the same again, also to two at once; another import finds nothing to do",
  async (action, cells, rows) => {
    const dry = await take(action, batchOf(cells, true));
    expect(words(dry)).toEqual(Array(rows).fill("created"));
    const batch = batchOf([...cells, cells[0] as Record<string, string>]);
    const created = [...Array<string>(rows).fill("created"), "unchanged"];
    const both = await Promise.all([take(action, batch), take(action, batch)]);
    expect(both.map(words)).toEqual([created, created]);
    expect(words(await take(action, batch))).toEqual(created);
    expect(words(await take(action, batchOf(cells)))).toEqual(Array(rows).fill("unchanged"));
  },
);

test("counts of members are those of their rows", async () => {
  const { items } = await place.broker
    .call<{ memberCount: number }[], object>("clubs.page", { after: null, limit: 100 })
    .then((all) => ({ items: all }));
  // Each has its president and four more.
  expect(items.map(({ memberCount }) => memberCount)).toEqual(Array(10).fill(5));
});

import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { ServiceSchema } from "moleculer";
import { newId } from "../../lib/ids.ts";
import type { Answer } from "../../lib/declare.ts";
import { COMMANDS, runCommand } from "../../scripts/repl-commands.ts";
import { METRICS } from "../../services/admin/statistics.contract.ts";
import { startOffice } from "../support/admin.ts";
import type { Office } from "../support/admin.ts";
import { eventually } from "../support/eventually.ts";
import { message } from "../support/statistics.ts";

type Statistics = Answer<"statistics.get">;
const DAY = 86_400_000;
const CLUBS = [newId(), newId()] as const;

const clubs: ServiceSchema = {
  name: "clubs",
  actions: {
    records: () => CLUBS.map((id, i) => ({ id, name: i === 0 ? "=读书社" : "Chess, and more" })),
  },
};

let office: Office;
let token: string;

beforeAll(async () => {
  office = await startOffice({ services: [clubs] });
  ({ token } = await office.admin());
});
afterAll(() => office.stop());

const read = (query = ""): Promise<Statistics> => office.ok("GET", `/admin/statistics${query}`, { token });

const valuesOf = ({ series }: Statistics, metric: string): (number | null)[] =>
  series.find((each) => each.metric === metric)?.points.map(({ value }) => value) ?? [];

test("without a question there are the last thirty days of all metrics, with zeros", async () => {
  const answer = await read();
  expect(answer.bucket).toBe("day");
  expect(answer.timezone).toBe("Asia/Shanghai");
  expect(answer.series.map(({ metric }) => metric)).toEqual([...METRICS]);
  for (const { points } of answer.series) {
    expect(points).toHaveLength(30);
    // Midnight in Shanghai.
    expect(points.every(({ at }) => at.endsWith("T16:00:00.000Z"))).toBe(true);
  }
  expect(valuesOf(answer, "posts")).toEqual(Array.from({ length: 30 }, () => 0));
  expect(valuesOf(answer, "approval_seconds_p50")).toEqual(Array.from({ length: 30 }, () => null));
});

test("a registration is there within seconds, in the total and on this day", async () => {
  // The administrator has registered too, a moment ago.
  const before = await eventually(async () => {
    const now = await read("?metric=new_users,active_users");
    return now.totals.users > 0 ? now : undefined;
  });
  await office.public.register();
  const after = await eventually(async () => {
    const now = await read("?metric=new_users,active_users");
    return now.totals.users === before.totals.users + 1 ? now : undefined;
  });
  expect(after.series.map(({ metric }) => metric)).toEqual(["new_users", "active_users"]);
  expect(valuesOf(after, "new_users").at(-1)).toBe((valuesOf(before, "new_users").at(-1) ?? 0) + 1);
  expect(valuesOf(after, "active_users").at(-1)).toBe((valuesOf(before, "active_users").at(-1) ?? 0) + 1);
});

test("buckets follow the campus's clock", async () => {
  const hours = await read("?bucket=hour&metric=posts&from=2026-03-01T00:10:00Z&to=2026-03-01T02:00:00Z");
  expect(hours.series[0]?.points.map(({ at }) => at)).toEqual([
    "2026-03-01T00:00:00.000Z",
    "2026-03-01T01:00:00.000Z",
  ]);
  const weeks = await read(
    "?bucket=week&metric=posts&metric=comments&from=2026-03-04T00:00:00Z&to=2026-03-12T00:00:00Z",
  );
  expect(weeks.series.map(({ metric }) => metric)).toEqual(["posts", "comments"]);
  // Mondays in Shanghai.
  expect(weeks.series[0]?.points.map(({ at }) => at)).toEqual([
    "2026-03-01T16:00:00.000Z",
    "2026-03-08T16:00:00.000Z",
  ]);
  const months = await read("?bucket=month&metric=posts&from=2025-12-31T23:00:00Z&to=2026-02-28T16:00:00Z");
  expect(months.series[0]?.points.map(({ at }) => at)).toEqual([
    "2025-12-31T16:00:00.000Z",
    "2026-01-31T16:00:00.000Z",
  ]);
});

test("another campus time zone is in force with the next question", async () => {
  const set = (value: string) =>
    office.ok("PUT", "/admin/settings/campus.timezone", { token, body: { value } });
  const query = "?metric=posts&from=2026-03-08T12:00:00Z&to=2026-03-09T12:00:00Z";
  await set("America/New_York");
  const there = await eventually(async () => {
    const answer = await read(query);
    return answer.timezone === "America/New_York" ? answer : undefined;
  });
  // The clock is put forward on the first of the two days.
  expect([...(there.series[0]?.points ?? []).map(({ at }) => at), there.to]).toEqual([
    "2026-03-08T05:00:00.000Z",
    "2026-03-09T04:00:00.000Z",
    "2026-03-10T04:00:00.000Z",
  ]);
  await set("Asia/Shanghai");
  await eventually(async () => (await read(query)).timezone === "Asia/Shanghai" || undefined);
});

test.each([
  ["?metric=likes", "422 VALIDATION_FAILED metric=NOT_ALLOWED"],
  ["?metric=posts,", "422 VALIDATION_FAILED metric=NOT_ALLOWED"],
  ["?bucket=year", "422 VALIDATION_FAILED bucket=NOT_ALLOWED"],
  ["?from=yesterday", "422 VALIDATION_FAILED from=INVALID_FORMAT"],
  ["?from=2026-03-02T00:00:00Z&to=2026-03-02T00:00:00Z", "422 VALIDATION_FAILED to=NOT_AFTER_FROM"],
  [
    "?from=2026-01-01T00:00:00Z&to=2026-06-01T00:00:00Z&bucket=hour",
    "422 VALIDATION_FAILED to=TOO_MANY_POINTS",
  ],
  ["?from=1970-01-01T00:00:00Z&to=2199-01-01T00:00:00Z", "422 VALIDATION_FAILED to=TOO_MANY_POINTS"],
  ["?zone=UTC", "422 VALIDATION_FAILED zone=UNKNOWN_FIELD"],
])("GET /admin/statistics%s: %s", async (query, outcome) => {
  expect(await office.outcome("GET", `/admin/statistics${query}`, { token })).toBe(outcome);
  expect(await office.outcome("GET", `/admin/statistics.csv${query}`, { token })).toBe(outcome);
});

test("two thousand points are answered, in Chinese one more is refused", async () => {
  const from = Date.UTC(2020, 0, 1, 16);
  const query = (days: number): string =>
    `?metric=posts&from=${new Date(from).toISOString()}&to=${new Date(from + days * DAY).toISOString()}`;
  expect((await read(query(2_000))).series[0]?.points).toHaveLength(2_000);
  const { body } = await office.call<{ errors: { message: string }[] }>(
    "GET",
    `/admin/statistics${query(2_001)}`,
    {
      token,
      headers: { "accept-language": "zh-CN" },
    },
  );
  expect(body.errors[0]?.message).toBe("超过 2000 个数据点，请缩短时间范围或增大粒度。");
});

test("only administrators in a session of theirs see statistics, and not at the public gateway", async () => {
  const person = await office.public.register();
  for (const path of [
    "/admin/statistics",
    "/admin/statistics.csv",
    "/admin/statistics/clubs",
    "/admin/statistics/rebuild",
  ]) {
    expect(await office.outcome("GET", path)).toBe("401 UNAUTHENTICATED");
    expect(await office.outcome("GET", path, { token: person.token })).toMatch(/^401 /);
    expect((await office.public.call("GET", path, { token })).status).toBe(404);
  }
  expect(await office.outcome("POST", "/admin/statistics/rebuild")).toBe("401 UNAUTHENTICATED");
});

test("as CSV there is a line for each bucket, and names of clubs are no formulas", async () => {
  const { body: series } = await office.call<string>(
    "GET",
    "/admin/statistics.csv?metric=posts,attendance&from=2026-03-01T16:00:00Z&to=2026-03-03T16:00:00Z",
    { token },
  );
  expect(series).toBe(
    "at,attendance,posts\r\n2026-03-01T16:00:00.000Z,,0\r\n2026-03-02T16:00:00.000Z,,0\r\n",
  );
  await tellOfClubs();
  const answer = await office.ok<Answer<"statistics.clubs">>("GET", "/admin/statistics/clubs?limit=1", {
    token,
  });
  expect(answer.items).toEqual([
    {
      club: { id: CLUBS[0], name: "=读书社" },
      score: 9,
      activities: 1,
      applications: 0,
      signUps: 0,
      checkIns: 0,
      posts: 2,
    },
  ]);
  const csv = await office.call<string>("GET", "/admin/statistics/clubs.csv", { token });
  expect(csv.body.split("\r\n").slice(0, 3)).toEqual([
    "id,name,score,activities,applications,signUps,checkIns,posts",
    `${CLUBS[0]},'=读书社,9,1,0,0,0,2`,
    `${CLUBS[1]},"Chess, and more",1,0,1,0,0,0`,
  ]);
});

async function tellOfClubs(): Promise<void> {
  const [first, second] = CLUBS;
  const post = { clubId: first, authorId: newId() };
  const messages = [
    message(
      "activities.published",
      { type: "activity", id: newId(), version: 2 },
      { clubId: first, title: "", publishedAt: Date.now() },
    ),
    message("posts.published", { type: "post", id: newId(), version: 1 }, post),
    message("posts.held", { type: "post", id: newId(), version: 1 }, post),
    message(
      "applications.submitted",
      { type: "application", id: newId(), version: 1 },
      { clubId: second, applicantId: newId() },
    ),
  ];
  for (const each of messages) await office.broker.call("statistics.onMessage", each);
}

test("a rebuild waits for a domain that is away, and is found by who asks again, also at the prompt", async () => {
  const path = "/admin/statistics/rebuild";
  expect(await office.outcome("GET", path, { token })).toBe("404 NOT_FOUND");
  const { status, body } = await office.call<Answer<"statistics.rebuild">>("POST", path, { token });
  expect(status).toBe(202);
  expect(body.rebuild).toMatchObject({ state: "running", source: "users", done: 0, endedAt: null });
  // There are no clubs to be read here.
  const there = await eventually(async () => {
    const now = await office.ok<Answer<"statistics.rebuilding">>("GET", path, { token });
    return now.source === "clubs" ? now : undefined;
  });
  expect(there).toMatchObject({ id: body.rebuild.id, state: "running" });
  expect(there.done).toBeGreaterThan(0);
  const again = await office.ok<Answer<"statistics.rebuild">>("POST", path, { token });
  expect(again.rebuild.id).toBe(body.rebuild.id);
  const printed: string[] = [];
  const command = COMMANDS.find((each) => each.command === "statistics-rebuild");
  if (!command) throw new Error("There is no such command.");
  await runCommand(office.broker, command, {}, (text) => printed.push(text));
  expect(printed).toEqual([
    `Rebuild ${body.rebuild.id} is at clubs, with ${there.done} facts read; it goes on by itself.`,
  ]);
});

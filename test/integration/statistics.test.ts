import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { ServiceSchema } from "moleculer";
import type { Envelope } from "../../lib/declare.ts";
import type { Database } from "../../lib/database.ts";
import type { HistoryPage } from "../../lib/facts.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { periodOf } from "../../services/admin/statistics-periods.ts";
import { liveGeneration, readPeriod, totalsOf } from "../../services/admin/statistics-reading.ts";
import { METRICS, UNITS } from "../../services/admin/statistics.contract.ts";
import { eventually } from "../support/eventually.ts";
import { startPlace } from "../support/place.ts";
import type { Place } from "../support/place.ts";
import { bucketNames, countedNaively, lifeOf, plans } from "../support/statistics.ts";
import type { Life, Numbers } from "../support/statistics.ts";

let place: Place;
let db: Database;
let history: Life["history"] | null = null;
/** Runs before each page of a history is answered. */
let onPage: () => Promise<void> = async () => undefined;

function standIn(name: string, domain: keyof Life["history"]): ServiceSchema {
  return {
    name,
    actions: {
      async page(ctx): Promise<HistoryPage> {
        await onPage();
        const { after } = ctx.params as { after: string | null };
        const { facts, rosters } = history?.[domain] ?? { facts: [], rosters: [] };
        const from = Number(after ?? 0);
        const next = from + 3 < facts.length ? String(from + 3) : null;
        return { facts: facts.slice(from, from + 3), rosters: from === 0 ? rosters : [], next };
      },
    },
  };
}

beforeAll(async () => {
  place = await startPlace(["admin"], {}, [
    standIn("userHistory", "users"),
    standIn("clubHistory", "clubs"),
    standIn("applicationHistory", "applications"),
    standIn("activityHistory", "activities"),
    standIn("postHistory", "posts"),
  ]);
  db = (place.broker.getLocalService("statistics") as unknown as DatabaseMethods).db;
});
afterAll(() => place.stop());
beforeEach(() => {
  onPage = async () => undefined;
  history = null;
});

/** Nothing was ever counted. */
async function empty(): Promise<void> {
  const tables = [
    "facts",
    "buckets",
    "club_buckets",
    "people",
    "active",
    "approvals",
    "rosters",
    "clubs",
    "memos",
    "days",
  ];
  for (const table of tables) await db.primary.run(`DELETE FROM statistics_${table}`);
  await db.primary.run("DELETE FROM statistics_generations WHERE state <> 'live'");
  await db.primary.run(
    `UPDATE statistics_generations SET users = 0, applications = 0, activities = 0, participations = 0, posts = 0,
     comments = 0`,
  );
}

const deliver = (messages: readonly Envelope[]): Promise<unknown> =>
  Promise.all(messages.map((message) => place.broker.call("statistics.onMessage", message)));

async function numbers(unit: (typeof UNITS)[number], timezone: string): Promise<Numbers> {
  const period = periodOf(unit, timezone, FROM - 1, FROM + 9 * DAY, 2_000);
  if (!period) throw new Error("too many points");
  const generation = await liveGeneration(db.primary);
  const { series } = await readPeriod(db, generation, period, METRICS, Date.now());
  const nameOf = bucketNames(unit, timezone);
  const found: Numbers = {};
  for (const [metric, values] of series)
    for (const [i, value] of values.entries()) {
      const key = nameOf(period.borders[i] as number);
      // Each bucket is there once.
      expect(found[metric]?.[`${key} again`]).toBeUndefined();
      const nothing = metric === "attendance" || metric.startsWith("approval_seconds") ? null : 0;
      if (value !== nothing) (found[metric] ??= {})[key] = value as number;
    }
  return found;
}

async function check(life: Life, unit: (typeof UNITS)[number], timezone: string): Promise<void> {
  expect(await numbers(unit, timezone)).toEqual(countedNaively(life, bucketNames(unit, timezone)));
  expect(await totalsOf(db.primary, await liveGeneration(db.primary))).toEqual(life.totals);
}

const DAY = 86_400_000;
/** In these nine days the clock is changed in New York (8 March). */
const FROM = Date.UTC(2026, 2, 4);
const zone = fc.constantFrom(
  "Asia/Shanghai",
  "America/New_York",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "UTC",
);
const order = fc.infiniteStream(fc.nat({ max: 1_000_000 }));

/** In another order, some of it twice. */
function shuffled<T>(all: readonly T[], draws: Iterator<number>): T[] {
  const next = (): number => Number(draws.next().value);
  const twice = all.flatMap((each) => (next() % 3 === 0 ? [each, each] : [each]));
  return twice
    .map((each) => ({ each, place: next() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ each }) => each);
}

test("whatever happens, told in any order, twice and at once, is counted as it happened", async () => {
  await fc.assert(
    fc.asyncProperty(
      plans(FROM, 8 * 24),
      fc.constantFrom(...UNITS),
      zone,
      order,
      async (plan, unit, timezone, draws) => {
        await empty();
        const life = lifeOf(plan);
        const messages = shuffled(life.messages, draws[Symbol.iterator]());
        const half = messages.length >> 1;
        await deliver(messages.slice(0, half));
        // Reading between must leave nothing behind that is not true later.
        await numbers(unit, timezone);
        await deliver(messages.slice(half));
        await check(life, unit, timezone);
        await deliver(messages.toReversed());
        await check(life, unit, timezone);
      },
    ),
    { numRuns: 20 },
  );
}, 120_000);

test("without what stands with each subject a repeat is counted twice", async () => {
  await empty();
  const [plan] = fc.sample(plans(FROM, 8 * 24), { numRuns: 1, seed: 7 });
  const life = lifeOf(plan as NonNullable<typeof plan>);
  await deliver(life.messages);
  await check(life, "day", "UTC");
  await db.primary.run("DELETE FROM statistics_facts");
  await db.primary.run("DELETE FROM statistics_approvals");
  await deliver(life.messages);
  await expect(check(life, "day", "UTC")).rejects.toThrow();
});

test("a rebuild comes to the same while messages come in, late ones and repeated ones", async () => {
  await fc.assert(
    fc.asyncProperty(plans(FROM, 8 * 24), order, async (plan, draws) => {
      await empty();
      const life = lifeOf({
        ...plan,
        // Whoever was not there did nothing that a domain could remember.
        people: plan.people.map(({ at, end }) => ({ at, end: end === "undone" ? "erased" : end })),
      });
      const each = draws[Symbol.iterator]();
      const messages = shuffled(life.messages, each);
      // What the domains know by now; some of it was told before, some comes while they are read, some after.
      const registered = messages.filter(({ type }) => type.startsWith("users."));
      const others = messages.filter(({ type }) => !type.startsWith("users."));
      await deliver([...registered, ...others.slice(0, others.length / 3)]);
      history = life.history;
      const rest = others.slice(others.length / 3);
      const late = rest.splice(rest.length / 2);
      onPage = async () => void (await deliver(rest.splice(0, 2)));
      const before = await liveGeneration(db.primary);
      await rebuilt();
      expect(await liveGeneration(db.primary)).toBeGreaterThan(before);
      await deliver([...rest, ...late]);
      await check(life, "day", "America/New_York");
    }),
    { numRuns: 8, endOnFailure: true },
  );
}, 120_000);

async function rebuilt(): Promise<void> {
  await place.broker.call("statistics.beginRebuild");
  await eventually(async () => {
    const building = await db.primary.number(
      "SELECT COUNT(*) AS n FROM statistics_generations WHERE state = 'building'",
    );
    return building === 0 || undefined;
  });
}

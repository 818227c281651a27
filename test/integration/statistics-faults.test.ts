/** Who counts dies at any point; two do the same work; thousands come at once. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { ServiceSchema } from "moleculer";
import type { Database } from "../../lib/database.ts";
import type { Envelope } from "../../lib/declare.ts";
import { contentFact, personFact } from "../../lib/facts.ts";
import type { Fact, HistoryPage } from "../../lib/facts.ts";
import { newId } from "../../lib/ids.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { liveGeneration, totalsOf } from "../../services/admin/statistics-reading.ts";
import { Rebuilder } from "../../services/admin/statistics-rebuild.ts";
import { eventually } from "../support/eventually.ts";
import { startPlace } from "../support/place.ts";
import type { Place } from "../support/place.ts";
import { message } from "../support/statistics.ts";

let folder: string;
let place: Place;
let db: Database;
/** Of users and of posts. */
const facts: Record<string, Fact[]> = { userHistory: [], postHistory: [] };
/** What was asked, `<service> <after>`; posts are away while `away` is set. */
let asked: string[] = [];
let away = false;

function standIn(name: string): ServiceSchema {
  return {
    name,
    actions: {
      page(ctx): HistoryPage {
        const { after } = ctx.params as { after: string | null };
        asked.push(`${name} ${after ?? "first"}`);
        if (away && name === "postHistory" && after === "2") throw new Error("The domain is away.");
        const from = Number(after ?? 0);
        const own = facts[name] ?? [];
        return {
          facts: own.slice(from, from + 2),
          rosters: [],
          next: from + 2 < own.length ? String(from + 2) : null,
        };
      },
    },
  };
}

async function start(): Promise<void> {
  const names = ["userHistory", "clubHistory", "applicationHistory", "activityHistory", "postHistory"];
  place = await startPlace(["admin"], { DATA_DIR: folder }, names.map(standIn));
  db = (place.broker.getLocalService("statistics") as unknown as DatabaseMethods).db;
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "club-alliance-statistics-"));
});
beforeEach(async () => {
  asked = [];
  away = false;
  await start();
});
afterEach(() => place.stop());
afterAll(() => rm(folder, { recursive: true, force: true }));

const tell = (envelope: Envelope): Promise<unknown> => place.broker.call("statistics.onMessage", envelope);
const totals = async () => totalsOf(db.primary, await liveGeneration(db.primary));
const post = (): Envelope =>
  message("posts.published", { type: "post", id: newId(), version: 1 }, { clubId: null, authorId: newId() });

/** Puts something around each transaction of the service until it is undone. */
function around(change: (real: Database["transaction"]) => Database["transaction"]): () => void {
  const real = db.transaction.bind(db);
  db.transaction = change(real);
  return () => {
    db.transaction = real;
  };
}

test("who dies before the commit has counted nothing, who dies after it has counted once", async () => {
  const before = (await totals()).posts;
  const [early, late] = [post(), post()];
  let mend = around(
    (real) => (work, origin) =>
      real(async (tx) => {
        await work(tx);
        throw new Error("It dies before the commit.");
      }, origin),
  );
  await expect(tell(early)).rejects.toThrow();
  mend();
  expect((await totals()).posts).toBe(before);
  mend = around((real) => async (work, origin) => {
    await real(work, origin);
    throw new Error("It dies after the commit.");
  });
  await expect(tell(late)).rejects.toThrow();
  mend();
  expect((await totals()).posts).toBe(before + 1);
  await Promise.all([tell(early), tell(late), tell(early), tell(late)]);
  expect((await totals()).posts).toBe(before + 2);
});

test("what cannot be counted does not keep what comes with it from being counted", async () => {
  const before = (await totals()).posts;
  const broken = message("posts.published", { type: "post", id: newId(), version: 1 }, { clubId: null });
  const outcomes = await Promise.allSettled([post(), broken, post()].map(tell));
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect((await totals()).posts).toBe(before + 2);
});

test("the writes of a rush are counted together", async () => {
  const roster = `${newId()}:0`;
  const before = (await totals()).participations;
  const writes = Array.from({ length: 50 }, (_, write) => {
    const people = Array.from({ length: 100 }, (_, i) => ({
      key: `${roster.slice(24, 36)}-${write}-${i}`,
      user: newId(),
      status: "confirmed",
      op: (write + 2) * 1_000 + i,
      admittedAt: Date.now(),
      checkedInAt: null,
    }));
    const data = {
      activityId: newId(),
      clubId: newId(),
      occurrence: 0,
      startsAt: 0,
      endsAt: 1,
      cancelled: false,
      people,
    };
    return message("participations.recorded", { type: "roster", id: roster, version: write + 2 }, data);
  });
  let transactions = 0;
  const mend = around((real) => (work, origin) => {
    transactions++;
    return real(work, origin);
  });
  await Promise.all(writes.map(tell));
  mend();
  expect((await totals()).participations).toBe(before + 5_000);
  // The first alone, then a thousand people at a time.
  expect(transactions).toBeLessThanOrEqual(7);
});

const building = (): Promise<number> =>
  db.primary.number("SELECT COUNT(*) AS n FROM statistics_generations WHERE state = 'building'");

test("another node goes on with a rebuild where it was left; two at once count once", async () => {
  facts["userHistory"] = Array.from({ length: 5 }, () => personFact(newId()));
  facts["postHistory"] = Array.from({ length: 5 }, () =>
    contentFact("post", newId(), null, newId(), 1, true),
  );
  away = true;
  await place.broker.call("statistics.beginRebuild");
  await eventually(async () => asked.includes("postHistory 2") || undefined);
  const told = post();
  await tell(told);
  await place.stop();
  await start();
  asked = [];
  away = false;
  // The lease of the one that died runs out.
  await db.primary.run("UPDATE statistics_generations SET lease_until = 0");
  const nodes = Array.from({ length: 3 }, () => new Rebuilder(place.broker, db));
  await Promise.all(nodes.map((node) => node.work()));
  await eventually(async () => (await building()) === 0 || undefined);
  expect(asked.filter((each) => each.endsWith("first"))).toEqual([]);
  expect(asked).toContain("postHistory 4");
  expect(await totals()).toMatchObject({ users: 5, posts: 6 });
  await tell(told);
  expect((await totals()).posts).toBe(6);
});

test("what a rebuild has replaced is deleted after a while, what is live stays", async () => {
  await place.broker.call("statistics.beginRebuild");
  await eventually(async () => (await building()) === 0 || undefined);
  const live = await liveGeneration(db.primary);
  const { users } = await totals();
  await db.primary.run("UPDATE statistics_generations SET ended_at = 1 WHERE state = 'old'");
  const generations = async (): Promise<number> =>
    db.primary.number("SELECT COUNT(*) AS n FROM statistics_generations");
  await eventually(async () => {
    await new Rebuilder(place.broker, db).work();
    return (await generations()) === 1 || undefined;
  });
  for (const table of [
    "facts",
    "buckets",
    "club_buckets",
    "people",
    "active",
    "rosters",
    "clubs",
    "memos",
    "days",
  ])
    expect(
      await db.primary.number(`SELECT COUNT(*) AS n FROM statistics_${table} WHERE generation <> :live`, {
        live,
      }),
    ).toBe(0);
  expect((await totals()).users).toBe(users);
});

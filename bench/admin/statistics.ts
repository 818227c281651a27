/** A year of statistics by day over five million events, with events that keep coming in. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { v7 } from "uuid";
import { Database } from "../../lib/database.ts";
import { contentFact } from "../../lib/facts.ts";
import { Migrations } from "../../lib/migrations.ts";
import { readSettings } from "../../lib/settings.ts";
import { connect, storeFile } from "../../mixins/database.ts";
import { count } from "../../services/admin/statistics-counting.ts";
import { slotsFrom } from "../../services/admin/statistics-people.ts";
import { periodOf } from "../../services/admin/statistics-periods.ts";
import { readPeriod, totalsOf } from "../../services/admin/statistics-reading.ts";
import { METRICS, UNITS } from "../../services/admin/statistics.contract.ts";
import { table, timesOf } from "./table.ts";

const DAY = 86_400_000;
const QUARTER = 900_000;
const DAYS = 365;
const END = Date.UTC(2026, 0, 1);
const BEGIN = END - DAYS * DAY;
const PEOPLE = 30_000;
const QUARTERS = (DAYS * DAY) / QUARTER;
/** In a quarter of an hour: some 5.1 million events in a year, 3.1 million of them another person's first in it. */
const ACTIVE = 90;
const EACH = {
  new_users: 1,
  applications: 8,
  approvals: 5,
  sign_ups: 70,
  check_ins: 45,
  posts: 6,
  comments: 11,
};
const ROSTERS = 30_000;
const GOAL = 100;

/** Fills a store in a folder of its own and prints what reading takes. */
export async function measure(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-bench-"));
  const settings = readSettings({ DATA_DIR: folder, PORT: "0" });
  const sequelize = connect(settings, "admin");
  try {
    await new Migrations(sequelize, "admin").up();
    const db = new Database(sequelize);
    const start = performance.now();
    await fill(db);
    const events = QUARTERS * Object.values(EACH).reduce((sum, each) => sum + each, 0);
    const size = statSync(storeFile(settings, "admin")).size / 1_048_576;
    console.log(
      `${(events / 1e6).toFixed(1)} million events of ${PEOPLE} people, written in ${((performance.now() - start) / 1_000).toFixed(0)} s; ` +
        `the store has ${size.toFixed(0)} MB without what stands with each subject.\n`,
    );
    await report(db);
  } finally {
    await sequelize.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What counting would leave, by statements that make thousands of rows at once. */
async function fill(db: Database): Promise<void> {
  const series = (n: number): string =>
    `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${n - 1})`;
  const columns = Object.keys(EACH);
  await db.primary.run(
    `${series(QUARTERS)} INSERT INTO statistics_buckets
     (generation, bucket, ${columns.join(", ")}, new_clubs, activities, active_changes)
     SELECT 1, ${BEGIN} + i * ${QUARTER}, ${Object.values(EACH).join(", ")}, 0, 1, ${ACTIVE} FROM n`,
  );
  await db.primary.run(
    `${series(DAYS)} INSERT INTO statistics_days (generation, day, changes) SELECT 1, ${BEGIN} + i * ${DAY}, 1 FROM n`,
  );
  // Built at the end, which takes a third of the time.
  await db.primary.run("DROP INDEX statistics_active_person");
  // A month of quarters at a time; people by a step that meets each once in a quarter.
  for (let first = 0; first < QUARTERS; first += 2_880) {
    const quarters = Math.min(2_880, QUARTERS - first);
    await db.primary.run(
      `${series(quarters * ACTIVE)} INSERT INTO statistics_active (generation, slot, person)
       SELECT 1, ${slotsFrom(BEGIN)} + (${first} + i / ${ACTIVE}) * ${slotsFrom(QUARTER)}
         + 1 + ((${first} + i / ${ACTIVE}) * 7919 + (i % ${ACTIVE}) * 331) % ${PEOPLE},
         1 + ((${first} + i / ${ACTIVE}) * 7919 + (i % ${ACTIVE}) * 331) % ${PEOPLE} FROM n`,
    );
  }
  await db.primary.run("CREATE INDEX statistics_active_person ON statistics_active (generation, person)");
  await db.primary.run(
    `${series(QUARTERS * EACH.approvals)} INSERT INTO statistics_approvals (generation, bucket, took, id)
     SELECT 1, ${BEGIN} + (i / ${EACH.approvals}) * ${QUARTER}, (i * 48271) % 600000000, 'application:' || i FROM n`,
  );
  await db.primary.run(
    `${series(ROSTERS)} INSERT INTO statistics_rosters
     (generation, id, version, starts_at, ends_at, cancelled, confirmed, checked_in)
     SELECT 1, 'roster:' || i, 2, ${BEGIN} + i * ${Math.floor((DAYS * DAY) / ROSTERS)},
     ${BEGIN} + i * ${Math.floor((DAYS * DAY) / ROSTERS)} + 3600000, 0, 80, 50 FROM n`,
  );
}

async function report(db: Database): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const unit of UNITS) {
    // No more points than are answered.
    const from = unit === "hour" ? END - 80 * DAY : BEGIN;
    const read = async (timezone = "Asia/Shanghai"): Promise<void> => {
      const period = periodOf(unit, timezone, from, END, 2_000);
      if (!period) throw new Error("Too many points.");
      await readPeriod(db, 1, period, METRICS, END);
      await totalsOf(db.primary, 1);
    };
    const [first] = await timesOf(1, () => read());
    const again = await timesOf(20, () => read());
    const busy = await timesOf(
      20,
      async () => {
        await read();
      },
      () => tell(db),
    );
    rows.push([unit, first?.toFixed(0) ?? "", ...p50and95(again), ...p50and95(busy)]);
    if (unit === "day")
      rows.push([
        "day, another zone",
        (await timesOf(1, () => read("Asia/Kathmandu")))[0]?.toFixed(0) ?? "",
        "",
        "",
        "",
        "",
      ]);
  }
  console.log(
    table(["a year by", "for the first time", "again p50", "p95", "after new events p50", "p95"], rows),
  );
  const days = rows.find(([unit]) => unit === "day") ?? [];
  const worst = Math.max(Number(days[3]), Number(days[5]));
  console.log(
    `\nMilliseconds of CPU. Goal: a year by day at most ${GOAL} ms p95: ${worst <= GOAL ? "pass" : "**fail**"}.`,
  );
}

/** A comment of somebody on the last day. */
async function tell(db: Database): Promise<void> {
  const id = v7({ msecs: END - 1 - Math.floor(Math.random() * DAY) });
  const fact = contentFact("comment", id, null, v7(), 1, true);
  await db.transaction((tx) => count(tx, 1, { facts: [fact], rosters: [] }));
}

function p50and95(times: number[]): string[] {
  return [0.5, 0.95].map((part) => (times[Math.ceil(part * times.length) - 1] ?? 0).toFixed(0));
}

/**
 * The counts of buckets, and the numbers in them that are no sums: how many different people, and percentiles. What was
 * found for a bucket is kept with how often its days had changed by then, so that it holds exactly until something is
 * counted in them, and nobody has to take it back. A late event, or another time zone, costs the buckets that it meets.
 */
import { isDuplicate } from "../../lib/database.ts";
import type { Database, Statements } from "../../lib/database.ts";
import { COUNTED } from "../../lib/facts.ts";
import type { Counted } from "../../lib/facts.ts";
import { slotsFrom } from "./statistics-people.ts";
import { evenParts, grouped, indexOf } from "./statistics-periods.ts";
import type { Part, Period } from "./statistics-periods.ts";
import { inChunks, insertMany } from "./statistics-rows.ts";
import { DAY } from "./statistics-tally.ts";

const SUMS = [...COUNTED, "active_changes"] as const;
type Sums = Record<Counted | "active_changes", number>;

interface Distinct {
  activeUsers: number;
  /** Milliseconds, by the nearest rank; null of nothing. */
  p50: number | null;
  p90: number | null;
}
export type Counts = Sums & Distinct;

type Memo = Sums & {
  begins_at: number;
  ends_at: number;
  stamp: number;
  active_users: number;
  p50: number | null;
  p90: number | null;
};

/** The counts of each bucket of a period. */
export async function countsOf(db: Database, generation: number, period: Period): Promise<Counts[]> {
  const { unit, borders } = period;
  // Read before what is counted: what changes meanwhile makes a memo stale, never wrong.
  const stamps = await stampsOf(db.primary, generation, borders);
  const range = { from: borders[0] as number, until: borders.at(-1) as number };
  const known = await db.primary.all<Memo>(
    `SELECT begins_at, ends_at, stamp, ${SUMS.join(", ")}, active_users, p50, p90 FROM statistics_memos
     WHERE generation = :generation AND unit = :unit AND begins_at >= :from AND begins_at < :until`,
    { generation, unit, ...range },
  );
  const byBegin = new Map(known.map((memo) => [memo.begins_at, memo]));
  const memos = stamps.map((_, i) => {
    const memo = byBegin.get(borders[i] as number);
    return memo?.ends_at === borders[i + 1] ? memo : undefined;
  });
  const stale = stamps.flatMap((stamp, i) => (stamp > 0 && memos[i]?.stamp !== stamp ? [i] : []));
  const sums = await sumsOf(db.primary, generation, period, stale);
  const made: Memo[] = [];
  for (const i of stale) {
    const [begins_at, ends_at] = [borders[i] as number, borders[i + 1] as number];
    const sum = sums[i] ?? zeros();
    const {
      activeUsers: active_users,
      p50,
      p90,
    } = await distinctOf(db.primary, generation, begins_at, ends_at, sum, memos[i]);
    const memo = { begins_at, ends_at, stamp: stamps[i] as number, ...sum, active_users, p50, p90 };
    made.push(memo);
    memos[i] = memo;
  }
  await keep(db, generation, unit, made);
  return memos.map((memo, i) => (memo && stamps[i] ? countsIn(memo) : { ...zeros(), ...NOTHING }));
}

const NOTHING: Distinct = { activeUsers: 0, p50: null, p90: null };

function zeros(): Sums {
  return Object.fromEntries(SUMS.map((name) => [name, 0])) as Sums;
}

function countsIn({ active_users: activeUsers, p50, p90, ...memo }: Memo): Counts {
  const sums = Object.fromEntries(SUMS.map((name) => [name, memo[name]])) as Sums;
  return { ...sums, activeUsers, p50, p90 };
}

/** How often the days of UTC that a bucket has a part in were changed. */
async function stampsOf(db: Statements, generation: number, borders: readonly number[]): Promise<number[]> {
  const dayOf = (at: number): number => Math.floor(at / DAY) * DAY;
  const rows = await db.all<{ day: number; changes: number }>(
    "SELECT day, changes FROM statistics_days WHERE generation = :generation AND day >= :from AND day < :until",
    { generation, from: dayOf(borders[0] as number), until: borders.at(-1) as number },
  );
  const changes = new Map(rows.map((row) => [row.day, row.changes]));
  return borders.slice(0, -1).map((begin, i) => {
    let sum = 0;
    for (let day = dayOf(begin); day < (borders[i + 1] as number); day += DAY) sum += changes.get(day) ?? 0;
    return sum;
  });
}

/** Sums of the buckets named, and perhaps of some between them. */
async function sumsOf(
  db: Statements,
  generation: number,
  period: Period,
  wanted: readonly number[],
): Promise<Sums[]> {
  const sums: Sums[] = [];
  for (const [first, last] of runsOf(wanted)) {
    const borders = period.borders.slice(first, last + 2);
    for (const part of evenParts({ timezone: period.timezone, borders }))
      await sumPart(db, generation, period, part, sums);
  }
  return sums;
}

/** First and last of numbers that follow each other. */
function runsOf(numbers: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const each of numbers) {
    const run = runs.at(-1);
    if (run && run[1] === each - 1) run[1] = each;
    else runs.push([each, each]);
  }
  return runs;
}

async function sumPart(
  db: Statements,
  generation: number,
  period: Period,
  part: Part,
  sums: Sums[],
): Promise<void> {
  const { key, values, begin } = grouped("bucket", part, period);
  const rows = await db.all<Record<keyof Sums | "begins", number | string>>(
    `SELECT ${key} AS begins, ${SUMS.map((name) => `SUM(${name}) AS ${name}`).join(", ")} FROM statistics_buckets
     WHERE generation = :generation AND bucket >= :from AND bucket < :until GROUP BY begins`,
    { generation, ...values, from: part.from, until: part.until },
  );
  for (const row of rows) {
    const sum = (sums[indexOf(period, begin(row.begins))] ??= zeros());
    for (const name of SUMS) sum[name] += Number(row[name]);
  }
}

/** The day may have changed elsewhere than in this hour: then what is no sum is what it was. */
async function distinctOf(
  db: Statements,
  generation: number,
  from: number,
  until: number,
  { active_changes: changes, approvals }: Sums,
  memo: Memo | undefined,
): Promise<Distinct> {
  const activeUsers =
    memo?.active_changes === changes
      ? memo.active_users
      : await db.number(
          `SELECT COUNT(DISTINCT person) AS n FROM statistics_active
           WHERE generation = :generation AND slot >= :from AND slot < :until`,
          { generation, from: slotsFrom(from), until: slotsFrom(until) },
        );
  if (memo?.approvals === approvals) return { activeUsers, p50: memo.p50, p90: memo.p90 };
  const ranked = async (share: number): Promise<number | null> => {
    if (approvals === 0) return null;
    const row = await db.one<{ took: number }>(
      `SELECT took FROM statistics_approvals WHERE generation = :generation AND bucket >= :from AND bucket < :until
       ORDER BY took LIMIT 1 OFFSET ${Math.ceil(share * approvals) - 1}`,
      { generation, from, until },
    );
    return row?.took ?? null;
  };
  return { activeUsers, p50: await ranked(0.5), p90: await ranked(0.9) };
}

/** Two that look at once have found the same: one of them keeps it. */
async function keep(db: Database, generation: number, unit: string, memos: readonly Memo[]): Promise<void> {
  if (memos.length === 0) return;
  try {
    await db.transaction(async (tx) => {
      for (const some of inChunks(memos))
        await tx.run(
          "DELETE FROM statistics_memos WHERE generation = :generation AND unit = :unit AND begins_at IN (:some)",
          { generation, unit, some: some.map(({ begins_at: at }) => at) },
        );
      await insertMany(
        tx,
        "statistics_memos",
        memos.map((memo) => ({ generation, unit, ...memo })),
      );
    });
  } catch (error) {
    if (!isDuplicate(error)) throw error;
  }
}

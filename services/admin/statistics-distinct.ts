/**
 * Numbers that are no sums: how many different people, and percentiles. What was found for a bucket is kept with how much
 * had been counted in it by then, so that it holds exactly as long as nothing is counted in it, and nobody has to take
 * it back. A late event, or another time zone, costs the buckets that it concerns.
 */
import { isDuplicate } from "../../lib/database.ts";
import type { Database, Statements } from "../../lib/database.ts";
import { slotsFrom } from "./statistics-people.ts";
import type { Period } from "./statistics-periods.ts";
import type { Summed } from "./statistics-reading.ts";
import { inChunks, insertMany } from "./statistics-rows.ts";

export interface Distinct {
  activeUsers: number;
  /** Milliseconds, by the nearest rank; null of nothing. */
  p50: number | null;
  p90: number | null;
}

interface Memo {
  begins_at: number;
  ends_at: number;
  active_changes: number;
  active_users: number;
  approvals: number;
  p50: number | null;
  p90: number | null;
}

const NOTHING: Distinct = { activeUsers: 0, p50: null, p90: null };

/** @param sums of the period's buckets, read before: what is counted meanwhile makes a memo stale, never wrong */
export async function distinctIn(
  db: Database,
  generation: number,
  { unit, borders }: Period,
  sums: readonly Summed[],
): Promise<Distinct[]> {
  const known = await db.primary.all<Memo>(
    `SELECT begins_at, ends_at, active_changes, active_users, approvals, p50, p90 FROM statistics_memos
     WHERE generation = :generation AND unit = :unit AND begins_at >= :from AND begins_at < :until`,
    { generation, unit, from: borders[0] as number, until: borders.at(-1) as number },
  );
  const memos = new Map(known.map((memo) => [memo.begins_at, memo]));
  const found: Distinct[] = [];
  const made: Memo[] = [];
  for (const [i, { active_changes, approvals }] of sums.entries()) {
    const [begins_at, ends_at] = [borders[i] as number, borders[i + 1] as number];
    const memo = memos.get(begins_at);
    if (active_changes === 0 && approvals === 0) found.push(NOTHING);
    else if (
      memo?.ends_at === ends_at &&
      memo.active_changes === active_changes &&
      memo.approvals === approvals
    )
      found.push({ activeUsers: memo.active_users, p50: memo.p50, p90: memo.p90 });
    else {
      const bucket = await look(db.primary, generation, begins_at, ends_at, approvals);
      found.push(bucket);
      const { activeUsers: active_users, p50, p90 } = bucket;
      made.push({ begins_at, ends_at, active_changes, active_users, approvals, p50, p90 });
    }
  }
  await keep(db, generation, unit, made);
  return found;
}

async function look(
  db: Statements,
  generation: number,
  from: number,
  until: number,
  approvals: number,
): Promise<Distinct> {
  const activeUsers = await db.number(
    `SELECT COUNT(DISTINCT person) AS n FROM statistics_active
     WHERE generation = :generation AND slot >= :from AND slot < :until`,
    { generation, from: slotsFrom(from), until: slotsFrom(until) },
  );
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

/** The most active clubs of a period. */
import type { Statements } from "../../lib/database.ts";
import type { Ctx } from "../../lib/implement.ts";
import { liveGeneration } from "./statistics-reading.ts";
import { DAY, QUARTER } from "./statistics-tally.ts";
import type { ClubActivity } from "./statistics.contract.ts";

interface Row {
  club_id: string;
  score: number | string;
  activities: number | string;
  applications: number | string;
  sign_ups: number | string;
  check_ins: number | string;
  posts: number | string;
}

const SCORE = "SUM(5 * activities + 2 * posts + 2 * check_ins + applications + sign_ups)";

/** In whole quarters of an hour. */
export function clubPeriod(from: number, to: number): { from: number; to: number } {
  return { from: Math.floor(from / QUARTER) * QUARTER, to: Math.ceil(to / QUARTER) * QUARTER };
}

/** By days of UTC where the period has whole ones, and quarters of an hour before and behind them. */
export async function mostActive(
  ctx: Ctx,
  db: Statements,
  { from, to }: { from: number; to: number },
  limit: number,
): Promise<ClubActivity[]> {
  const firstDay = Math.min(to, Math.ceil(from / DAY) * DAY);
  const lastDay = Math.max(firstDay, Math.floor(to / DAY) * DAY);
  const part = (name: string): string =>
    `SELECT * FROM statistics_club_buckets WHERE generation = :generation AND span = :span${name}
     AND bucket >= :from${name} AND bucket < :until${name}`;
  const rows = await db.all<Row>(
    `SELECT club_id, ${SCORE} AS score, SUM(activities) AS activities, SUM(applications) AS applications,
     SUM(sign_ups) AS sign_ups, SUM(check_ins) AS check_ins, SUM(posts) AS posts
     FROM (${part("Head")} UNION ALL ${part("Days")} UNION ALL ${part("Tail")}) parts
     GROUP BY club_id HAVING ${SCORE} > 0 ORDER BY score DESC, club_id LIMIT ${limit}`,
    {
      generation: await liveGeneration(db),
      spanHead: QUARTER,
      fromHead: from,
      untilHead: firstDay,
      spanDays: DAY,
      fromDays: firstDay,
      untilDays: lastDay,
      spanTail: QUARTER,
      fromTail: lastDay,
      untilTail: to,
    },
  );
  const ids = rows.map(({ club_id: id }) => id);
  const clubs = ids.length > 0 ? await ctx.call("clubs.records", { ids }) : [];
  const names = new Map(clubs.map(({ id, name }) => [id, name]));
  return rows.map((row) => ({
    club: { id: row.club_id, name: names.get(row.club_id) ?? "" },
    score: Number(row.score),
    activities: Number(row.activities),
    applications: Number(row.applications),
    signUps: Number(row.sign_ups),
    checkIns: Number(row.check_ins),
    posts: Number(row.posts),
  }));
}

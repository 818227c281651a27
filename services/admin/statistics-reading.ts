/** What is answered from the counted: sums of quarters of an hour, put into the buckets of a time zone. */
import type { Database, Statements } from "../../lib/database.ts";
import { countsOf } from "./statistics-memos.ts";
import { evenParts, grouped, indexOf } from "./statistics-periods.ts";
import type { Part, Period } from "./statistics-periods.ts";
import type { Metric, Series, Totals } from "./statistics.contract.ts";

interface Held {
  confirmed: number;
  checkedIn: number;
}

export interface Reading {
  series: Map<Metric, (number | null)[]>;
  attendance: Held;
}

export async function liveGeneration(db: Statements): Promise<number> {
  return db.number("SELECT id FROM statistics_generations WHERE state = 'live'");
}

export async function totalsOf(db: Statements, generation: number): Promise<Totals> {
  const columns = ["users", "applications", "activities", "participations", "posts", "comments"] as const;
  const row = await db.one<Record<(typeof columns)[number], number>>(
    `SELECT ${columns.join(", ")} FROM statistics_generations WHERE id = :generation`,
    { generation },
  );
  const clubs = await db.one<{ clubs: number; members: number | string | null }>(
    "SELECT COUNT(*) AS clubs, SUM(members) AS members FROM statistics_clubs WHERE generation = :generation AND active = 1",
    { generation },
  );
  const of = (name: (typeof columns)[number]): number => row?.[name] ?? 0;
  return {
    users: of("users"),
    clubs: clubs?.clubs ?? 0,
    members: Number(clubs?.members ?? 0),
    applications: of("applications"),
    activities: of("activities"),
    participations: of("participations"),
    posts: of("posts"),
    comments: of("comments"),
  };
}

/** The metrics by bucket. @param now by which an occurrence is over or not (milliseconds) */
export async function readPeriod(
  db: Database,
  generation: number,
  period: Period,
  metrics: readonly Metric[],
  now: number,
): Promise<Reading> {
  const buckets = period.borders.length - 1;
  const held = Array.from({ length: buckets }, (): Held => ({ confirmed: 0, checkedIn: 0 }));
  for (const part of evenParts(period)) await attendancePart(db.primary, generation, period, part, now, held);
  const counts = await countsOf(db, generation, period);
  const series = new Map<Metric, (number | null)[]>();
  for (const metric of metrics)
    if (metric === "attendance") series.set(metric, held.map(rateOf));
    else if (metric === "active_users")
      series.set(
        metric,
        counts.map(({ activeUsers }) => activeUsers),
      );
    else if (metric === "approval_seconds_p50")
      series.set(
        metric,
        counts.map(({ p50 }) => seconds(p50)),
      );
    else if (metric === "approval_seconds_p90")
      series.set(
        metric,
        counts.map(({ p90 }) => seconds(p90)),
      );
    else
      series.set(
        metric,
        counts.map((each) => each[metric]),
      );
  const total = (name: keyof Held): number => held.reduce((sum, each) => sum + each[name], 0);
  return { series, attendance: { confirmed: total("confirmed"), checkedIn: total("checkedIn") } };
}

/** The share of the confirmed who came; null of nobody. */
export function rateOf({ confirmed, checkedIn }: Held): number | null {
  return confirmed === 0 ? null : Math.round((checkedIn / confirmed) * 10_000) / 10_000;
}

const seconds = (milliseconds: number | null): number | null =>
  milliseconds === null ? null : milliseconds / 1_000;

async function attendancePart(
  db: Statements,
  generation: number,
  period: Period,
  part: Part,
  now: number,
  held: Held[],
): Promise<void> {
  const { key, values, begin } = grouped("starts_at", part, period);
  const rows = await db.all<Record<"begins" | "confirmed" | "checked_in", number | string>>(
    `SELECT ${key} AS begins, SUM(confirmed) AS confirmed, SUM(checked_in) AS checked_in FROM statistics_rosters
     WHERE generation = :generation AND starts_at >= :from AND starts_at < :until AND ends_at <= :now
     AND cancelled = 0 GROUP BY begins`,
    { generation, ...values, from: part.from, until: part.until, now },
  );
  for (const row of rows) {
    const sum = held[indexOf(period, begin(row.begins))] as Held;
    sum.confirmed += Number(row.confirmed);
    sum.checkedIn += Number(row.checked_in);
  }
}

export function seriesOf({ borders }: Period, { series }: Reading): Series[] {
  return [...series].map(([metric, values]) => ({
    metric,
    points: values.map((value, i) => ({ at: new Date(borders[i] as number).toISOString(), value })),
  }));
}

/** What is answered from the counted: sums of quarters of an hour, put into the buckets of a time zone. */
import type { Database, Statements } from "../../lib/database.ts";
import { COUNTED } from "../../lib/facts.ts";
import type { Counted } from "../../lib/facts.ts";
import { distinctIn } from "./statistics-distinct.ts";
import { evenParts, indexOf, spanOf } from "./statistics-periods.ts";
import type { Period } from "./statistics-periods.ts";
import type { Metric, Series, Totals } from "./statistics.contract.ts";

export type Summed = Record<Counted | "active_changes", number>;
interface Held {
  confirmed: number;
  checkedIn: number;
}

export interface Reading {
  series: Map<Metric, (number | null)[]>;
  attendance: Held;
}

const SUMS = [...COUNTED, "active_changes" as const];
const DISTINCT: readonly Metric[] = ["active_users", "approval_seconds_p50", "approval_seconds_p90"];

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
  const sums = Array.from({ length: buckets }, zeros);
  const held = Array.from({ length: buckets }, (): Held => ({ confirmed: 0, checkedIn: 0 }));
  for (const part of evenParts(period)) {
    await sumPart(db.primary, generation, period, part, sums);
    await attendancePart(db.primary, generation, period, part, now, held);
  }
  const distinct = metrics.some((metric) => DISTINCT.includes(metric))
    ? await distinctIn(db, generation, period, sums)
    : [];
  const series = new Map<Metric, (number | null)[]>();
  for (const metric of metrics)
    if (metric === "attendance") series.set(metric, held.map(rateOf));
    else if (metric === "active_users")
      series.set(
        metric,
        distinct.map(({ activeUsers }) => activeUsers),
      );
    else if (metric === "approval_seconds_p50")
      series.set(
        metric,
        distinct.map(({ p50 }) => seconds(p50)),
      );
    else if (metric === "approval_seconds_p90")
      series.set(
        metric,
        distinct.map(({ p90 }) => seconds(p90)),
      );
    else
      series.set(
        metric,
        sums.map((sum) => sum[metric]),
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

function zeros(): Summed {
  return Object.fromEntries(SUMS.map((name) => [name, 0])) as Summed;
}

type Part = ReturnType<typeof evenParts>[number];

/** A group of rows begins where the hour, day or week of its first one does, or where the clock was changed since. */
function grouped(column: string, { offset, from }: Part, { unit }: Period) {
  const { span, shift } = spanOf(unit);
  return {
    key: `${column} - (${column} + :shift) % :span`,
    // More than nothing, so that the remainder is one of positive numbers.
    values: { shift: offset + shift + (offset + shift < 0 ? span : 0), span },
    begin: (at: number | string) => Math.max(from, Number(at)),
  };
}

async function sumPart(
  db: Statements,
  generation: number,
  period: Period,
  part: Part,
  sums: Summed[],
): Promise<void> {
  const { key, values, begin } = grouped("bucket", part, period);
  const rows = await db.all<Record<keyof Summed | "begins", number | string>>(
    `SELECT ${key} AS begins, ${SUMS.map((name) => `SUM(${name}) AS ${name}`).join(", ")} FROM statistics_buckets
     WHERE generation = :generation AND bucket >= :from AND bucket < :until GROUP BY begins`,
    { generation, ...values, from: part.from, until: part.until },
  );
  for (const row of rows) {
    const sum = sums[indexOf(period, begin(row.begins))] as Summed;
    for (const name of SUMS) sum[name] += Number(row[name]);
  }
}

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

/** What a batch of facts adds, until it is written in a few statements. */
import type { Row, Tx } from "../../lib/database.ts";
import { COUNTED } from "../../lib/facts.ts";
import type { Counted, Fact } from "../../lib/facts.ts";
import { insertMany, readMany, replaceMany } from "./statistics-rows.ts";

/** Every offset of a time zone is a multiple of it, so that whole hours and days of each are sums of these. */
export const QUARTER = 900_000;
export const DAY = 86_400_000;

const OF_CLUBS = ["activities", "applications", "sign_ups", "check_ins", "posts"] as const;
type OfClubs = (typeof OF_CLUBS)[number];
type Column = Counted | "active_changes";
type BucketRow = Record<Column | "generation" | "bucket", number>;
type ClubRow = { generation: number; span: number; bucket: number; club_id: string } & Record<
  OfClubs,
  number
>;

export function quarterOf(at: number): number {
  return Math.floor(at / QUARTER) * QUARTER;
}

export class Tally {
  readonly #buckets = new Map<number, Partial<Record<Column, number>>>();
  readonly #clubs = new Map<string, Omit<ClubRow, "generation">>();
  readonly #approvals: { bucket: number; took: number; id: string }[] = [];
  readonly #totals = new Map<string, number>();
  readonly #members = new Map<string, number>();
  /** By roster. */
  readonly places = new Map<string, { confirmed: number; checkedIn: number }>();
  /** Who did something in which quarter of an hour. */
  readonly doings: { user: string; bucket: number }[] = [];

  add(metric: Counted, at: number, { id, club, user, took }: Fact, by = 1): void {
    const bucket = quarterOf(at);
    this.addTo(metric, bucket, by);
    if (club !== null && isOfClubs(metric))
      for (const span of [QUARTER, DAY]) this.#addToClub(span, at, club, metric, by);
    if (user !== null && metric !== "approvals" && by > 0) this.doings.push({ user, bucket });
    if (metric === "approvals") this.#approvals.push({ bucket, took: Math.max(0, took ?? 0), id });
  }

  addTo(column: Column, bucket: number, by: number): void {
    const known = this.#buckets.get(bucket) ?? {};
    known[column] = (known[column] ?? 0) + by;
    this.#buckets.set(bucket, known);
  }

  addTotal(column: string, by: number): void {
    this.#totals.set(column, (this.#totals.get(column) ?? 0) + by);
  }

  addMember(club: string, by: number): void {
    this.#members.set(club, (this.#members.get(club) ?? 0) + by);
  }

  addPlace(roster: string, confirmed: number, checkedIn: number): void {
    const known = this.places.get(roster) ?? { confirmed: 0, checkedIn: 0 };
    this.places.set(roster, {
      confirmed: known.confirmed + confirmed,
      checkedIn: known.checkedIn + checkedIn,
    });
  }

  async write(tx: Tx, generation: number): Promise<void> {
    await this.#writeBuckets(tx, generation);
    await this.#writeDays(tx, generation);
    await this.#writeClubs(tx, generation);
    await this.#writeMembers(tx, generation);
    const approvals = this.#approvals.map((row) => ({ generation, ...row }));
    await insertMany(tx, "statistics_approvals", approvals);
    const totals = [...this.#totals].filter(([, by]) => by !== 0);
    if (totals.length > 0)
      await tx.run(
        `UPDATE statistics_generations SET ${totals.map(([name]) => `${name} = ${name} + :${name}`).join(", ")}
         WHERE id = :generation`,
        { ...Object.fromEntries(totals), generation },
      );
  }

  async #writeBuckets(tx: Tx, generation: number): Promise<void> {
    const table = "statistics_buckets";
    const known = await readMany<BucketRow>(tx, table, generation, "bucket", this.#buckets.keys());
    const byBucket = new Map(known.map((row) => [row.bucket, row]));
    const rows = [...this.#buckets].map(([bucket, added]): Row => {
      const before = byBucket.get(bucket);
      const counts = [...COUNTED, "active_changes" as const].map((column) => [
        column,
        (before?.[column] ?? 0) + (added[column] ?? 0),
      ]);
      return { generation, bucket, ...(Object.fromEntries(counts) as Record<Column, number>) };
    });
    await replaceMany(tx, table, generation, "bucket", new Set(byBucket.keys()), rows);
  }

  /** Days of UTC in which anything was counted: by this is seen what is still as it was. */
  async #writeDays(tx: Tx, generation: number): Promise<void> {
    const table = "statistics_days";
    const days = new Set([...this.#buckets.keys()].map((bucket) => Math.floor(bucket / DAY) * DAY));
    const rows = await readMany<{ day: number; changes: number }>(tx, table, generation, "day", days);
    const known = new Map(rows.map(({ day, changes }) => [day, changes]));
    const after = [...days].map((day) => ({ generation, day, changes: (known.get(day) ?? 0) + 1 }));
    await replaceMany(tx, table, generation, "day", new Set(known.keys()), after);
  }

  #addToClub(span: number, at: number, club: string, metric: OfClubs, by: number): void {
    const bucket = Math.floor(at / span) * span;
    const key = `${span}:${bucket}:${club}`;
    const zeros = { activities: 0, applications: 0, sign_ups: 0, check_ins: 0, posts: 0 };
    const known = this.#clubs.get(key) ?? { span, bucket, club_id: club, ...zeros };
    known[metric] += by;
    this.#clubs.set(key, known);
  }

  /** Of few clubs at many times, or of many at few. */
  async #writeClubs(tx: Tx, generation: number): Promise<void> {
    const places = Map.groupBy(this.#clubs.values(), ({ span, bucket }) => `${span}:${bucket}`);
    const rows: ClubRow[] = [];
    for (const some of places.values()) {
      const { span, bucket } = some[0] as ClubRow;
      const where = `WHERE generation = :generation AND span = :span AND bucket = :bucket AND club_id IN (:clubs)`;
      const values = { generation, span, bucket, clubs: some.map(({ club_id: club }) => club) };
      const known = await tx.all<ClubRow>(`SELECT * FROM statistics_club_buckets ${where}`, values);
      if (known.length > 0) await tx.run(`DELETE FROM statistics_club_buckets ${where}`, values);
      const before = new Map(known.map((row) => [row.club_id, row]));
      for (const row of some) {
        const sums = OF_CLUBS.map((name) => [name, row[name] + (before.get(row.club_id)?.[name] ?? 0)]);
        rows.push({ generation, ...row, ...(Object.fromEntries(sums) as Record<OfClubs, number>) });
      }
    }
    await insertMany(tx, "statistics_club_buckets", rows);
  }

  async #writeMembers(tx: Tx, generation: number): Promise<void> {
    for (const [id, by] of this.#members)
      if (by !== 0)
        await tx.run(
          "UPDATE statistics_clubs SET members = members + :by WHERE generation = :generation AND id = :id",
          { by, generation, id },
        );
  }
}

function isOfClubs(metric: Counted): metric is OfClubs {
  return (OF_CLUBS as readonly string[]).includes(metric);
}

/**
 * Counts everything anew: a generation of its own takes the history of each domain page by page while messages are
 * counted into it and into the live one, and takes that one's place at the end. A page and how far it reaches commit
 * together, so that whoever takes the work over goes on where it was left.
 */
import type { ServiceBroker } from "moleculer";
import type { Database, Tx } from "../../lib/database.ts";
import { UNDONE } from "../../lib/facts.ts";
import type { HistoryPage } from "../../lib/facts.ts";
import { newId } from "../../lib/ids.ts";
import { iso } from "../../lib/types.ts";
import { count, lockGenerations } from "./statistics-counting.ts";
import type { Generation } from "./statistics-counting.ts";
import type { Rebuild } from "./statistics.contract.ts";

/** In their order; people first, so that what erased ones did is not put in to be taken out again. */
const SOURCES = [
  { name: "users", action: "userHistory.page" },
  { name: "clubs", action: "clubHistory.page" },
  { name: "applications", action: "applicationHistory.page" },
  { name: "activities", action: "activityHistory.page" },
  { name: "posts", action: "postHistory.page" },
] as const;
const PAGE = 500;
/** Milliseconds. */
const LEASE = 15_000;
/** Readers of a generation that was replaced have ended by then. */
const GRACE = 60_000;
const DELETED_AT_ONCE = 2_000;
/** Each with the column that follows the generation in its key. */
const TABLES = {
  statistics_facts: "id",
  statistics_buckets: "bucket",
  statistics_club_buckets: "bucket",
  statistics_people: "user_id",
  statistics_active: "slot",
  statistics_approvals: "bucket",
  statistics_rosters: "id",
  statistics_clubs: "id",
  statistics_memos: "begins_at",
  statistics_days: "day",
} as const;

/** Begins a rebuild, or finds the one that is running. */
export async function begin(tx: Tx): Promise<Rebuild> {
  const generations = await lockGenerations(tx);
  const running = generations.find(({ state }) => state === "building");
  if (running) return present(running);
  const last = await tx.number("SELECT MAX(id) AS n FROM statistics_generations");
  const made = {
    id: last + 1,
    state: "building",
    source: SOURCES[0].name,
    after_key: null,
    facts_read: 0,
    started_at: Date.now(),
    ended_at: null,
  } as const;
  const totals = { users: 0, applications: 0, activities: 0, participations: 0, posts: 0, comments: 0 };
  await tx.insert("statistics_generations", {
    ...made,
    lease_owner: null,
    lease_until: 0,
    changes: 0,
    ...totals,
  });
  // Their domain knows nothing any more of accounts that did not come to be.
  await tx.run(
    `INSERT INTO statistics_facts (generation, id, version, there, counted)
     SELECT ${made.id}, id, version, there, counted FROM statistics_facts
     WHERE generation = :live AND id >= :first AND id < :end AND version = ${UNDONE}`,
    { live: generations[0]?.id ?? 0, first: "user:", end: "user;" },
  );
  return present(made);
}

/** The rebuild that is running, or the last one; null before the first. */
export async function lastRebuild(db: Database): Promise<Rebuild | null> {
  const row = await db.primary.one<Generation>(
    `SELECT id, state, source, after_key, facts_read, started_at, ended_at FROM statistics_generations
     WHERE started_at > 0 ORDER BY id DESC LIMIT 1`,
  );
  return row && present(row);
}

export function present({
  id,
  state,
  source,
  facts_read: done,
  started_at: startedAt,
  ended_at: endedAt,
}: Pick<Generation, "id" | "state" | "source" | "facts_read" | "started_at" | "ended_at">): Rebuild {
  return {
    id,
    state: state === "building" ? "running" : "done",
    source: state === "building" ? source : null,
    done,
    startedAt: iso(startedAt),
    endedAt: endedAt === null ? null : iso(endedAt),
  };
}

export class Rebuilder {
  readonly #broker: ServiceBroker;
  readonly #db: Database;
  readonly #me = newId();
  #stopped = false;

  constructor(broker: ServiceBroker, db: Database) {
    this.#broker = broker;
    this.#db = db;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Goes on with a rebuild, where there is one that nobody else is at, until it is done. */
  async work(): Promise<void> {
    while (!this.#stopped) {
      const building = await this.#db.primary.one<Generation>(
        "SELECT id, source, after_key FROM statistics_generations WHERE state = 'building'",
      );
      if (!building || !(await this.#lease(building.id))) break;
      await this.#step(building);
    }
    await this.#clean();
  }

  async #lease(id: number): Promise<boolean> {
    const now = Date.now();
    const taken = await this.#db.primary.run(
      `UPDATE statistics_generations SET lease_owner = :me, lease_until = :until
       WHERE id = :id AND state = 'building' AND (lease_until < :now OR lease_owner = :me)`,
      { id, me: this.#me, until: now + LEASE, now },
    );
    return taken > 0;
  }

  async #step({ id, source, after_key: after }: Generation): Promise<void> {
    const from = SOURCES.find(({ name }) => name === source);
    if (!from) return;
    const page = await this.#broker.call<HistoryPage, { after: string | null; limit: number }>(from.action, {
      after,
      limit: PAGE,
    });
    await this.#db.transaction(async (tx) => {
      const generations = await lockGenerations(tx);
      const building = generations.find((each) => each.id === id);
      // Somebody else was faster.
      if (building?.state !== "building" || building.source !== source || building.after_key !== after)
        return;
      await count(tx, id, page, true);
      const next = page.next === null ? (SOURCES[SOURCES.indexOf(from) + 1]?.name ?? null) : source;
      await tx.run(
        `UPDATE statistics_generations SET source = :next, after_key = :after, facts_read = facts_read + :read
         WHERE id = :id`,
        { id, next, after: page.next, read: page.facts.length },
      );
      if (next === null) await this.#switch(tx, id);
    });
  }

  /** In the transaction of the last page: whoever counts or reads has the one before or this one. */
  async #switch(tx: Tx, id: number): Promise<void> {
    const now = Date.now();
    await tx.run("UPDATE statistics_generations SET state = 'old', ended_at = :now WHERE state = 'live'", {
      now,
    });
    await tx.run("UPDATE statistics_generations SET state = 'live', ended_at = :now WHERE id = :id", {
      id,
      now,
    });
  }

  /** Deletes what generations before have left, some thousand rows at a time. */
  async #clean(): Promise<void> {
    const old = await this.#db.primary.one<{ id: number }>(
      "SELECT id FROM statistics_generations WHERE state = 'old' AND ended_at < :before ORDER BY id LIMIT 1",
      { before: Date.now() - GRACE },
    );
    if (!old) return;
    for (const [table, column] of Object.entries(TABLES))
      while (!this.#stopped && (await this.#deleteSome(table, column, old.id)));
    if (!this.#stopped)
      await this.#db.primary.run("DELETE FROM statistics_generations WHERE id = :id", { id: old.id });
  }

  async #deleteSome(table: string, column: string, generation: number): Promise<boolean> {
    const border = await this.#db.primary.one<Record<string, string | number>>(
      `SELECT ${column} AS last FROM ${table} WHERE generation = :generation ORDER BY ${column}
       LIMIT 1 OFFSET ${DELETED_AT_ONCE}`,
      { generation },
    );
    const rest = border === null ? "" : ` AND ${column} <= :last`;
    await this.#db.primary.run(`DELETE FROM ${table} WHERE generation = :generation${rest}`, {
      generation,
      ...(border && { last: border["last"] as string | number }),
    });
    return border !== null;
  }
}

/** The outbox of a domain whose store is SQL (lib/queue-tables.ts). */
import type { Database, Statements, Tx } from "../lib/database.ts";
import { newId } from "../lib/ids.ts";
import { RECEIPTED } from "../lib/queue-contract.ts";
import { KEPT, KEPT_RECEIPTED } from "./outbox.ts";
import type { DeadLetter, Outbox, Turn, Waiting } from "./outbox.ts";

interface OutboxRow {
  id: string;
  type: string;
  envelope: string;
  attempts: number;
  done: string;
}

interface DeadRow {
  id: string;
  type: string;
  consumer: string;
  envelope: string;
  error: string;
  attempts: number;
  created_at: number;
}

/** Rows of a statement. */
const AT_ONCE = 1_000;
/** Of a table and a sweep: what is left over waits for the next one. */
const BATCHES = 1_000;

/** Rows with a time, by which there is an index. */
interface Aged {
  table: "outbox" | "inbox" | "idempotency_keys";
  column: "published_at" | "received_at" | "created_at";
  /** A type of messages that does not count. */
  but?: string;
}

/** The outbox of a domain, whose messages are told by `tx.tell`. */
export function sqlOutbox(db: Database): Outbox {
  return {
    ...relaying(db),
    ...publishing(db),
    ...returning(db),

    async depth() {
      const waiting = await db.primary.number("SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL");
      // What a consumer has refused waits for it, however fast the others are: a dead letter tells if it was in vain. Of a
      // million it would take seconds; what is due first has been there longest, but for what was tried in vain.
      const first = await db.primary.all<{ created_at: number }>(
        "SELECT created_at FROM outbox WHERE published_at IS NULL AND attempts = 0 ORDER BY due_at LIMIT 1000",
      );
      const oldest = first.length > 0 ? Math.min(...first.map((each) => each.created_at)) : null;
      const dead = await db.primary.number("SELECT COUNT(*) AS n FROM dead_letters");
      return { waiting, oldest, dead };
    },
    async letters(limit, after = "") {
      const rows = await db.primary.all<DeadRow>(
        `SELECT * FROM dead_letters WHERE id > :after ORDER BY id${limit === undefined ? "" : ` LIMIT ${limit}`}`,
        { after },
      );
      return rows.map(letterOf);
    },
    async letter(id) {
      const row = await db.primary.one<DeadRow>("SELECT * FROM dead_letters WHERE id = :id", { id });
      return row && letterOf(row);
    },
    async dropLetter(id) {
      return (await db.primary.run("DELETE FROM dead_letters WHERE id = :id", { id })) > 0;
    },
    sweep: (now) => sweep(db.primary, now),
  };
}

/** Confirmed messages after 24 h (those with receipts after 30 days), inbox rows after 7 days, keys after 24 h. */
async function sweep(db: Statements, now: number): Promise<void> {
  const plain = { table: "outbox", column: "published_at", but: RECEIPTED } as const;
  const kept: [Aged, number][] = [
    [plain, KEPT],
    [{ table: "outbox", column: "published_at" }, KEPT_RECEIPTED],
    [{ table: "inbox", column: "received_at" }, 7 * KEPT],
    [{ table: "idempotency_keys", column: "created_at" }, KEPT],
  ];
  const failures: unknown[] = [];
  // Each by itself: one that cannot be swept keeps nobody from the others.
  for (const [rows, time] of kept)
    await deleteUntil(db, rows, now - time - 1).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

async function deleteUntil(db: Statements, rows: Aged, until: number): Promise<void> {
  let batches = 0;
  for await (const batch of batchesOf(db, rows, 0, until)) {
    await db.run(`DELETE FROM ${rows.table} WHERE ${rows.column} BETWEEN :from AND :to AND id IN (:ids)`, {
      ...batch,
    });
    if (++batches === BATCHES) return;
  }
}

/**
 * The rows between two times, the oldest first, so few at once that a statement about them ends in its time. Whoever
 * changes a batch names its times too: by them it is found, since where there are shards no index begins with the id.
 */
async function* batchesOf(
  db: Statements,
  { table, column, but }: Aged,
  since: number,
  until: number,
): AsyncGenerator<{ from: number; to: number; ids: string[] }> {
  for (let from = since, more = true; more;) {
    const rows = await db.all<{ id: string; at: number }>(
      `SELECT id, ${column} AS at FROM ${table} WHERE ${column} BETWEEN :from AND :until${but ? " AND type <> :but" : ""} ORDER BY ${column} LIMIT ${AT_ONCE}`,
      { from, until, ...(but && { but }) },
    );
    const to = rows.at(-1)?.at;
    if (to === undefined) return;
    yield { from, to, ids: rows.map(({ id }) => id) };
    more = rows.length === AT_ONCE;
    from = to;
  }
}

function relaying(db: Database): Pick<Outbox, "claim" | "delivered" | "postpone"> {
  return {
    async claim(limit, until) {
      const now = Date.now();
      const due = await db.primary.all<{ id: string }>(
        `SELECT id FROM outbox WHERE published_at IS NULL AND due_at <= :now ORDER BY due_at LIMIT ${limit}`,
        { now },
      );
      if (due.length === 0) return [];
      const ids = due.map(({ id }) => id);
      const lease = newId();
      const taken = await db.primary.run(
        "UPDATE outbox SET lease = :lease, due_at = :until WHERE id IN (:ids) AND published_at IS NULL AND due_at <= :now",
        { lease, until, ids, now },
      );
      if (taken === 0) return [];
      const rows = await db.primary.all<OutboxRow>(
        "SELECT id, type, envelope, attempts, done FROM outbox WHERE lease = :lease AND id IN (:ids)",
        { lease, ids },
      );
      return rows.map((row) => ({ ...row, done: listOf(row.done), dueAt: until }));
    },
    async delivered(ids) {
      await db.primary.run(
        "UPDATE outbox SET published_at = :now WHERE id IN (:delivered) AND lease IS NOT NULL",
        { now: Date.now(), delivered: ids },
      );
    },
    async postpone(id, { done, attempts, error, dueAt }, letters) {
      const values = { id, done: JSON.stringify(done), attempts, error };
      await db.transaction(async (tx) => {
        for (const letter of letters) await bury(tx, letter);
        if (dueAt === null)
          await tx.run(
            "UPDATE outbox SET done = :done, attempts = :attempts, last_error = :error, published_at = :now WHERE id = :id AND lease IS NOT NULL",
            { ...values, now: Date.now() },
          );
        else
          await tx.run(
            "UPDATE outbox SET done = :done, attempts = :attempts, last_error = :error, due_at = :due WHERE id = :id AND lease IS NOT NULL",
            { ...values, due: dueAt },
          );
      });
    },
  };
}

function publishing(
  db: Database,
): Pick<Outbox, "due" | "confirmed" | "lastConfirmed" | "republish" | "lead" | "resign"> {
  return {
    async due(limit) {
      const rows = await db.primary.all<OutboxRow & { due_at: number }>(
        `SELECT id, type, envelope, done, attempts, due_at FROM outbox WHERE published_at IS NULL AND due_at <= :now ORDER BY due_at, id LIMIT ${limit}`,
        { now: Date.now() },
      );
      return rows.map(({ due_at: dueAt, ...row }) => ({ ...row, done: listOf(row.done), dueAt }));
    },
    async confirmed(messages) {
      await db.primary.run("UPDATE outbox SET published_at = :now WHERE id IN (:ids) AND due_at <= :due", {
        now: Date.now(),
        ids: messages.map(({ id }) => id),
        due: latest(messages),
      });
    },
    async lastConfirmed(before) {
      const last = await db.primary.one<{ at: number | null }>(
        "SELECT MAX(published_at) AS at FROM outbox WHERE published_at <= :before",
        { before },
      );
      return last?.at ?? null;
    },
    async republish(since) {
      const rows = { table: "outbox", column: "published_at" } as const;
      // What is confirmed anew meanwhile is later and does not come again.
      const until = await db.primary.number("SELECT MAX(published_at) AS at FROM outbox");
      for await (const batch of batchesOf(db.primary, rows, since + 1, until))
        await db.primary.run(
          "UPDATE outbox SET published_at = NULL WHERE published_at BETWEEN :from AND :to AND id IN (:ids)",
          batch,
        );
    },
    async lead(owner, until) {
      const taken = await db.primary.run(
        "UPDATE relay_lease SET owner = :owner, until_at = :until WHERE id = 1 AND (until_at < :now OR owner = :owner)",
        { owner, until, now: Date.now() },
      );
      return taken > 0;
    },
    async resign(owner) {
      await db.primary.run("UPDATE relay_lease SET until_at = 0 WHERE id = 1 AND owner = :owner", { owner });
    },
  };
}

function returning(db: Database): Pick<Outbox, "putBack" | "receipt"> {
  return {
    async putBack(envelope, decide, replayed) {
      const { id } = envelope;
      await db.transaction(async (tx) => {
        // First: of two at once, and of a replay and a drop, one finds it gone and does nothing.
        if (replayed && (await tx.run("DELETE FROM dead_letters WHERE id = :replayed", { replayed })) === 0)
          return;
        await lock(tx, id);
        const row = await tx.one<{ done: string; attempts: number; published_at: number | null }>(
          "SELECT done, attempts, published_at FROM outbox WHERE id = :id",
          { id },
        );
        const next = decide(
          row && { done: listOf(row.done), attempts: row.attempts, publishedAt: row.published_at },
        );
        if ("consumer" in next) await bury(tx, next);
        else if (row) await putDue(tx, id, next);
        else await tx.requeue(envelope, JSON.stringify(next.done));
      });
    },
    async receipt(id, consumer) {
      await db.transaction(async (tx) => {
        await lock(tx, id);
        const known = await tx.one<{ done: string }>("SELECT done FROM outbox WHERE id = :id", { id });
        if (!known) return;
        const done = new Set(listOf(known.done)).add(consumer);
        await tx.run("UPDATE outbox SET done = :done WHERE id = :id", {
          id,
          done: JSON.stringify([...done]),
        });
      });
    },
  };
}

/** Written first, so that two who change the same message come one after the other. */
async function lock(tx: Tx, id: string): Promise<void> {
  await tx.run("UPDATE outbox SET attempts = attempts WHERE id = :id", { id });
}

async function putDue(tx: Tx, id: string, { done, attempts, error, dueAt }: Turn): Promise<void> {
  const told = error === undefined ? "" : "last_error = :error, ";
  await tx.run(
    `UPDATE outbox SET done = :done, attempts = :attempts, ${told}due_at = :due, published_at = NULL, lease = NULL WHERE id = :id`,
    { id, done: JSON.stringify(done), attempts, due: dueAt, ...(error !== undefined && { error }) },
  );
}

async function bury(tx: Tx, { createdAt, ...letter }: DeadLetter): Promise<void> {
  await tx.insertNew("dead_letters", { ...letter, created_at: createdAt });
}

function letterOf({ created_at: createdAt, ...row }: DeadRow): DeadLetter {
  return { ...row, createdAt };
}

function listOf(done: string): string[] {
  return JSON.parse(done) as string[];
}

function latest(messages: readonly Waiting[]): number {
  return Math.max(...messages.map(({ dueAt }) => dueAt));
}

/** The outbox of a domain whose store is SQL (lib/queue-tables.ts). */
import type { Database, Tx } from "../lib/database.ts";
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
    /** Confirmed messages after 24 h (those with receipts after 30 days), inbox rows after 7 days, keys after 24 h. */
    async sweep(now) {
      await db.primary.run(
        "DELETE FROM outbox WHERE published_at < :before AND (type <> :receipted OR published_at < :long)",
        { before: now - KEPT, receipted: RECEIPTED, long: now - KEPT_RECEIPTED },
      );
      await db.primary.run("DELETE FROM inbox WHERE received_at < :before", { before: now - 7 * KEPT });
      await db.primary.run("DELETE FROM idempotency_keys WHERE created_at < :before", { before: now - KEPT });
    },
  };
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

function publishing(db: Database): Pick<Outbox, "due" | "confirmed" | "republish" | "lead" | "resign"> {
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
    async republish(since) {
      await db.primary.run("UPDATE outbox SET published_at = NULL WHERE published_at > :since", { since });
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

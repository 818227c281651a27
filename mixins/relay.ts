/**
 * Delivers the outbox of a domain. Without a queue: claims rows, calls the consumers that their contracts name, and marks
 * a row when each has answered. Every node of the domain runs one; a row claimed by a node that dies is due again after
 * the lease. What keeps failing becomes a dead letter. With a queue: publishing.ts.
 */
import type { Logger, ServiceBroker } from "moleculer";
import type { Database } from "../lib/database.ts";
import type { Envelope } from "../lib/declare.ts";
import { newId } from "../lib/ids.ts";
import { RECEIPTED } from "../lib/queue-contract.ts";
import { isAway } from "../middlewares/errors.ts";
import { Publisher } from "./publishing.ts";
import { consumersOf, runtimeOf } from "./runtime.ts";

const LEASE = 10_000;
const POLL = 500;
const BATCH = 100;
const AT_ONCE = 25;
/** Tries of a consumer that refuses, over about ten minutes; a consumer that is away is waited for without end. */
export const MAX_ATTEMPTS = 12;

interface OutboxRow {
  id: string;
  type: string;
  envelope: string;
  attempts: number;
  done: string;
}

interface Outcome {
  row: OutboxRow;
  done: string[];
  failed: { consumer: string; error: Error; away: boolean }[];
}

export class Relay {
  readonly #broker: ServiceBroker;
  readonly #db: Database;
  readonly #log: Logger;
  readonly #domain: string;
  /** Where there is a queue. */
  #publisher: Publisher | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = true;

  constructor(broker: ServiceBroker, domain: string, db: Database, log: Logger) {
    this.#broker = broker;
    this.#domain = domain;
    this.#db = db;
    this.#log = log;
  }

  start(): void {
    const { queue } = runtimeOf(this.#broker);
    if (queue) this.#publisher = new Publisher(queue, this.#domain, this.#db);
    queue?.onReconnect(
      () =>
        void this.#publisher?.republish().then(
          () => this.nudge(),
          () => undefined,
        ),
    );
    this.#stopped = false;
    this.#timer = setInterval(() => this.nudge(), POLL);
    this.nudge();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#running;
    await this.#publisher?.stop();
  }

  /** Looks for messages now: called after each commit that may have told some. */
  nudge(): void {
    if (this.#stopped) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = this.#drain().finally(() => {
      this.#running = null;
      if (this.#again) {
        this.#again = false;
        this.nudge();
      }
    });
  }

  async #drain(): Promise<void> {
    try {
      if (this.#publisher) return await this.#publisher.drain(() => this.#stopped);
      for (;;) {
        const rows = await this.#claim();
        if (rows.length === 0 || this.#stopped) return;
        await this.#deliverAll(rows);
      }
    } catch (error) {
      // The database is away: the next poll tries again.
      this.#log.warn("The relay cannot reach its outbox", { error: String(error) });
    }
  }

  async #claim(): Promise<OutboxRow[]> {
    const now = Date.now();
    const db = this.#db.primary;
    const due = await db.all<{ id: string }>(
      `SELECT id FROM outbox WHERE published_at IS NULL AND due_at <= :now ORDER BY due_at LIMIT ${BATCH}`,
      { now },
    );
    if (due.length === 0) return [];
    const ids = due.map(({ id }) => id);
    const lease = newId();
    const taken = await db.run(
      "UPDATE outbox SET lease = :lease, due_at = :until WHERE id IN (:ids) AND published_at IS NULL AND due_at <= :now",
      { lease, until: now + LEASE, ids, now },
    );
    if (taken === 0) return [];
    return db.all<OutboxRow>(
      "SELECT id, type, envelope, attempts, done FROM outbox WHERE lease = :lease AND id IN (:ids)",
      { lease, ids },
    );
  }

  async #deliverAll(rows: OutboxRow[]): Promise<void> {
    const outcomes: Outcome[] = [];
    const queue = [...rows];
    const worker = async (): Promise<void> => {
      for (let row = queue.shift(); row; row = queue.shift()) outcomes.push(await this.#deliver(row));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const delivered = outcomes.filter(({ failed }) => failed.length === 0).map(({ row }) => row.id);
    if (delivered.length > 0)
      await this.#db.primary.run("UPDATE outbox SET published_at = :now WHERE id IN (:delivered)", {
        now: Date.now(),
        delivered,
      });
    for (const outcome of outcomes) if (outcome.failed.length > 0) await this.#postpone(outcome);
  }

  async #deliver(row: OutboxRow): Promise<Outcome> {
    const done = JSON.parse(row.done) as string[];
    const outcome: Outcome = { row, done, failed: [] };
    const open = consumersOf(runtimeOf(this.#broker).contracts, row.type).filter(
      (consumer) => !done.includes(consumer),
    );
    const envelope = JSON.parse(row.envelope) as Envelope;
    await Promise.all(
      open.map(async (consumer) => {
        try {
          await this.#broker.call(consumer, envelope, {
            timeout: LEASE - 2_000,
            retries: 0,
            requestID: envelope.requestId ?? undefined,
          });
          done.push(consumer);
        } catch (error) {
          outcome.failed.push({ consumer, error: error as Error, away: isAway(error) });
        }
      }),
    );
    return outcome;
  }

  /** Tries again later with backoff and jitter; a consumer that has refused too often gets its dead letter. */
  async #postpone({ row, done, failed }: Outcome): Promise<void> {
    const refused = failed.filter(({ away }) => !away);
    const attempts = row.attempts + (refused.length > 0 ? 1 : 0);
    const dead = attempts >= MAX_ATTEMPTS ? refused : [];
    const wait = waitAfter(attempts);
    const error = (failed[0]?.error.message ?? "").slice(0, 500);
    await this.#db.transaction(async (tx) => {
      for (const { consumer, error: why } of dead)
        await tx.insertNew("dead_letters", {
          id: `${row.id}:${consumer}`,
          type: row.type,
          consumer,
          envelope: row.envelope,
          error: why.message.slice(0, 500),
          attempts,
          created_at: Date.now(),
        });
      const all = [...done, ...dead.map(({ consumer }) => consumer)];
      const values = {
        id: row.id,
        done: JSON.stringify(all),
        attempts,
        error,
        now: Date.now(),
        due: Math.round(Date.now() + wait),
      };
      if (failed.length === dead.length)
        await tx.run(
          "UPDATE outbox SET done = :done, attempts = :attempts, last_error = :error, published_at = :now WHERE id = :id",
          values,
        );
      else
        await tx.run(
          "UPDATE outbox SET done = :done, attempts = :attempts, last_error = :error, due_at = :due WHERE id = :id",
          values,
        );
    });
    if (dead.length > 0)
      this.#log.error("A message became a dead letter", {
        message: row.id,
        type: row.type,
        consumers: dead.map(({ consumer }) => consumer),
      });
  }
}

/** Milliseconds until the next try. */
export function waitAfter(attempts: number): number {
  return Math.min(60_000, 200 * 2 ** attempts) * (0.5 + Math.random());
}

/** Deletes what is kept no longer: confirmed messages after 24 h (those with receipts after 30 days), inbox rows after 7 days, keys after 24 h. */
export async function sweepQueue(db: Database, now: number): Promise<void> {
  const day = 24 * 3_600_000;
  await db.primary.run(
    "DELETE FROM outbox WHERE published_at < :before AND (type <> :receipted OR published_at < :long)",
    { before: now - day, receipted: RECEIPTED, long: now - 30 * day },
  );
  await db.primary.run("DELETE FROM inbox WHERE received_at < :before", { before: now - 7 * day });
  await db.primary.run("DELETE FROM idempotency_keys WHERE created_at < :before", { before: now - day });
}

/**
 * The relay's way to a queue: one node of the domain at a time publishes the outbox in its order, so that messages of one
 * aggregate keep theirs, and marks what the server has confirmed. Rows stay a day; those of the last minutes are
 * published again after the connection was lost, since a server may lose what it has just confirmed
 * (docs/decisions/0013-queue.md).
 */
import type { Database } from "../lib/database.ts";
import type { Envelope } from "../lib/declare.ts";
import { newId } from "../lib/ids.ts";
import type { Queue, QueueMessage } from "../lib/queue/index.ts";

/** Milliseconds. */
const LEASE = 5_000;
const AGAIN = 10 * 60_000;
const BATCH = 500;

/** What the queue carries. */
export interface QueuedMessage {
  /** The domain whose outbox it comes from. */
  origin: string;
  /** Consumers that need it no more. */
  done: string[];
  envelope: Envelope;
}

interface Waiting {
  id: string;
  type: string;
  envelope: string;
  done: string;
  attempts: number;
  due_at: number;
}

export class Publisher {
  readonly #queue: Queue;
  readonly #domain: string;
  readonly #db: Database;
  readonly #owner = newId();
  #leadsUntil = 0;

  constructor(queue: Queue, domain: string, db: Database) {
    this.#queue = queue;
    this.#domain = domain;
    this.#db = db;
  }

  /** Publishes what is due, if this node is the one to do it; ends early when the queue does not confirm. */
  async drain(stopped: () => boolean): Promise<void> {
    while (!stopped() && (await this.#leads())) {
      const rows = await this.#db.primary.all<Waiting>(
        `SELECT id, type, envelope, done, attempts, due_at FROM outbox WHERE published_at IS NULL AND due_at <= :now ORDER BY due_at, id LIMIT ${BATCH}`,
        { now: Date.now() },
      );
      if (rows.length === 0) return;
      const confirmed = await this.#queue.publish(rows.map((row) => this.#message(row)));
      const ids = confirmed.map((id) => id.split(".")[0] as string);
      if (ids.length > 0)
        await this.#db.primary.run("UPDATE outbox SET published_at = :now WHERE id IN (:ids)", {
          now: Date.now(),
          ids,
        });
      if (ids.length < rows.length) return;
    }
  }

  /** Makes what was published in the last ten minutes due again. */
  async republish(): Promise<void> {
    await this.#db.primary.run("UPDATE outbox SET published_at = NULL WHERE published_at > :since", {
      since: Date.now() - AGAIN,
    });
  }

  /** Lets another node lead at once. */
  async stop(): Promise<void> {
    if (Date.now() > this.#leadsUntil) return;
    const owner = this.#owner;
    await this.#db.primary
      .run("UPDATE relay_lease SET until_at = 0 WHERE id = 1 AND owner = :owner", { owner })
      .catch(() => undefined);
  }

  async #leads(): Promise<boolean> {
    const now = Date.now();
    if (now < this.#leadsUntil - LEASE / 2) return true;
    const until = now + LEASE;
    const taken = await this.#db.primary.run(
      "UPDATE relay_lease SET owner = :owner, until_at = :until WHERE id = 1 AND (until_at < :now OR owner = :owner)",
      { owner: this.#owner, until, now },
    );
    this.#leadsUntil = taken > 0 ? until : 0;
    return taken > 0;
  }

  #message({ id, type, envelope, done, attempts, due_at: due }: Waiting): QueueMessage {
    const { aggregate } = JSON.parse(envelope) as Envelope;
    // A server drops a repeat with the same id: wanted when a row is published again, not when it was taken back or
    // replayed, which makes it due anew.
    const unique = `${id}.${attempts}.${due}`;
    const body = `{"origin":"${this.#domain}","done":${done},"envelope":${envelope}}`;
    return { id: unique, type, key: aggregate.id, body };
  }
}

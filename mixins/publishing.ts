/**
 * The relay's way to a queue: one node of the domain at a time publishes the outbox in its order, so that messages of one
 * aggregate keep theirs, and marks what the server has confirmed. Rows stay a day; those of the minutes before the last
 * confirmation are published again after the connection was lost, since a server may lose what it has just confirmed,
 * however long it is away (docs/decisions/0013-queue.md).
 */
import type { Envelope } from "../lib/declare.ts";
import { newId } from "../lib/ids.ts";
import type { Queue, QueueMessage } from "../lib/queue/index.ts";
import type { Outbox, Waiting } from "./outbox.ts";

/** Milliseconds. */
const LEASE = 5_000;
const BATCH = 500;
/** How far before the last confirmation a queue may have lost what it confirmed. */
const AGAIN = 10 * 60_000;
/** What was confirmed so shortly before a reconnection is told may have been confirmed after it. */
const UNSURE = 60_000;

/** What the queue carries. */
export interface QueuedMessage {
  /** The domain whose outbox it comes from. */
  origin: string;
  /** Consumers that need it no more. */
  done: string[];
  envelope: Envelope;
}

/** Whether nobody has had the message yet. */
export function isNew({ attempts, done }: Waiting): boolean {
  return attempts === 0 && done.length === 0;
}

export class Publisher {
  readonly #queue: Queue;
  readonly #domain: string;
  readonly #outbox: Outbox;
  readonly #published: (row: Waiting, begin: number) => void;
  readonly #owner = newId();
  #leadsUntil = 0;
  /** Something is to be published again; the last confirmation that surely came before the queue was away is no later. */
  #owed: { before: number } | null = null;
  /** What was confirmed earlier is taken for safe, also when what came later is due again, and so not the last any more. */
  #safe = 0;

  /** @param published hears of each message that goes out for the first time, and when it was handed over */
  constructor(
    queue: Queue,
    domain: string,
    outbox: Outbox,
    published: (row: Waiting, begin: number) => void = () => undefined,
  ) {
    this.#published = published;
    this.#queue = queue;
    this.#domain = domain;
    this.#outbox = outbox;
  }

  /** The connection was lost and is there again: what was confirmed shortly before is published again by `drain`. */
  lost(): void {
    this.#owed = { before: Math.min(this.#owed?.before ?? Infinity, Date.now() - UNSURE) };
  }

  /** Publishes what is due, if this node is the one to do it; ends early when the queue does not confirm. */
  async drain(stopped: () => boolean): Promise<void> {
    while (!stopped()) {
      await this.#makeGood();
      if (!(await this.#leads())) return;
      const rows = await this.#outbox.due(BATCH);
      if (rows.length === 0) return;
      const begin = performance.now();
      const confirmed = await this.#queue.publish(rows.map((row) => this.#message(row)));
      const ids = new Set(confirmed.map((id) => id.split(".")[0]));
      const published = rows.filter(({ id }) => ids.has(id));
      if (published.length > 0) await this.#outbox.confirmed(published);
      for (const row of published) if (isNew(row)) this.#published(row, begin);
      if (published.length < rows.length) return;
    }
  }

  /** Lets another node lead at once. */
  async stop(): Promise<void> {
    if (Date.now() > this.#leadsUntil) return;
    await this.#outbox.resign(this.#owner).catch(() => undefined);
  }

  /** Makes due what is owed; when the store refuses it stays owed. Before anything else is published, which would be later. */
  async #makeGood(): Promise<void> {
    const owed = this.#owed;
    if (!owed) return;
    const last = (await this.#outbox.lastConfirmed(owed.before)) ?? 0;
    this.#safe = Math.max(this.#safe, last - AGAIN);
    await this.#outbox.republish(this.#safe);
    // Else the connection was lost once more meanwhile.
    if (this.#owed === owed) this.#owed = null;
  }

  async #leads(): Promise<boolean> {
    const now = Date.now();
    if (now < this.#leadsUntil - LEASE / 2) return true;
    const until = now + LEASE;
    const leads = await this.#outbox.lead(this.#owner, until);
    this.#leadsUntil = leads ? until : 0;
    return leads;
  }

  #message({ id, type, envelope, done, attempts, dueAt }: Waiting): QueueMessage {
    const { aggregate } = JSON.parse(envelope) as Envelope;
    // A server drops a repeat with the same id: wanted when a row is published again, not when it was taken back or
    // replayed, which makes it due anew.
    const unique = `${id}.${attempts}.${dueAt}`;
    const body = `{"origin":"${this.#domain}","done":${JSON.stringify(done)},"envelope":${envelope}}`;
    return { id: unique, type, key: aggregate.id, body };
  }
}

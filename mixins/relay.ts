/**
 * Delivers the outbox of a domain. Without a queue: claims rows, calls the consumers that their contracts name, and marks
 * a row when each has answered. Every node of the domain runs one; a row claimed by a node that dies is due again after
 * the lease. What keeps failing becomes a dead letter. With a queue: publishing.ts.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger, ServiceBroker } from "moleculer";
import type { Envelope } from "../lib/declare.ts";
import { isAway } from "../middlewares/errors.ts";
import { requestIdOf, traceMessage } from "../middlewares/tracing.ts";
import { deadLetter } from "./outbox.ts";
import type { Outbox, Waiting } from "./outbox.ts";
import { isNew, Publisher } from "./publishing.ts";
import { consumersOf, runtimeOf } from "./runtime.ts";

const LEASE = 10_000;
const POLL = 500;
const BATCH = 100;
const AT_ONCE = 25;
/** Tries of a consumer that refuses, over about five minutes; a consumer that is away is waited for without end. */
export const MAX_ATTEMPTS = 12;

interface Outcome {
  row: Waiting;
  done: string[];
  failed: { consumer: string; error: Error; away: boolean }[];
}

export class Relay {
  readonly #broker: ServiceBroker;
  readonly #outbox: Outbox;
  readonly #log: Logger;
  readonly #domain: string;
  /** Where there is a queue. */
  #publisher: Publisher | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = true;

  constructor(broker: ServiceBroker, domain: string, outbox: Outbox, log: Logger) {
    this.#broker = broker;
    this.#domain = domain;
    this.#outbox = outbox;
    this.#log = log;
  }

  start(): void {
    const { queue } = runtimeOf(this.#broker);
    if (queue) {
      const publisher = new Publisher(queue, this.#domain, this.#outbox, this.#trace());
      this.#publisher = publisher;
      queue.onReconnect(() => {
        publisher.lost();
        this.nudge();
      });
    }
    this.#stopped = false;
    this.#timer = setInterval(() => this.nudge(), POLL);
    this.nudge();
  }

  /** What is told of each message that the queue has taken for the first time. */
  #trace(): ((row: Waiting, begin: number) => void) | undefined {
    const runtime = runtimeOf(this.#broker);
    if (!runtime.settings.tracingUrl) return undefined;
    return (row, begin) => traceMessage(runtime, JSON.parse(row.envelope) as Envelope, begin);
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
        const rows = await this.#outbox.claim(BATCH, Date.now() + LEASE);
        if (rows.length === 0 || this.#stopped) return;
        await this.#deliverAll(rows);
      }
    } catch (error) {
      // The store is away: the next poll tries again.
      this.#log.warn("The relay cannot reach its outbox", { error: String(error) });
    }
  }

  async #deliverAll(rows: Waiting[]): Promise<void> {
    const outcomes: Outcome[] = [];
    const queue = [...rows];
    const worker = async (): Promise<void> => {
      for (let row = queue.shift(); row; row = queue.shift()) {
        outcomes.push(await this.#deliver(row));
        // Embedded stores answer at once: without this, requests would wait until all of it is delivered.
        await nextTurn();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const delivered = outcomes.filter(({ failed }) => failed.length === 0).map(({ row }) => row.id);
    if (delivered.length > 0) await this.#outbox.delivered(delivered);
    for (const outcome of outcomes) if (outcome.failed.length > 0) await this.#postpone(outcome);
  }

  async #deliver(row: Waiting): Promise<Outcome> {
    const done = [...row.done];
    const outcome: Outcome = { row, done, failed: [] };
    const open = consumersOf(runtimeOf(this.#broker).contracts, row.type).filter(
      (consumer) => !done.includes(consumer),
    );
    const envelope = JSON.parse(row.envelope) as Envelope;
    const begin = performance.now();
    await Promise.all(
      open.map(async (consumer) => {
        try {
          await this.#broker.call(consumer, envelope, {
            timeout: LEASE - 2_000,
            retries: 0,
            requestID: requestIdOf(envelope),
          });
          done.push(consumer);
        } catch (error) {
          outcome.failed.push({ consumer, error: error as Error, away: isAway(error) });
        }
      }),
    );
    const taken = done.length > 0 || outcome.failed.some(({ away }) => !away);
    if (taken && isNew(row)) traceMessage(runtimeOf(this.#broker), envelope, begin);
    return outcome;
  }

  /** Tries again later with backoff and jitter; a consumer that has refused too often gets its dead letter. */
  async #postpone({ row, done, failed }: Outcome): Promise<void> {
    const refused = failed.filter(({ away }) => !away);
    const attempts = row.attempts + (refused.length > 0 ? 1 : 0);
    const dead = attempts >= MAX_ATTEMPTS ? refused : [];
    const wait = refused.length > 0 ? waitAfter(attempts) : waitAtAge(Date.now() - toldAt(row));
    const tried = {
      done: [...done, ...dead.map(({ consumer }) => consumer)],
      attempts,
      error: (failed[0]?.error.message ?? "").slice(0, 500),
      dueAt: failed.length === dead.length ? null : Math.round(Date.now() + wait),
    };
    const letters = dead.map(({ consumer, error }) => deadLetter(row, consumer, error.message, attempts));
    await this.#outbox.postpone(row.id, tried, letters);
    if (dead.length > 0)
      this.#log.error("A message became a dead letter", {
        message: row.id,
        type: row.type,
        consumers: dead.map(({ consumer }) => consumer),
        requestId: requestIdOf(JSON.parse(row.envelope) as Envelope),
      });
  }
}

function toldAt({ envelope }: Waiting): number {
  return (JSON.parse(envelope) as Envelope).at;
}

/**
 * Milliseconds until a consumer that is away is tried again. In proportion to how long it has been waited for, so that a
 * backlog is not all tried several times a second, before what others could have: one that is back has a message of
 * ten seconds after 2.5 at most, and what is old within a minute.
 */
export function waitAtAge(age: number): number {
  return Math.min(60_000, Math.max(200, age / 4)) * (0.5 + Math.random() / 2);
}

/** Milliseconds until the next try of a consumer that has refused. */
export function waitAfter(attempts: number): number {
  return Math.min(60_000, 200 * 2 ** attempts) * (0.5 + Math.random());
}

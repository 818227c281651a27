/** What relay, publisher and queue service ask of a domain's store, whichever kind it is. */
import type { Envelope } from "../lib/declare.ts";

/** A message that waits. */
export interface Waiting {
  id: string;
  type: string;
  /** The envelope's JSON. */
  envelope: string;
  /** Consumers that need it no more. */
  done: string[];
  attempts: number;
  /** Milliseconds, as all times here. */
  dueAt: number;
}

/** What is known of a message in the outbox. */
export interface Known {
  done: string[];
  attempts: number;
  publishedAt: number | null;
}

/** How a message goes on: it is due (again) for all consumers but those that are done. */
export interface Turn {
  done: string[];
  attempts: number;
  dueAt: number;
  /** Without one the last error stays. */
  error?: string;
}

/** What came of calling a message's consumers; `dueAt` is null where nobody is left to wait for. */
export interface Tried {
  done: string[];
  attempts: number;
  error: string;
  dueAt: number | null;
}

export interface DeadLetter {
  /** `<message>:<consumer>`. */
  id: string;
  type: string;
  consumer: string;
  /** The envelope's JSON. */
  envelope: string;
  error: string;
  attempts: number;
  createdAt: number;
}

/** The letter of a consumer that does not get its message. @param message its id and the envelope's JSON */
export function deadLetter(
  message: { id: string; type: string; envelope: string },
  consumer: string,
  error: string,
  attempts: number,
): DeadLetter {
  const { id, type, envelope } = message;
  return {
    id: `${id}:${consumer}`,
    type,
    consumer,
    envelope,
    error: error.slice(0, 500),
    attempts,
    createdAt: Date.now(),
  };
}

/** Messages of a domain until they are with their consumers (or with the queue), and a while longer. */
export interface Outbox {
  /** Takes messages that are due, the oldest first; nobody else gets them before `until`. */
  claim(limit: number, until: number): Promise<Waiting[]>;
  /** These, claimed before, are with all of their consumers; not those that were put back since. */
  delivered(ids: readonly string[]): Promise<void>;
  /** One claimed before is not with all of its consumers. The letters are kept first; those that exist already stay. */
  postpone(id: string, tried: Tried, letters: readonly DeadLetter[]): Promise<void>;

  /** What is due, in the order in which it is published; for whoever leads. */
  due(limit: number): Promise<Waiting[]>;
  /** The queue has confirmed these, got from `due`; not those that were put back since. */
  confirmed(messages: readonly Waiting[]): Promise<void>;
  /** When the last confirmation up to `before` was; null without one. Other nodes' clocks may have written it. */
  lastConfirmed(before: number): Promise<number | null>;
  /** Makes what was published after `since` due again, in batches: one that fails may be followed by a second try. */
  republish(since: number): Promise<void>;
  /** Whether `owner` is the one to publish until then. */
  lead(owner: string, until: number): Promise<boolean>;
  /** Lets somebody else lead at once. */
  resign(owner: string): Promise<void>;

  /**
   * Puts a message back, or keeps its dead letter, as `decide` says; that may be asked again when somebody else was
   * faster. A message that is not known any more (null) is made anew.
   * @param replayed the dead letter that this makes good, which is deleted
   */
  putBack(
    envelope: Envelope,
    decide: (known: Known | null) => Turn | DeadLetter,
    replayed?: string,
  ): Promise<void>;
  /** Notes that a consumer is done with a message. */
  receipt(id: string, consumer: string): Promise<void>;

  /** How many messages wait, and since when the oldest that no consumer has refused (of thousands: of those due first); how many dead letters there are. */
  depth(): Promise<{ waiting: number; oldest: number | null; dead: number }>;
  /** Dead letters in the order of their ids, that of their messages. @param after those beyond this id */
  letters(limit?: number, after?: string): Promise<DeadLetter[]>;
  letter(id: string): Promise<DeadLetter | null>;
  /** Deletes a dead letter for good; false where there is none. */
  dropLetter(id: string): Promise<boolean>;
  /** Deletes what is kept no longer. */
  sweep(now: number): Promise<void>;
}

/** How long a published message is kept, and one with receipts (milliseconds). */
export const KEPT = 24 * 3_600_000;
export const KEPT_RECEIPTED = 30 * KEPT;

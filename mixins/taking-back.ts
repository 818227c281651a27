/** A message that the queue has handed to a consumer in vain goes back to its outbox. */
import type { Logger } from "moleculer";
import type { Database, Tx } from "../lib/database.ts";
import type { Params } from "../lib/declare.ts";
import { RECEIPTED } from "../lib/queue-contract.ts";
import { MAX_ATTEMPTS, waitAfter } from "./relay.ts";

type Returned = Params<"clubsQueue.again">;

/** How long who is away is left alone (milliseconds). */
const AWAY = 60_000;

interface Known {
  done: string;
  attempts: number;
  published_at: number | null;
}

/**
 * It is due again later, for this consumer alone and those that have theirs still to come; or it is a dead letter.
 * @param others the other consumers of its type
 */
export async function takeBack(
  db: Database,
  returned: Returned,
  others: string[],
  log: Logger,
): Promise<void> {
  const { envelope, consumer, error, way } = returned;
  const dead = await db.transaction(async (tx) => {
    const known = await tx.one<Known>("SELECT done, attempts, published_at FROM outbox WHERE id = :id", {
      id: envelope.id,
    });
    const attempts = (known?.attempts ?? 0) + (way === "away" ? 0 : 1);
    const isDead = way === "dead" || attempts >= MAX_ATTEMPTS;
    if (isDead) await bury(tx, returned, attempts);
    else await reschedule(tx, returned, others, known, attempts);
    return isDead;
  });
  if (dead) log.error("A message became a dead letter", { message: envelope.id, consumer, error, way });
}

/** Notes that a consumer is done with a message. */
export async function keepReceipt(
  db: Database,
  { id, consumer }: Params<"clubsQueue.receipt">,
): Promise<void> {
  await db.transaction(async (tx) => {
    // Written first, so that two receipts at once come one after the other.
    await tx.run("UPDATE outbox SET attempts = attempts WHERE id = :id", { id });
    const known = await tx.one<{ done: string }>("SELECT done FROM outbox WHERE id = :id", { id });
    if (!known) return;
    const done = new Set(JSON.parse(known.done) as string[]).add(consumer);
    await tx.run("UPDATE outbox SET done = :done WHERE id = :id", { id, done: JSON.stringify([...done]) });
  });
}

async function bury(tx: Tx, { envelope, consumer, error }: Returned, attempts: number): Promise<void> {
  await tx.insertNew("dead_letters", {
    id: `${envelope.id}:${consumer}`,
    type: envelope.type,
    consumer,
    envelope: JSON.stringify(envelope),
    error: error.slice(0, 500),
    attempts,
    created_at: Date.now(),
  });
}

async function reschedule(
  tx: Tx,
  { envelope, consumer, error, way }: Returned,
  others: string[],
  known: Known | null,
  attempts: number,
): Promise<void> {
  const { id } = envelope;
  if (!known) {
    // Swept: it was published more than a day ago.
    await tx.requeue(envelope, JSON.stringify(others));
    return;
  }
  // While another consumer's repeat is due, this one joins it. With receipts the list is known, else all others have
  // theirs in the queue.
  const listed = known.published_at === null || envelope.type === RECEIPTED;
  const finished = listed ? (JSON.parse(known.done) as string[]) : others;
  await tx.run(
    "UPDATE outbox SET done = :done, attempts = :attempts, last_error = :error, due_at = :due, published_at = NULL WHERE id = :id",
    {
      id,
      done: JSON.stringify(finished.filter((each) => each !== consumer)),
      attempts,
      error: error.slice(0, 500),
      due: Math.round(Date.now() + (way === "away" ? AWAY * (0.5 + Math.random()) : waitAfter(attempts))),
    },
  );
}

/** A message that the queue has handed to a consumer in vain goes back to its outbox. */
import type { Logger } from "moleculer";
import type { Params } from "../lib/declare.ts";
import { RECEIPTED } from "../lib/queue-contract.ts";
import { requestIdOf } from "../middlewares/tracing.ts";
import { deadLetter } from "./outbox.ts";
import type { Known, Outbox, Turn } from "./outbox.ts";
import { MAX_ATTEMPTS, waitAfter } from "./relay.ts";

type Returned = Params<"clubsQueue.again">;

/** How long who is away is left alone (milliseconds). */
const AWAY = 60_000;

/**
 * It is due again later, for this consumer alone and those that have theirs still to come; or it is a dead letter.
 * @param others the other consumers of its type
 */
export async function takeBack(
  outbox: Outbox,
  returned: Returned,
  others: string[],
  log: Logger,
): Promise<void> {
  const { envelope, consumer, error, way } = returned;
  const message = { id: envelope.id, type: envelope.type, envelope: JSON.stringify(envelope) };
  let dead = false;
  await outbox.putBack(envelope, (known) => {
    const attempts = (known?.attempts ?? 0) + (way === "away" ? 0 : 1);
    dead = way === "dead" || attempts >= MAX_ATTEMPTS;
    return dead
      ? deadLetter(message, consumer, error, attempts)
      : nextTurn(returned, others, known, attempts);
  });
  if (!dead) return;
  const { id, type } = envelope;
  const requestId = requestIdOf(envelope);
  log.error("A message became a dead letter", { message: id, type, consumer, error, way, requestId });
}

function nextTurn(
  { envelope, consumer, error, way }: Returned,
  others: string[],
  known: Known | null,
  attempts: number,
): Turn {
  // While another consumer's repeat is due, this one joins it. With receipts the list is known, else all others have
  // theirs in the queue; so it is with what was swept, which was published more than a day ago.
  const listed = known && (known.publishedAt === null || envelope.type === RECEIPTED);
  const finished = listed ? known.done : others;
  return {
    done: finished.filter((each) => each !== consumer),
    attempts,
    error: error.slice(0, 500),
    dueAt: Math.round(Date.now() + (way === "away" ? AWAY * (0.5 + Math.random()) : waitAfter(attempts))),
  };
}

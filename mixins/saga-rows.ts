/** The rows of sagas (lib/queue-tables.ts): who holds one, and how far it has come. */
import type { Logger } from "moleculer";
import type { Database, Tx } from "../lib/database.ts";
import { AppError } from "../lib/errors.ts";
import type { SagaState } from "../lib/saga-contract.ts";

/** Milliseconds that a node holds a saga at a time, and that one waits for its next try. */
export const LEASE = 5_000;
/** Seconds after which whoever found a saga held may look again. */
export const LOOK_AGAIN = 5;

export interface SagaRow {
  id: string;
  type: string;
  data: string;
  state: SagaState["state"];
  step: number;
  undone: string;
  tries: number;
  lease_owner: string | null;
  lease_until: number;
  created_at: number;
  updated_at: number;
}

export type SagaOutcome = "done" | "undone" | "pending";

/** Whoever holds a saga. */
export interface Worker {
  db: Database;
  logger: Logger;
  $sagaOwner: string;
}

/** Takes the lease, or keeps it; null when another node holds it or the saga has ended. */
export async function hold(db: Database, id: string, owner: string): Promise<SagaRow | null> {
  const now = Date.now();
  const held = await db.primary.run(
    `UPDATE sagas SET lease_owner = :owner, lease_until = :until
     WHERE id = :id AND state IN ('running', 'undoing') AND (lease_owner = :owner OR lease_until < :now)`,
    { id, owner, until: now + LEASE, now },
  );
  return held > 0 ? db.primary.one<SagaRow>("SELECT * FROM sagas WHERE id = :id", { id }) : null;
}

/** Within the transaction of a last step. @throws where the saga is being undone: that try came too late */
export async function stillRunning(tx: Tx, id: string): Promise<void> {
  // To another value each time: MySQL counts the rows that were changed.
  const running = await tx.run(
    "UPDATE sagas SET updated_at = updated_at + 1 WHERE id = :id AND state = 'running'",
    { id },
  );
  if (running === 0) throw new Error("The saga is being undone: this try came too late.");
}

export async function outcomeOf(db: Database, id: string): Promise<SagaOutcome> {
  const row = await db.primary.one<SagaRow>("SELECT * FROM sagas WHERE id = :id", { id });
  return row?.state === "done" || row?.state === "undone" ? row.state : "pending";
}

/** An operator's hold: not of what a node works at, but of what waits for its next try. */
export async function takeByHand({ db, $sagaOwner: owner }: Worker, id: string): Promise<SagaRow> {
  const now = Date.now();
  const taken = await db.primary.run(
    `UPDATE sagas SET lease_owner = :owner, lease_until = :until
     WHERE id = :id AND state IN ('running', 'undoing') AND (lease_owner IS NULL OR lease_until < :now)`,
    { id, owner, until: now + LEASE, now },
  );
  const saga = await db.primary.one<SagaRow>("SELECT * FROM sagas WHERE id = :id", { id });
  if (!saga) throw new AppError("NOT_FOUND");
  if (taken > 0) return saga;
  if (saga.state === "done" || saga.state === "undone")
    throw new AppError("SAGA_ENDED", { state: saga.state });
  throw new AppError("SAGA_HELD", { retryAfter: LOOK_AGAIN });
}

/** Writes the saga's progress; only while the lease is ours. With `lets` nobody holds it until its next try. */
export async function record(self: Worker, saga: SagaRow, lets = false): Promise<boolean> {
  const now = Date.now();
  const { id, state, step, undone, tries } = saga;
  const owner = self.$sagaOwner;
  const written = await self.db.primary.run(
    `UPDATE sagas SET state = :state, step = :step, undone = :undone, tries = :tries, lease_owner = :next,
     lease_until = :until, updated_at = :now WHERE id = :id AND lease_owner = :owner`,
    { id, state, step, undone, tries, until: now + LEASE, now, owner, next: lets ? null : owner },
  );
  return written > 0;
}

/** How many sagas of a type and state have not ended, and since when the first of them (milliseconds). */
export interface OpenSagas {
  type: string;
  state: "running" | "undoing";
  count: number;
  oldest: number;
}

export function countOpen(db: Database): Promise<OpenSagas[]> {
  return db.primary.all<OpenSagas>(
    `SELECT type, state, COUNT(*) AS count, MIN(created_at) AS oldest FROM sagas
     WHERE state IN ('running', 'undoing') GROUP BY type, state`,
  );
}

/** A saga as operators see it. @param steps their names; unknown where the code knows the type no more */
export function present(row: SagaRow, steps: readonly { name: string }[] = []): SagaState {
  const { id, type, state, step, tries } = row;
  return {
    id,
    type,
    state,
    step,
    stepName: steps[step]?.name ?? null,
    undone: JSON.parse(row.undone) as string[],
    tries,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

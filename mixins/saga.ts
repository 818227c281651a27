/**
 * Sagas: steps and compensations that are recorded before they run. The record of the first step is committed with
 * it. A node holds a saga for 5 s at a time; when it dies, another node of the domain finishes or undoes it.
 */
import type { Logger, ServiceBroker } from "moleculer";
import type { Database, Tx } from "../lib/database.ts";
import { AppError, isAppError } from "../lib/errors.ts";
import { newId } from "../lib/ids.ts";
import type { Mixin } from "../lib/implement.ts";
import type { SagaState } from "../lib/saga-contract.ts";
import { isAway, refusalOf } from "../middlewares/errors.ts";
import { runtimeOf } from "./runtime.ts";
import { tellSagas } from "./saga-gauges.ts";
import { hold, LEASE, LOOK_AGAIN, outcomeOf, present, record, takeByHand } from "./saga-rows.ts";
import type { SagaOutcome, SagaRow, Worker } from "./saga-rows.ts";

const SCAN = 2_000;
/** Tries of a step before the saga is undone. */
const TRIES = 3;

/** A step after the first; each way must be harmless to repeat, and `undo` must refuse a `run` that comes later. */
export interface Step<D> {
  name: string;
  run(data: D, sagaStep: string): Promise<void>;
  undo(data: D, sagaStep: string): Promise<void>;
}

/** The first step commits with the record of the saga; `undo` takes it back. */
export interface SagaDefinition<D> {
  type: string;
  undoFirst(data: D, sagaId: string): Promise<void>;
  steps: Step<D>[];
  /**
   * Whether the last step was done after all, by a try whose answer was lost: then nothing is undone. That step calls
   * `stillRunning` in its transaction, so that it cannot be done any more once this has been asked.
   */
  ended?(data: D, sagaId: string): Promise<boolean>;
}

export interface SagaMethods {
  /** Records a saga in the transaction of its first step, held by this node. Returns its id. */
  beginSaga(tx: Tx, type: string, data: object): Promise<string>;
  /** Carries the saga on; `pending` when another node holds it or a compensation waits for a service that is away. */
  runSaga(id: string): Promise<SagaOutcome>;
  /**
   * For operators: runs the saga's remaining steps (`finish`), or its compensations (`undo`), of which those that fail are
   * tried again as always. @throws NOT_FOUND, SAGA_HELD, SAGA_ENDED, SAGA_UNDOING, SAGA_STUCK
   */
  endSaga(id: string, way: "finish" | "undo"): Promise<SagaState>;
  /** Those that have not ended, in the order of their beginning; those beyond `after`. */
  openSagas(limit: number, after?: string): Promise<SagaState[]>;
}

type Self = SagaMethods & {
  broker: ServiceBroker;
  db: Database;
  logger: Logger;
  $sagaTimer?: NodeJS.Timeout;
  $untellSagas?: () => void;
  $sagaOwner: string;
  /** What this node is at: its lease lets it in again, and a slow step must not be run beside itself. */
  $sagasAtWork: Set<string>;
};

/** Gives a service sagas; it needs the database mixin before this one. */
export function sagas(definitionsOf: (service: never) => SagaDefinition<never>[]): Mixin<SagaMethods> {
  const find = (service: Self, type: string): SagaDefinition<object> => {
    const definition = definitionsOf(service as never).find((each) => each.type === type);
    if (!definition) throw new Error(`There is no saga of the type ${type}.`);
    return definition;
  };
  const mixin = {
    created(this: Self) {
      this.$sagaOwner = newId();
      this.$sagasAtWork = new Set();
    },
    methods: {
      async beginSaga(this: Self, tx: Tx, type: string, data: object): Promise<string> {
        const id = newId();
        const now = Date.now();
        await tx.insert("sagas", {
          id,
          type,
          data: JSON.stringify(data),
          state: "running",
          step: 0,
          undone: "[]",
          tries: 0,
          lease_owner: this.$sagaOwner,
          lease_until: now + LEASE,
          created_at: now,
          updated_at: now,
        });
        return id;
      },
      async runSaga(this: Self, id: string): Promise<SagaOutcome> {
        if (this.$sagasAtWork.has(id)) return outcomeOf(this.db, id);
        this.$sagasAtWork.add(id);
        try {
          const saga = await hold(this.db, id, this.$sagaOwner);
          if (!saga) return await outcomeOf(this.db, id);
          const definition = find(this, saga.type);
          // Lost to somebody else, it is theirs to finish or to undo.
          if (saga.state === "running" && !(await forward(this, saga, definition)))
            return await outcomeOf(this.db, id);
          if (saga.state === "undoing") await backward(this, saga, definition);
          return saga.state === "done" || saga.state === "undone" ? saga.state : "pending";
        } finally {
          this.$sagasAtWork.delete(id);
        }
      },
      async endSaga(this: Self, id: string, way: "finish" | "undo"): Promise<SagaState> {
        // An owner of its own: this node may be at it as well.
        const hand: Worker = { db: this.db, logger: this.logger, $sagaOwner: newId() };
        const saga = await takeByHand(hand, id);
        const definition = find(this, saga.type);
        this.logger.warn("A saga is ended by hand", { saga: id, type: saga.type, state: saga.state, way });
        if (way === "finish") await finish(hand, saga, definition);
        else await undo(hand, saga, definition);
        return present(saga, definition.steps);
      },
      async openSagas(this: Self, limit: number, after = ""): Promise<SagaState[]> {
        const rows = await this.db.primary.all<SagaRow>(
          `SELECT * FROM sagas WHERE state IN ('running', 'undoing') AND id > :after ORDER BY id LIMIT ${limit}`,
          { after },
        );
        const known = definitionsOf(this as never);
        return rows.map((row) => present(row, known.find(({ type }) => type === row.type)?.steps));
      },
    },
    async started(this: Self) {
      this.$sagaTimer = setInterval(() => void scan(this), SCAN);
      const types = definitionsOf(this as never).map(({ type }) => type);
      this.$untellSagas = tellSagas(runtimeOf(this.broker).metrics, this.db, types);
    },
    async stopped(this: Self) {
      clearInterval(this.$sagaTimer);
      this.$untellSagas?.();
    },
  };
  return mixin as unknown as Mixin<SagaMethods>;
}

/** Takes up what a dead node has left, and compensations that could not be done yet. */
async function scan(self: Self): Promise<void> {
  try {
    const left = await self.db.primary.all<{ id: string }>(
      "SELECT id FROM sagas WHERE state IN ('running', 'undoing') AND lease_until < :now ORDER BY id LIMIT 20",
      { now: Date.now() },
    );
    for (const { id } of left) await self.runSaga(id);
  } catch (error) {
    self.logger.warn("Sagas that were left open could not be taken up; tried again", {
      error: String(error),
    });
  }
}

/** The remaining steps, by hand: one that fails stays the next one. */
async function finish(hand: Worker, saga: SagaRow, { steps }: SagaDefinition<object>): Promise<void> {
  const data = JSON.parse(saga.data) as object;
  if (saga.state !== "running") {
    await record(hand, saga, true);
    throw new AppError("SAGA_UNDOING");
  }
  for (let step = steps[saga.step]; step; step = steps[saga.step]) {
    try {
      await step.run(data, `${saga.id}:${step.name}`);
    } catch (error) {
      await record(hand, saga, true);
      hand.logger.warn("A step failed by hand", { saga: saga.id, step: step.name, error: String(error) });
      throw new AppError("SAGA_STUCK", {
        step: step.name,
        reason: isAppError(error) ? error.type : "see the log",
        retryAfter: LOOK_AGAIN,
      });
    }
    saga.step++;
    saga.tries = 0;
    if (!(await record(hand, saga))) throw new AppError("SAGA_HELD", { retryAfter: LOOK_AGAIN });
  }
  saga.state = "done";
  await record(hand, saga);
}

/** The compensations, by hand. */
async function undo(hand: Worker, saga: SagaRow, definition: SagaDefinition<object>): Promise<void> {
  saga.state = "undoing";
  // Before the first of them: who takes the saga up after this node must not go forward any more.
  if (!(await record(hand, saga))) throw new AppError("SAGA_HELD", { retryAfter: LOOK_AGAIN });
  await backward(hand, saga, definition);
}

/** Whether the saga is still held. */
async function forward(self: Worker, saga: SagaRow, { steps }: SagaDefinition<object>): Promise<boolean> {
  const data = JSON.parse(saga.data) as object;
  for (let step = steps[saga.step]; step; step = steps[saga.step]) {
    try {
      await step.run(data, `${saga.id}:${step.name}`);
      saga.step++;
      saga.tries = 0;
    } catch (error) {
      saga.tries++;
      self.logger.warn("A step of a saga failed", {
        saga: saga.id,
        step: step.name,
        tries: saga.tries,
        error: String(error),
      });
      // Also where it is our own database that did not answer: the step may have been done, and is harmless to repeat.
      const away = isAway(refusalOf(error) ?? error);
      if (!away || saga.tries >= TRIES) saga.state = "undoing";
    }
    if (!(await record(self, saga))) return false;
    if (saga.state === "undoing") return true;
  }
  saga.state = "done";
  return record(self, saga);
}

/**
 * Undoes from the last step that may have run to the first. What cannot be reached now is tried again later and
 * does not keep the others waiting, so that the record of the first step is gone at once.
 */
async function backward(self: Worker, saga: SagaRow, definition: SagaDefinition<object>): Promise<void> {
  const data = JSON.parse(saga.data) as object;
  if (await definition.ended?.(data, saga.id)) {
    saga.state = "done";
    await record(self, saga);
    return;
  }
  const undone = new Set(JSON.parse(saga.undone) as string[]);
  const all = [
    ...definition.steps
      .slice(0, saga.step + 1)
      .map((step) => ({ name: step.name, undo: () => step.undo(data, `${saga.id}:${step.name}`) }))
      .toReversed(),
    { name: "first", undo: () => definition.undoFirst(data, saga.id) },
  ];
  for (const { name, undo } of all.filter((each) => !undone.has(each.name))) {
    try {
      await undo();
      undone.add(name);
    } catch (error) {
      self.logger.warn("A compensation failed and is tried again", {
        saga: saga.id,
        step: name,
        error: String(error),
      });
    }
  }
  saga.undone = JSON.stringify([...undone]);
  if (undone.size === all.length) saga.state = "undone";
  await record(self, saga, saga.state === "undoing");
}

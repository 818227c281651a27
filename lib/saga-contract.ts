/** A saga as operators see it (mixins/saga.ts). */
import type { Static } from "typebox";
import { Type as T } from "typebox";
import type { Actions } from "./declare.ts";
import { Nullable, OneOf } from "./types.ts";

/** Times in milliseconds since 1970. */
export const SagaState = T.Object({
  id: T.String(),
  type: T.String(),
  state: OneOf(["running", "undoing", "done", "undone"]),
  /** How many steps after the first are done. */
  step: T.Integer(),
  /** Of the next step; null where there is none. */
  stepName: Nullable(T.String()),
  /** Steps that are taken back. */
  undone: T.Array(T.String()),
  /** Of the next step, in vain. */
  tries: T.Integer(),
  createdAt: T.Integer(),
  updatedAt: T.Integer(),
});
export type SagaState = Static<typeof SagaState>;

/** What operators may do with the sagas of a domain that begins some. */
export const sagaActions = {
  /** Sagas that have not ended, oldest first; for operators. */
  sagas: {
    params: T.Object({
      limit: T.Optional(T.Integer({ minimum: 1, maximum: 1000 })),
      after: T.Optional(T.String()),
    }),
    returns: T.Array(SagaState),
    access: "service",
    safe: true,
  },
  /** For operators: finishes or undoes a saga that nobody works at. */
  endSaga: {
    params: T.Object({ id: T.String(), way: OneOf(["finish", "undo"]) }),
    returns: SagaState,
    access: "service",
  },
} as const satisfies Actions;

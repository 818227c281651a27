/** A saga as operators see it (mixins/saga.ts). */
import type { Static } from "typebox";
import { Type as T } from "typebox";
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

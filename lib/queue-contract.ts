/** What operators may do with a domain's messages; every domain that tells others something has a service with these actions. */
import { Type as T } from "typebox";
import { AnyEnvelope } from "./declare.ts";
import type { Actions } from "./declare.ts";

const DeadLetter = T.Object({
  id: T.String(),
  type: T.String(),
  consumer: T.String(),
  error: T.String(),
  attempts: T.Integer(),
  createdAt: T.Integer(),
});

/** Messages whose consumers tell when they are done, since people are owed the proof: erasures. */
export const RECEIPTED = "users.erased";

export const queueActions = {
  /** How many messages wait, and since when the oldest that no consumer has refused (milliseconds since 1970). */
  depth: {
    returns: T.Object({ waiting: T.Integer(), oldest: T.Union([T.Integer(), T.Null()]), dead: T.Integer() }),
    access: "service",
    safe: true,
  },
  /** Dead letters in the order of their ids, which is that of their messages; those after `after`. */
  dead: {
    params: T.Object({
      limit: T.Integer({ minimum: 1, maximum: 1000, default: 100 }),
      after: T.Optional(T.String()),
    }),
    returns: T.Array(DeadLetter),
    access: "service",
    safe: true,
  },
  /** One dead letter with its message. */
  inspect: {
    params: T.Object({ id: T.String() }),
    returns: T.Object({ ...DeadLetter.properties, envelope: T.Record(T.String(), T.Unknown()) }),
    access: "service",
    safe: true,
  },
  /**
   * Takes back a message that the queue has handed to a consumer in vain: it comes again later, for this consumer alone.
   * `refused` counts, and in the end makes it a dead letter; `away` does not; `dead` makes it one at once.
   */
  again: {
    params: T.Object({
      envelope: AnyEnvelope,
      consumer: T.String(),
      error: T.String(),
      way: T.Union([T.Literal("refused"), T.Literal("away"), T.Literal("dead")]),
    }),
    access: "service",
  },
  /** A consumer is done with a message of which that must be known (`RECEIPTED`). */
  receipt: { params: T.Object({ id: T.String(), consumer: T.String() }), access: "service" },
  /** Puts a dead letter (or all) back into the queue for its consumer; `more`: time was up, ask again for the rest. */
  replay: {
    params: T.Object({ id: T.Optional(T.String()) }),
    returns: T.Object({ replayed: T.Integer(), more: T.Optional(T.Literal(true)) }),
    access: "service",
  },
  /** Forgets a dead letter: its consumer never gets the message. An erasure is owed and cannot be dropped. */
  drop: { params: T.Object({ id: T.String() }), access: "service" },
} as const satisfies Actions;

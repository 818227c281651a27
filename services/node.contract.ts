import { Type as T } from "typebox";
import { declare } from "../lib/declare.ts";
import { Nullable, OneOf } from "../lib/types.ts";

const Circuit = T.Object({
  action: T.String(),
  /** Whose action is not called. */
  node: T.String(),
  state: OneOf(["open", "half-open"]),
});

const Store = T.Object({
  name: T.String(),
  kind: T.String(),
  reachable: T.Boolean(),
  /** Until it answered, or was given up. */
  milliseconds: T.Integer(),
  error: Nullable(T.String()),
  details: T.Record(T.String(), T.Unknown()),
});

/** How a node is. Times in milliseconds since 1970, memory in bytes. */
export const NodeStatus = T.Object({
  id: T.String(),
  domains: T.Array(T.String()),
  version: T.String(),
  runtime: T.String(),
  startedAt: T.Integer(),
  state: OneOf(["running", "draining", "drained"]),
  ready: T.Boolean(),
  reasons: T.Record(T.String(), T.String()),
  memory: T.Object({ rss: T.Integer(), heapUsed: T.Integer(), heapTotal: T.Integer() }),
  /** How late the event loop was, of the last ten seconds (milliseconds). */
  lag: T.Object({ mean: T.Number(), p99: T.Number(), max: T.Number() }),
  circuits: T.Array(Circuit),
  stores: T.Array(Store),
});

/** What every node has, whatever it runs; called by the node's id. */
export const node = declare("node", {
  /** Answers within a second, whatever stands still. */
  status: { returns: NodeStatus, access: "service", safe: true, timeout: 1_000 },
  /**
   * Has the node take no more work. Refused where it is the last working node of one of its domains, unless forced: of two
   * that are drained at once one at least sees the other, and then stays.
   */
  drain: {
    params: T.Object({ force: T.Boolean() }),
    returns: T.Object({ state: OneOf(["running", "draining", "drained"]) }),
    access: "service",
    timeout: 5_000,
  },
});

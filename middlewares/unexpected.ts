/**
 * Errors that nobody expected: neither a refusal of the catalogue, nor that somebody is away. They are counted here, and
 * told to whoever asks to hear of them.
 */
import type { Counter } from "prom-client";
import { counterOf } from "../lib/metrics.ts";
import type { Runtime } from "../mixins/runtime.ts";

export interface Whereabouts {
  /** The action that threw it; the template of the route where the gateway itself did. */
  action: string;
  requestId?: string | undefined;
  /** The id of the node. */
  node: string;
}

type Listener = (error: unknown, info: Whereabouts) => void;

interface Watch {
  counter: Counter<"action">;
  listeners: Set<Listener>;
}

const watches = new WeakMap<Runtime, Watch>();

/**
 * Calls `listener` with every unexpected error of this node, once, where it is thrown: other nodes get an INTERNAL for it.
 * What the listener throws is nobody's business. Returns how to end it.
 */
export function onUnexpected(runtime: Runtime, listener: Listener): () => void {
  const { listeners } = watchOf(runtime);
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** For whoever meets one: counts it and tells the listeners. Never throws. */
export function tellUnexpected(runtime: Runtime, error: unknown, info: Whereabouts): void {
  const { counter, listeners } = watchOf(runtime);
  counter.inc({ action: info.action });
  for (const each of listeners) {
    try {
      each(error, info);
    } catch {
      // The error itself is in the log already.
    }
  }
}

/** Made with the node, so that the metric is there before the first error. */
export function watchOf(runtime: Runtime): Watch {
  let watch = watches.get(runtime);
  if (!watch) {
    const counter = counterOf(runtime.metrics, "club_alliance_unexpected_errors_total");
    watches.set(runtime, (watch = { counter, listeners: new Set() }));
  }
  return watch;
}

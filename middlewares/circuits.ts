/** Actions that a node does not call since they failed too often. */
import type { ServiceBroker } from "moleculer";

export interface OpenCircuit {
  action: string;
  /** Whose action is not called. */
  node: string;
  /** `half-open`: it is tried with a single call. */
  state: "open" | "half-open";
}

interface Circuit {
  ep: { id: string; action: { name: string } };
  state: string;
}

/** Those of this node that are not closed. */
export function circuitsOf(broker: ServiceBroker): OpenCircuit[] {
  // Moleculer's circuit breaker keeps them there for whoever looks.
  const { CircuitBreakerStore: all = new Map<string, Circuit>() } = broker as {
    CircuitBreakerStore?: Map<string, Circuit>;
  };
  return [...all.values()]
    .filter(({ state }) => state !== "close")
    .map(({ ep, state }) => ({
      action: ep.action.name,
      node: ep.id,
      state: state === "open" ? "open" : "half-open",
    }));
}

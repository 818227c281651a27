/**
 * Which node takes the calls about one thing: by rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings
 * to increase hit rates", 1998) every caller ranks the nodes alike, and when one joins or leaves only its share of the
 * things moves. A retry, and a node that does not answer, go to the next in rank. That may leave two nodes that both
 * believe to be the owner, so whatever the owner writes is fenced.
 */
import { createHash } from "node:crypto";
import { Strategies } from "moleculer";
import type { Context, Endpoint, Registry, ServiceBroker } from "moleculer";
import { OWNERS } from "../lib/implement.ts";
import { isSuspect } from "./bus.ts";

/** The nodes by their rank for a key, the owner first. */
export function ranked<E extends { id: string }>(nodes: readonly E[], key: string): E[] {
  return nodes
    .map((node) => ({ node, weight: createHash("sha1").update(`${node.id} ${key}`).digest("hex") }))
    .toSorted((a, b) => (a.weight < b.weight ? 1 : -1))
    .map(({ node }) => node);
}

/** `strategyOptions.key` names the param that says which thing a call is about. */
class Owners extends Strategies.Base {
  readonly #broker: ServiceBroker;
  readonly #key: string;

  constructor(registry: Registry, broker: ServiceBroker, options: object) {
    super(registry, broker, options);
    this.#broker = broker;
    this.#key = (options as { key: string }).key;
  }

  override select<E extends Endpoint>(list: E[], ctx?: Context): E {
    const { params, _retryAttempts: tries = 0 } = (ctx ?? {}) as {
      params?: Record<string, unknown>;
      _retryAttempts?: number;
    };
    const key = params?.[this.#key];
    const order = ranked(list, typeof key === "string" ? key : "");
    const trusted = order.filter(({ id }) => !isSuspect(this.#broker, id));
    const candidates = trusted.length > 0 ? trusted : order;
    // A suspect that was tried has left the candidates already.
    const skipped = Math.max(0, tries - (order.length - candidates.length));
    return candidates[skipped % candidates.length] as E;
  }
}

/** Makes the strategy known to Moleculer; before any broker starts. */
export function registerOwners(): void {
  // Its types do not know that strategies can be added.
  (Strategies as unknown as { register(name: string, strategy: unknown): void }).register(OWNERS, Owners);
}

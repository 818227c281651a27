/** What belongs to a whole node rather than to a service: settings, contracts, health, metrics, keys. */
import { isIPv6 } from "node:net";
import type { ServiceBroker } from "moleculer";
import type { Registry } from "prom-client";
import type { ActionContract } from "../lib/declare.ts";
import type { Verifier } from "../lib/tokens.ts";
import type { LiveSettings } from "../lib/live-settings.ts";
import type { Pool } from "../lib/pools.ts";
import type { Queue } from "../lib/queue/index.ts";
import type { Settings } from "../lib/settings.ts";

/** Why a node is not ready, by who says so; ready when nobody does. */
export class Readiness {
  readonly #reasons = new Map<string, string>();

  block(who: string, reason: string): void {
    this.#reasons.set(who, reason);
  }

  clear(who: string): void {
    this.#reasons.delete(who);
  }

  get reasons(): Record<string, string> {
    return Object.fromEntries(this.#reasons);
  }

  get ready(): boolean {
    return this.#reasons.size === 0;
  }
}

/** Something that this node leans on. */
export interface Probe {
  /** What it is: `mysql`, `redis`. */
  kind: string;
  /** Rejects where it does not answer; what it resolves with is shown to operators. It need have no time limit. */
  look(): Promise<Record<string, unknown> | void>;
  /** Where connections to it are kept. */
  pool?: () => Pool;
  /** Where it stands for several servers: how each was when it was last looked at, in place of its own state. */
  servers?: () => readonly ServerState[];
}

/** A server of a kind, as a probe knows it. */
export interface ServerState {
  name: string;
  kind: string;
  up: boolean;
  /** Until it answered. */
  milliseconds: number;
  /** Of a replica: behind its primary. */
  lagMs: number | null;
  pool: Pool;
}

export interface Runtime {
  settings: Settings;
  /** Folders of services/ that this node runs. */
  domains: readonly string[];
  /** Every action of the federation, by full name. */
  contracts: ReadonlyMap<string, ActionContract>;
  readiness: Readiness;
  /** Prometheus metrics of this process. */
  metrics: Registry;
  /** Verifies access tokens with the keys that users tells. */
  verifier: Verifier;
  /** Verifies those of administrators' sessions with the keys that the admin domain tells. */
  adminVerifier: Verifier;
  /** What administrators have set. */
  live: LiveSettings;
  /** Where QUEUE_URL names one, on nodes that publish or consume; null: relays call the consumers. */
  queue: Queue | null;
  /** Run at the same time when the node is told to stop, before its services end. */
  drains: (() => Promise<void>)[];
  /** How what the node leans on is looked at, by a name; whoever opens it puts it here. */
  probes: Map<string, Probe>;
  /** Ports that were really taken, by name (`api`, `health`), where 0 was asked for. */
  ports: Map<string, number>;
  /** Ties the runtime to the broker made with its options. */
  bind(broker: ServiceBroker): void;
}

const runtimes = new WeakMap<ServiceBroker, Runtime>();

/** Ties a node's runtime to its broker; once, before services are made. */
export function setRuntime(broker: ServiceBroker, runtime: Runtime): void {
  runtimes.set(broker, runtime);
}

/** The runtime of a broker. */
export function runtimeOf(broker: ServiceBroker): Runtime {
  const runtime = runtimes.get(broker);
  if (!runtime) throw new Error("This broker was not made by createNode.");
  return runtime;
}

/** Full names of the actions that consume messages of `type`. */
export function consumersOf(contracts: Runtime["contracts"], type: string): string[] {
  return [...contracts].filter(([, action]) => action.consumes?.includes(type)).map(([name]) => name);
}

/** The address of the public gateway for whoever reads a mail or a feed. */
export function gatewayUrl({ settings, ports }: Runtime): string {
  if (settings.publicUrl) return settings.publicUrl;
  const host = ["0.0.0.0", "::"].includes(settings.host) ? "localhost" : settings.host;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${ports.get("api") ?? settings.port}`;
}

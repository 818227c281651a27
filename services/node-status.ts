/** What a node knows of itself: its load, what it leans on, whom it does not call. */
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ServiceBroker } from "moleculer";
import type { Answer } from "../lib/declare.ts";
import { lifeOf } from "../middlewares/drain.ts";
import type { Probe, Runtime } from "../mixins/runtime.ts";

export type NodeStatus = Answer<"node.status">;
type Store = NodeStatus["stores"][number];

/** Milliseconds that a store has to answer: less than whoever asks the node for all of them has. */
const PATIENCE = 600;
const LAG_WINDOW = 10_000;
const LAG_RESOLUTION = 20;
const ERROR_LENGTH = 200;

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** How late the event loop was in the last ten seconds, or since the node has started. */
export class Lag {
  readonly #histogram = monitorEventLoopDelay({ resolution: LAG_RESOLUTION });
  readonly #timer: NodeJS.Timeout;
  #last: NodeStatus["lag"] | null = null;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      this.#last = this.#read();
      this.#histogram.reset();
    }, LAG_WINDOW).unref();
  }

  get value(): NodeStatus["lag"] {
    return this.#last ?? this.#read();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #read(): NodeStatus["lag"] {
    const { mean, max, count } = this.#histogram;
    if (count === 0) return { mean: 0, p99: 0, max: 0 };
    // The histogram counts the time between two of its ticks, in nanoseconds.
    const late = (nanoseconds: number): number =>
      Math.max(0, Math.round((nanoseconds / 1e6 - LAG_RESOLUTION) * 10) / 10);
    return { mean: late(mean), p99: late(this.#histogram.percentile(99)), max: late(max) };
  }
}

/** Looks at what a node leans on. One that stands still is asked once, however often it is looked for. */
export class Stores {
  readonly #asked = new Map<Probe, Promise<Record<string, unknown> | void>>();

  look(probes: ReadonlyMap<string, Probe>): Promise<Store[]> {
    return Promise.all([...probes].map(([name, probe]) => this.#lookAt(name, probe)));
  }

  async #lookAt(name: string, probe: Probe): Promise<Store> {
    const begun = performance.now();
    const told = (
      reachable: boolean,
      error: string | null,
      details: Record<string, unknown> = {},
    ): Store => ({
      name,
      kind: probe.kind,
      reachable,
      milliseconds: Math.round(performance.now() - begun),
      error,
      details,
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE} ms`)), PATIENCE);
    });
    try {
      return told(true, null, (await Promise.race([this.#ask(probe), late])) ?? {});
    } catch (error) {
      return told(false, (error as Error).message.slice(0, ERROR_LENGTH));
    } finally {
      clearTimeout(timer);
    }
  }

  #ask(probe: Probe): Promise<Record<string, unknown> | void> {
    const known = this.#asked.get(probe);
    if (known) return known;
    const asked = Promise.resolve()
      .then(() => probe.look())
      .finally(() => this.#asked.delete(probe));
    asked.catch(() => undefined);
    this.#asked.set(probe, asked);
    return asked;
  }
}

interface Circuit {
  ep: { id: string; action: { name: string } };
  state: string;
}

/** Actions that this node does not call, or tries with a single call, since they failed too often. */
function circuitsOf(broker: ServiceBroker): NodeStatus["circuits"] {
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

/** All of it. */
export async function statusOf(
  broker: ServiceBroker,
  runtime: Runtime,
  lag: Lag,
  stores: Stores,
): Promise<NodeStatus> {
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  const { readiness, domains, probes } = runtime;
  return {
    id: broker.nodeID,
    domains: [...domains],
    version,
    runtime: `node ${process.version}`,
    startedAt: Math.round(performance.timeOrigin),
    state: lifeOf(runtime),
    ready: readiness.ready,
    reasons: readiness.reasons,
    memory: { rss, heapUsed, heapTotal },
    lag: lag.value,
    circuits: circuitsOf(broker),
    stores: await stores.look(probes),
  };
}

/** Those of a node's domains that no other working node runs. */
export async function loneDomains(broker: ServiceBroker, { domains }: Runtime): Promise<string[]> {
  const others = broker.registry
    .getNodeList({ onlyAvailable: true, withServices: false })
    .map(({ id }) => id)
    .filter(
      (id) => id !== broker.nodeID && domainsIn(id).some((each) => each === "all" || domains.includes(each)),
    );
  const told = await Promise.all(
    others.map((nodeID) =>
      broker
        .call<NodeStatus, object>("node.status", {}, { nodeID, timeout: 1_000, retries: 0 })
        .catch(() => null),
    ),
  );
  const working = told.flatMap((each) => (each?.state === "running" && each.ready ? each.domains : []));
  return domains.filter((each) => !working.includes(each));
}

/** The domains that a node's id names (`users+clubs.host~1`). */
function domainsIn(id: string): string[] {
  return (id.split(".")[0] as string).split("+");
}

/** What a node knows of itself: its load, what it leans on, whom it does not call. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ServiceBroker } from "moleculer";
import type { Answer } from "../lib/declare.ts";
import { VERSION } from "../lib/version.ts";
import { circuitsOf } from "../middlewares/circuits.ts";
import { lifeOf } from "../middlewares/drain.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { storesOf } from "../mixins/stores.ts";

export type NodeStatus = Answer<"node.status">;

const LAG_WINDOW = 10_000;
const LAG_RESOLUTION = 20;

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

/** All of it. */
export async function statusOf(broker: ServiceBroker, runtime: Runtime, lag: Lag): Promise<NodeStatus> {
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  const { readiness, domains, probes } = runtime;
  return {
    id: broker.nodeID,
    domains: [...domains],
    version: VERSION,
    runtime: `node ${process.version}`,
    startedAt: Math.round(performance.timeOrigin),
    state: lifeOf(runtime),
    ready: readiness.ready,
    reasons: readiness.reasons,
    memory: { rss, heapUsed, heapTotal },
    lag: lag.value,
    circuits: circuitsOf(broker),
    stores: await storesOf(runtime).look(probes),
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

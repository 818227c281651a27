/**
 * A node that is to stop says so first (readiness), lets running work end, and only then stops its services. A node that
 * an operator drains does the same and stays: idle, not ready, out of choice for every call, until its supervisor ends it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Middleware, ServiceBroker } from "moleculer";
import type { Runtime } from "../mixins/runtime.ts";

export type Life = "running" | "draining" | "drained";

/** What stays of a drained node: it tells how it is. */
const STAYS = "node";
/** Milliseconds that the others have to say that they have heard that this node takes no more, all together. */
const HEARD = 2_000;
/** Milliseconds that calls in work have to end; those that take longer are waited for by the broker once more. */
const IN_WORK = 5_000;
const POLL = 20;

interface Draining {
  life: Life;
  done: Promise<void>;
}

const drainings = new WeakMap<Runtime, Draining>();
/** How many would drain a node and still look whether they may. */
const intents = new WeakMap<Runtime, number>();

/** Whether a node works. */
export function lifeOf(runtime: Runtime): Life {
  const fallback = (intents.get(runtime) ?? 0) > 0 ? "draining" : "running";
  return drainings.get(runtime)?.life ?? fallback;
}

/** Nodes that are being stopped. */
const stopping = new WeakSet<Runtime>();

/** Whether it was told to drain, or to stop. */
export function takesNoMore(runtime: Runtime): boolean {
  return isLeaving(runtime) || stopping.has(runtime);
}

/** Whether it was told to drain. */
export function isLeaving(runtime: Runtime): boolean {
  return drainings.has(runtime);
}

/** Runs `check` while the node says of itself that it drains: who drains another one meanwhile does not count on it. */
export async function intending<R>(runtime: Runtime, check: () => Promise<R>): Promise<R> {
  const add = (by: number) => intents.set(runtime, (intents.get(runtime) ?? 0) + by);
  add(1);
  try {
    return await check();
  } finally {
    add(-1);
  }
}

export function drain(runtime: Runtime): Middleware {
  return {
    name: "Drain",
    created(broker: ServiceBroker) {
      const stop = broker.stop.bind(broker);
      // The broker refuses calls 200 ms after it has said that it leaves, whether or not everybody has heard by then.
      broker.stop = async () => {
        await leave(broker, runtime).catch((error: unknown) =>
          broker.logger.error("The drain did not end", { error: String(error) }),
        );
        await stop();
      };
    },
  };
}

/** What comes before the end of a node that is told to stop. */
async function leave(broker: ServiceBroker, runtime: Runtime): Promise<void> {
  runtime.readiness.block("node", "stopping");
  stopping.add(runtime);
  const drained = drainings.get(runtime)?.done;
  if (drained) return drained;
  await empty(broker, runtime);
}

/**
 * Each once, also where a node that was drained is stopped later. All at the same time, since who ends the process waits
 * no longer for two gateways than for one.
 */
async function runDrains(runtime: Runtime): Promise<void> {
  await Promise.all(runtime.drains.splice(0).map((each) => each()));
}

/**
 * Has a node take no more work; answers at once, and what it has in work goes on to its end. Again: nothing happens.
 * There is no way back but a new start.
 */
export function beginDrain(broker: ServiceBroker, runtime: Runtime): void {
  if (drainings.has(runtime)) return;
  runtime.readiness.block("node", "drained by an operator: end it, or start it anew");
  const own: Draining = { life: "draining", done: Promise.resolve() };
  drainings.set(runtime, own);
  broker.logger.warn("This node is drained and takes no more work");
  own.done = retire(broker, runtime).then(
    () => {
      own.life = "drained";
      broker.logger.warn("This node is drained and may be ended");
    },
    (error: unknown) => broker.logger.error("The drain did not end", { error: String(error) }),
  );
}

async function retire(broker: ServiceBroker, runtime: Runtime): Promise<void> {
  await empty(broker, runtime);
  const leaving = broker.services.filter(({ name }) => name !== STAYS);
  await Promise.all(leaving.map((service) => broker.destroyService(service)));
}

/** Resolves when nobody calls this node any more and nothing is in work. */
async function empty(broker: ServiceBroker, runtime: Runtime): Promise<void> {
  if (broker.transit?.connected) await withdraw(broker);
  // A gateway goes on while its balancer finds out, and its services with it.
  await Promise.all([runDrains(runtime), heard(broker, runtime)]);
  await idle(broker);
}

/**
 * Waits until the others know. Who answers a ping has read before it, on the same connection, that this node takes no
 * more, and whatever it called until then has come before the answer.
 */
async function heard(broker: ServiceBroker, { settings }: Runtime): Promise<void> {
  if (!broker.transit?.connected) return;
  // On etcd they look once in each interval of heartbeats.
  if (settings.discoverer !== "local") await sleep((broker.options.heartbeatInterval ?? 0) * 2_000);
  const others = broker.registry
    .getNodeList({ onlyAvailable: true, withServices: false })
    .filter(({ id }) => id !== broker.nodeID)
    .map(({ id }) => id);
  if (others.length > 0) await broker.ping(others, HEARD);
}

/** A service that stops while another one of its node still works would fail that one's calls. */
async function idle(broker: ServiceBroker): Promise<void> {
  const until = Date.now() + IN_WORK;
  while (inWork(broker) > 0 && Date.now() < until) await sleep(POLL);
}

/** Calls that Moleculer's tracker knows of: those that others wait for, and those that this node waits for. */
function inWork(broker: ServiceBroker): number {
  const trackers = [broker, ...broker.services] as unknown as { _trackedContexts?: unknown[] }[];
  return trackers.reduce((sum, { _trackedContexts: contexts }) => sum + (contexts?.length ?? 0), 0);
}

/** Tells the other nodes that this one has no services but `node`; they serve on until calls no longer come. */
async function withdraw({ registry }: ServiceBroker): Promise<void> {
  const all = registry.regenerateLocalRawInfo.bind(registry);
  // For good: each service that ends has the others told anew, while the rest still ends.
  registry.regenerateLocalRawInfo = (...args) => {
    const info = all(...args) as { services: Record<string, unknown>[] };
    info.services = info.services.filter(({ name }) => name === STAYS);
    return info as ReturnType<typeof all>;
  };
  registry.regenerateLocalRawInfo(true);
  await registry.discoverer.sendLocalNodeInfo();
}

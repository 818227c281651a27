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
/** Milliseconds for calls that were sent before their sender had heard that this node takes no more. */
const LAST_CALLS = 500;

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
    async stopping() {
      runtime.readiness.block("node", "stopping");
      await drainings.get(runtime)?.done;
      await runDrains(runtime);
    },
  };
}

/** Each once, also where a node that was drained is stopped later. */
async function runDrains(runtime: Runtime): Promise<void> {
  for (const each of runtime.drains.splice(0)) await each();
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
  await withdraw(broker);
  // A gateway goes on while its balancer finds out, and its services with it.
  await runDrains(runtime);
  await sleep(LAST_CALLS);
  const leaving = broker.services.filter(({ name }) => name !== STAYS);
  await Promise.all(leaving.map((service) => broker.destroyService(service)));
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

/** What a node knows of the others. */
import type { ServiceBroker } from "moleculer";
import { runtimeOf } from "./runtime.ts";

/** What every node has, also one that was drained, and an operator's prompt. */
const EVERYWHERE = "node";

/** Of every service of the contracts, and the gateways, the nodes that run it. */
export function servicesOf(broker: ServiceBroker): { name: string; nodes: string[]; available: boolean }[] {
  const { contracts } = runtimeOf(broker);
  const names = [...new Set([...contracts.keys()].map((action) => action.split(".")[0] as string))];
  const running = runningOn(broker);
  return [...names, "api", "admin-api"].toSorted().map((name) => {
    const nodes = (running.get(name) ?? []).toSorted();
    return { name, nodes, available: nodes.length > 0 };
  });
}

/** The ids of nodes that run something. */
export function workingNodes(broker: ServiceBroker): Set<string> {
  const running = [...runningOn(broker)].filter(([name]) => name !== EVERYWHERE);
  return new Set(running.flatMap(([, nodes]) => nodes));
}

function runningOn(broker: ServiceBroker): Map<string, string[]> {
  const running = new Map<string, string[]>();
  for (const { name, nodeID } of broker.registry.getServiceList({ onlyAvailable: true }))
    running.set(name, [...(running.get(name) ?? []), nodeID as string]);
  return running;
}

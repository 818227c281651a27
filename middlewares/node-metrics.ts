/** What a node tells of itself when its metrics are asked for: how it is, whom it knows, and what it leans on. */
import type { Registry } from "prom-client";
import { tell } from "../lib/metrics.ts";
import type { Reading } from "../lib/metrics.ts";
import type { Pool } from "../lib/pools.ts";
import { VERSION } from "../lib/version.ts";
import { PATIENCE, Watched } from "../lib/watched.ts";
import { servicesOf, workingNodes } from "../mixins/federation.ts";
import type { Runtime, ServerState } from "../mixins/runtime.ts";
import { storesOf } from "../mixins/stores.ts";
import { circuitsOf } from "./circuits.ts";
import { takesNoMore } from "./drain.ts";
import type { Middleware, ServiceBroker } from "./middleware.ts";

/** Milliseconds beyond those after which a store is given up. */
const SLACK = 200;

export function nodeMetrics(runtime: Runtime): Middleware {
  return {
    name: "NodeMetrics",
    async starting(broker: ServiceBroker) {
      tellNode(broker, runtime);
      tellOthers(broker, runtime.metrics);
      tellStores(runtime);
      tellPools(runtime);
    },
  };
}

function tellNode(broker: ServiceBroker, runtime: Runtime): void {
  const { metrics, readiness, domains } = runtime;
  const labels = { version: VERSION, domains: domains.join(","), node: broker.nodeID };
  tell(metrics, "club_alliance_build_info", () => [{ value: 1, labels }]);
  tell(metrics, "club_alliance_ready", () => [{ value: Number(readiness.ready) }]);
  tell(metrics, "club_alliance_draining", () => [{ value: Number(takesNoMore(runtime)) }]);
}

function tellOthers(broker: ServiceBroker, metrics: Registry): void {
  tell(metrics, "club_alliance_cluster_nodes", () => [{ value: workingNodes(broker).size }]);
  tell(metrics, "club_alliance_services_missing", () => [
    { value: servicesOf(broker).filter(({ available }) => !available).length },
  ]);
  tell(metrics, "club_alliance_circuits", () => {
    const circuits = circuitsOf(broker);
    return (["open", "half-open"] as const).map((state) => ({
      value: circuits.filter((each) => each.state === state).length,
      labels: { state },
    }));
  });
}

function tellStores(runtime: Runtime): void {
  const { metrics, probes } = runtime;
  const looked = new Watched(() => storesOf(runtime).look(probes), PATIENCE + SLACK);
  const states = async (): Promise<Omit<ServerState, "lagMs" | "pool">[]> => {
    const single = ((await looked.get()) ?? []).filter(({ name }) => !probes.get(name)?.servers);
    return [...single.map(({ reachable, ...store }) => ({ ...store, up: reachable })), ...serversOf(runtime)];
  };
  tell(metrics, "club_alliance_store_up", async () =>
    (await states()).map(({ name: store, kind, up }) => ({ value: Number(up), labels: { store, kind } })),
  );
  tell(metrics, "club_alliance_store_response_seconds", async () =>
    (await states()).flatMap(({ name: store, kind, up, milliseconds }) =>
      up ? [{ value: milliseconds / 1_000, labels: { store, kind } }] : [],
    ),
  );
  tell(metrics, "club_alliance_replica_lag_seconds", () =>
    serversOf(runtime).flatMap(({ name: store, lagMs }) =>
      lagMs === null ? [] : [{ value: lagMs / 1_000, labels: { store } }],
    ),
  );
}

function tellPools(runtime: Runtime): void {
  const { metrics } = runtime;
  const each =
    <L extends string>(read: (store: string, pool: Pool) => Reading<L>[]) =>
    (): Reading<L>[] =>
      poolsOf(runtime).flatMap(([store, pool]) => read(store, pool));
  tell(
    metrics,
    "club_alliance_pool_connections",
    each((store, { used, idle }) => [
      { value: used, labels: { store, state: "used" } },
      { value: idle, labels: { store, state: "idle" } },
    ]),
  );
  tell(
    metrics,
    "club_alliance_pool_limit",
    each((store, { limit }) => [{ value: limit, labels: { store } }]),
  );
  tell(
    metrics,
    "club_alliance_pool_waiting",
    each((store, { waiting }) => [{ value: waiting, labels: { store } }]),
  );
}

function serversOf({ probes }: Runtime): ServerState[] {
  return [...probes.values()].flatMap(({ servers }) => servers?.() ?? []);
}

function poolsOf(runtime: Runtime): [store: string, pool: Pool][] {
  const single = [...runtime.probes].flatMap(([name, { pool }]) => (pool ? [[name, pool()] as const] : []));
  const replicas = serversOf(runtime).map(({ name, pool }) => [name, pool] as const);
  return [...single, ...replicas].map(([name, pool]) => [name, pool]);
}

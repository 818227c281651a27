/** The stores' side: their names, and who may reach them. */
import { DOMAINS } from "../facts.ts";
import { wayTo } from "./edge.ts";
import {
  DATA_NAMESPACE,
  JOBS,
  MONITORING_NAMESPACE,
  NAMESPACE,
  placesOf,
  secretsOf,
  storeLabel,
} from "./needs.ts";
import type { Place } from "./needs.ts";
import { namespaceNamed, peerOf, tcp } from "./network.ts";
import { APP, COMPONENT } from "./parts.ts";
import type { Manifest, Section } from "./parts.ts";

/** Names that secrets know stores by, where no operator gives them: service → store, port, port of its pods. */
const NAMES: Record<string, [store: string, port: number, target: number]> = {
  ...Object.fromEntries(
    ["clubs", "applications", "files", "admin"].map((domain) => [`mysql-${domain}`, [domain, 3306, 3306]]),
  ),
  "mysql-clubs-replicas": ["clubs", 3306, 3307],
  "redis-cluster": ["redis", 6379, 6379],
  s3: ["s3", 7070, 7070],
};

export function namesSection(): Section {
  return {
    title: "Names of stores. Which pods they are a label says, whoever runs them (docs/kubernetes.md).",
    manifests: Object.entries(NAMES).map(([name, [store, port, targetPort]]) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: DATA_NAMESPACE },
      spec: { selector: storeLabel(store), ports: [{ name: "store", port, targetPort }] },
    })),
  };
}

/** Among themselves all, and from outside the namespace each store only those whose it is. */
export function storesSection(): Section {
  const callers = new Map<string, { place: Exclude<Place, { outside: true }>; components: string[] }>();
  const add = (component: string, places: Place[]): void => {
    for (const place of places) {
      if ("outside" in place || place.namespace !== DATA_NAMESPACE) continue;
      const key = JSON.stringify(place);
      const known = callers.get(key) ?? { place, components: [] };
      callers.set(key, known);
      known.components.push(component);
    }
  };
  for (const domain of DOMAINS) add(domain, placesOf(Object.keys(secretsOf(domain))));
  for (const [job, secrets] of Object.entries(JOBS)) add(job, placesOf(Object.keys(secrets)));
  return {
    title: "Stores are reached by each other, by Prometheus, and by the domains whose they are.",
    manifests: [
      dataPolicy("among-stores", {}, [
        { from: [{ podSelector: {} }] },
        { from: [peerOf(MONITORING_NAMESPACE, { "app.kubernetes.io/name": "prometheus" })] },
      ]),
      ...[...callers.values()].map(({ place, components }) =>
        dataPolicy(`${nameOfStore(place.labels)}-${place.port}`, { matchLabels: place.labels }, [
          { from: [callersOf(components)], ports: [tcp(place.port)] },
        ]),
      ),
      // Browsers fetch and put files there, through the edge.
      dataPolicy("s3-edge", { matchLabels: storeLabel("s3") }, [
        { from: [{ namespaceSelector: namespaceNamed("traefik") }], ports: [tcp(7070)] },
      ]),
      wayTo(
        { name: "s3", port: "store" },
        {
          host: "files.clubs.example.edu",
          className: "traefik",
          metadata: { name: "files", namespace: DATA_NAMESPACE },
        },
      ),
    ],
  };
}

function callersOf(components: string[]): object {
  return {
    namespaceSelector: namespaceNamed(NAMESPACE),
    podSelector: {
      matchLabels: { "app.kubernetes.io/name": APP },
      matchExpressions: [{ key: COMPONENT, operator: "In", values: components }],
    },
  };
}

const nameOfStore = (labels: Record<string, string>): string =>
  String(Object.keys(labels)[0]).split("/")[1] as string;

function dataPolicy(name: string, podSelector: object, ingress: object[]): Manifest {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: DATA_NAMESPACE },
    spec: { podSelector, policyTypes: ["Ingress"], ingress },
  };
}

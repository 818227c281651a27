/** Who may talk to whom: nobody to anybody, but each to what its own variables name. */
import { DOMAINS, portsOf } from "../facts.ts";
import {
  DATA_NAMESPACE,
  MONITORING_NAMESPACE,
  NAMESPACE,
  placesOf,
  secretsOf,
  secretsOfBackup,
  secretsOfMigrations,
  storeLabel,
} from "./needs.ts";
import type { Place } from "./needs.ts";
import { APP, COMPONENT, labelsOf, metadataOf } from "./parts.ts";
import type { Manifest, Section } from "./parts.ts";

/** Namespaces of the edges, by the gateway that each leads to. */
export const EDGES: Record<string, string> = { gateway: "traefik", "admin-gateway": "traefik-admin" };

const PUSHGATEWAY: Place = {
  namespace: MONITORING_NAMESPACE,
  labels: { "app.kubernetes.io/name": "pushgateway" },
  port: 9091,
};

/** Not a setting of a secret, so that every node has it. */
const FOR_ALL = ["TRACING_URL"];

export function networkSection(): Section {
  return {
    title:
      "Who may talk to whom. Nobody to anybody; then names for all, and each to the stores that its own variables name.",
    manifests: [
      {
        ...policy("nobody", {}),
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      },
      policy("names", { egress: [namesRule()] }),
      ...DOMAINS.map(domainPolicy),
      jobPolicy("migrations", placesOf(Object.keys(secretsOfMigrations()))),
      jobPolicy("backup", [...placesOf(Object.keys(secretsOfBackup())), PUSHGATEWAY]),
    ],
  };
}

function policy(
  name: string,
  rules: { ingress?: object[]; egress?: object[] },
  component?: string,
): Manifest {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadataOf(name, component ?? "network"),
    spec: {
      podSelector: component ? { matchLabels: labelsOf(component) } : {},
      policyTypes: [...(rules.ingress ? ["Ingress"] : []), ...(rules.egress ? ["Egress"] : [])],
      ...rules,
    },
  };
}

function domainPolicy(domain: string): Manifest {
  const ports = portsOf([domain]);
  const edge = EDGES[domain];
  const outward = Object.entries(ports).flatMap(([variable, port]) =>
    variable === "HEALTH_PORT" ? [] : [port],
  );
  const ingress = [
    {
      from: [peerOf(MONITORING_NAMESPACE, { "app.kubernetes.io/name": "prometheus" })],
      ports: [tcp(ports["HEALTH_PORT"] as number)],
    },
    ...(edge ? [{ from: [{ namespaceSelector: namespaceNamed(edge) }], ports: outward.map(tcp) }] : []),
  ];
  const egress = placesOf([...Object.keys(secretsOf(domain)), ...FOR_ALL]).map(ruleTo);
  return policy(domain, { ingress, egress }, domain);
}

function jobPolicy(component: string, places: Place[]): Manifest {
  return policy(component, { egress: places.map(ruleTo) }, component);
}

/** As Kubernetes' own DNS is labelled everywhere, CoreDNS too. */
function namesRule(): object {
  return {
    to: [peerOf("kube-system", { "k8s-app": "kube-dns" })],
    ports: ["UDP", "TCP"].map((protocol) => ({ protocol, port: 53 })),
  };
}

function ruleTo(place: Place): object {
  if ("outside" in place)
    return {
      to: ["0.0.0.0/0", "::/0"].map((cidr) => ({ ipBlock: { cidr } })),
      ports: [tcp(place.port)],
    };
  return { to: [peerOf(place.namespace, place.labels)], ports: [tcp(place.port)] };
}

const tcp = (port: number) => ({ protocol: "TCP", port });
const namespaceNamed = (name: string) => ({ matchLabels: { "kubernetes.io/metadata.name": name } });
const peerOf = (namespace: string, matchLabels: Record<string, string>) => ({
  namespaceSelector: namespaceNamed(namespace),
  podSelector: { matchLabels },
});

/** The stores' side: among themselves all, and from outside the namespace each store only those whose it is. */
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
  add("migrations", placesOf(Object.keys(secretsOfMigrations())));
  add("backup", placesOf(Object.keys(secretsOfBackup())));
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

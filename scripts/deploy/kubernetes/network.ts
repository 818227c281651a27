/** Who may talk to whom: nobody to anybody, but each to what its own variables name. */
import { DOMAINS, portsOf } from "../facts.ts";
import { JOBS, MONITORING_NAMESPACE, placesOf, secretsOf } from "./needs.ts";
import type { Place } from "./needs.ts";
import { labelsOf, metadataOf } from "./parts.ts";
import type { Manifest, Section } from "./parts.ts";

/** Namespaces of the edges, by the gateway that each leads to. */
export const EDGES: Record<string, string> = { gateway: "traefik", "admin-gateway": "traefik-admin" };

export const PUSHGATEWAY: Place = {
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
      ...Object.entries(JOBS).map(([job, secrets]) =>
        jobPolicy(job, [...placesOf(Object.keys(secrets)), ...(job === "backup" ? [PUSHGATEWAY] : [])]),
      ),
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

export const tcp = (port: number) => ({ protocol: "TCP", port });
export const namespaceNamed = (name: string) => ({ matchLabels: { "kubernetes.io/metadata.name": name } });
export const peerOf = (namespace: string, matchLabels: Record<string, string>) => ({
  namespaceSelector: namespaceNamed(namespace),
  podSelector: { matchLabels },
});

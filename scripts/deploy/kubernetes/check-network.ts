/** Whether pods reach what their variables name, and nothing else. */
import { DOMAINS, portsOf } from "../facts.ts";
import { JOBS, placesOf, secretsOf } from "./needs.ts";
import type { Place } from "./needs.ts";
import { PUSHGATEWAY } from "./network.ts";
import { variablesOf } from "./check-pods.ts";
import { labelsOfPod, ofKind, selects, workloadsOf } from "./reading.ts";
import type { Doc, Peer, PeerRule, Workload } from "./reading.ts";

const DNS = "names";

export function networkProblems(docs: readonly Doc[]): string[] {
  const namespaces = new Set(ofKind(docs, "Deployment").map(({ metadata }) => metadata.namespace));
  return [...namespaces].flatMap((namespace) => [
    ...(isClosed(docs, namespace) ? [] : [`No NetworkPolicy closes the namespace ${namespace}.`]),
    ...workloadsOf(docs)
      .filter((workload) => workload.namespace === namespace)
      .flatMap((workload) => reachProblems(docs, workload)),
  ]);
}

function isClosed(docs: readonly Doc[], namespace: string | undefined): boolean {
  return ofKind(docs, "NetworkPolicy").some(
    ({ metadata, spec }) =>
      metadata.namespace === namespace &&
      Object.keys(spec.podSelector).length === 0 &&
      ["Ingress", "Egress"].every((type) => spec.policyTypes.includes(type)) &&
      !spec.ingress?.length &&
      !spec.egress?.length,
  );
}

function reachProblems(docs: readonly Doc[], workload: Workload): string[] {
  const labels = labelsOfPod(workload.template);
  const policies = ofKind(docs, "NetworkPolicy").filter(
    ({ metadata, spec }) => metadata.namespace === workload.namespace && selects(spec.podSelector, labels),
  );
  const [container] = workload.template.spec.containers;
  if (!container) return [];
  const variables = variablesOf(docs, container)
    .filter(({ value }) => value !== "")
    .map(({ name }) => name);
  const wanted = new Set(
    [...placesOf(variables), ...(container.command?.includes("--push") ? [PUSHGATEWAY] : [])].map(nameOf),
  );
  const open = new Set(
    policies
      .filter(({ metadata }) => metadata.name !== DNS)
      .flatMap(({ spec }) => (spec.egress ?? []).flatMap((rule) => reached(rule, rule.to))),
  );
  const listened = container.command ? [] : Object.values(portsOf(container.args ?? []));
  const incoming = new Set(
    policies.flatMap(({ spec }) =>
      (spec.ingress ?? []).flatMap(({ ports = [] }) => ports.map(({ port }) => port)),
    ),
  );
  const say = (problem: string): string => `${workload.title}: ${problem}`;
  return [
    ...(policies.some(({ metadata }) => metadata.name === DNS) ? [] : [say("it may not ask for names")]),
    ...[...wanted]
      .filter((place) => !open.has(place))
      .map((place) => say(`it is to reach ${place} and may not`)),
    ...[...open]
      .filter((place) => !wanted.has(place))
      .map((place) => say(`it may reach ${place}, which none of its variables name`)),
    ...listened.filter((port) => !incoming.has(port)).map((port) => say(`nobody may reach its port ${port}`)),
    ...[...incoming]
      .filter((port) => !listened.includes(Number(port)))
      .map((port) => say(`its port ${port} is open, and nobody listens there`)),
  ];
}

/** Names of the places that a rule opens; without peers or ports it opens everything. */
function reached({ ports }: PeerRule, peers: Peer[] | undefined): string[] {
  const numbers = ports?.map(({ port }) => String(port)) ?? ["any port"];
  const whom = peers?.map(nameOfPeer) ?? ["anybody"];
  return [...new Set(whom.flatMap((peer) => numbers.map((port) => `${peer}:${port}`)))];
}

function nameOfPeer({ namespaceSelector, podSelector, ipBlock }: Peer): string {
  if (ipBlock) return "the outside";
  const namespace = namespaceSelector?.matchLabels?.["kubernetes.io/metadata.name"] ?? "any namespace";
  const pods = Object.entries(podSelector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  return `${namespace}/${pods.join(",") || "any pod"}`;
}

function nameOf(place: Place): string {
  if ("outside" in place) return `the outside:${place.port}`;
  const peer: Peer = {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": place.namespace } },
    podSelector: { matchLabels: place.labels },
  };
  return `${nameOfPeer(peer)}:${place.port}`;
}

/**
 * Whether the addresses in secrets lead to the ports that are open.
 * @param stores the manifests of the stores' namespace, which name some of them
 */
export function addressProblems(stores: readonly Doc[], secrets: ReadonlyMap<string, string>): string[] {
  const files = new Map(
    [...DOMAINS.map(secretsOf), ...Object.values(JOBS)].flatMap((each) =>
      Object.entries(each).map(([variable, file]) => [file, variable] as const),
    ),
  );
  return [...files].flatMap(([file, variable]) => {
    const open = placesOf([variable]).map(({ port }) => port);
    if (open.length === 0) return [];
    const addresses = (secrets.get(file) ?? "").split(",").map(hostAndPort);
    return addresses.flatMap(([host, port]) => {
      const name = ofKind(stores, "Service").find(({ metadata }) => metadata.name === host);
      const served = name?.spec.ports.find((each) => each.port === Number(port));
      if (name && !served) return [`${file} asks ${host} at port ${port}, which that Service has not`];
      const target = Number(served?.targetPort ?? port);
      return open.includes(target)
        ? []
        : [`${file} leads to port ${target}, and only ${open.join(", ")} is open`];
    });
  });
}

/** Of one address, whose list of servers may have been cut; the first word of the host is the Service. */
function hostAndPort(address: string): [host: string, port: string] {
  const authority = address
    .replace(/^[a-z-]+:\/\//, "")
    .replace(/^.*@/, "")
    .replace(/[/?].*$/, "");
  const [host = "", port = ""] = authority.split(":");
  return [host.split(".")[0] as string, port];
}

/** Whether what belongs together is there and fits: selectors, budgets, autoscalers, ways in. */
import { METRICS } from "../../../lib/metrics-catalog.ts";
import { DOMAINS } from "../facts.ts";
import { COMPONENT } from "./parts.ts";
import { labelsOfPod, ofKind, selects } from "./reading.ts";
import type { Doc, Selector } from "./reading.ts";

const LEAST = 3;
const SPREAD = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];

/** @param adapter the rules of prometheus-adapter: counter by the name under which its rate is told */
export function objectProblems(docs: readonly Doc[], adapter: ReadonlyMap<string, string>): string[] {
  return [
    ...twiceProblems(docs),
    ...DOMAINS.flatMap((domain) => domainProblems(docs, domain)),
    ...ofKind(docs, "Deployment").flatMap((doc) => deploymentProblems(docs, doc)),
    ...ofKind(docs, "Service").flatMap((doc) => serviceProblems(docs, doc)),
    ...autoscalerProblems(docs, adapter),
    ...ingressProblems(docs),
  ];
}

function twiceProblems(docs: readonly Doc[]): string[] {
  const seen = new Set<string>();
  return docs.flatMap(({ kind, metadata: { name, namespace } }) => {
    const key = `${kind} ${namespace ?? ""}/${name}`;
    if (seen.has(key)) return [`${kind} ${name} is there twice`];
    seen.add(key);
    return [];
  });
}

/** Each domain has nodes of its own, a budget and a policy that select them. */
function domainProblems(docs: readonly Doc[], domain: string): string[] {
  const deployment = ofKind(docs, "Deployment").find(({ metadata }) => metadata.name === domain);
  if (!deployment) return [`No Deployment runs the domain ${domain}.`];
  const labels = labelsOfPod(deployment.spec.template);
  const canary = { ...labels, track: "canary" };
  const taken = (
    kind: "PodDisruptionBudget" | "NetworkPolicy",
    selectorOf: (doc: Doc) => Selector,
  ): boolean =>
    ofKind(docs, kind).some((doc) => doc.metadata.name === domain && selects(selectorOf(doc), canary));
  const spread = (deployment.spec.template.spec.topologySpreadConstraints ?? []).filter(
    ({ labelSelector }) => labelSelector && selects(labelSelector, labels),
  );
  return [
    ...(labels[COMPONENT] === domain
      ? []
      : [`Deployment ${domain}: its pods are not labelled ${COMPONENT}: ${domain}`]),
    ...(taken("PodDisruptionBudget", (doc) => (doc.spec as { selector: Selector }).selector)
      ? []
      : [`No PodDisruptionBudget takes the pods of ${domain}, a canary's too.`]),
    ...(taken("NetworkPolicy", (doc) => (doc.spec as { podSelector: Selector }).podSelector)
      ? []
      : [`No NetworkPolicy ${domain} takes the pods of ${domain}, a canary's too.`]),
    ...SPREAD.filter((key) => !spread.some(({ topologyKey }) => topologyKey === key)).map(
      (key) => `Deployment ${domain}: its pods are not spread over ${key}`,
    ),
  ];
}

function deploymentProblems(
  docs: readonly Doc[],
  { metadata: { name }, spec }: ReturnType<typeof deployments>[number],
): string[] {
  const labels = labelsOfPod(spec.template);
  const scaler = ofKind(docs, "HorizontalPodAutoscaler").find((doc) => doc.spec.scaleTargetRef.name === name);
  const replicas = scaler ? scaler.spec.minReplicas : spec.replicas;
  const problems: [boolean, string][] = [
    [selects(spec.selector, labels), "its selector does not take its own pods"],
    [!selects(spec.selector, { ...labels, track: "canary" }), "its selector takes a canary's pods too"],
    [(replicas ?? 1) >= LEAST, `it has fewer than ${LEAST} replicas`],
    [!(scaler && spec.replicas !== undefined), "its replicas and its autoscaler fight each other"],
    [
      String(spec.strategy?.rollingUpdate?.maxUnavailable) === "0",
      "a rollout takes nodes away before others are there",
    ],
  ];
  if (!DOMAINS.includes(name)) return [];
  return problems.flatMap(([kept, problem]) => (kept ? [] : [`Deployment ${name}: ${problem}`]));
}

const deployments = (docs: readonly Doc[]) => ofKind(docs, "Deployment");

function serviceProblems(
  docs: readonly Doc[],
  { metadata, spec }: ReturnType<typeof services>[number],
): string[] {
  const { name, namespace } = metadata;
  const taken = deployments(docs).filter(
    (doc) =>
      doc.metadata.namespace === namespace &&
      selects({ matchLabels: spec.selector ?? {} }, labelsOfPod(doc.spec.template)),
  );
  // Pods of operators are not among the manifests.
  if (taken.length === 0)
    return namespace === "club-alliance" ? [`Service ${name}: its selector takes no pods`] : [];
  return spec.ports.flatMap(({ targetPort, port }) => {
    const ports = taken.flatMap((doc) =>
      doc.spec.template.spec.containers.flatMap((each) => each.ports ?? []),
    );
    const wanted = targetPort ?? port;
    return ports.some((each) => each.name === wanted || each.containerPort === wanted)
      ? []
      : [`Service ${name}: its pods have no port ${wanted}`];
  });
}

const services = (docs: readonly Doc[]) => ofKind(docs, "Service");

function autoscalerProblems(docs: readonly Doc[], adapter: ReadonlyMap<string, string>): string[] {
  const scalers = ofKind(docs, "HorizontalPodAutoscaler");
  const missing = ["clubs", "posts"].filter(
    (domain) => !scalers.some(({ spec }) => spec.scaleTargetRef.name === domain),
  );
  return [
    ...missing.map((domain) => `Nothing scales ${domain}.`),
    ...scalers.flatMap(({ metadata: { name }, spec }) => {
      const say = (problem: string): string => `HorizontalPodAutoscaler ${name}: ${problem}`;
      const rates = spec.metrics.flatMap(({ external }) => external?.metric.name ?? []);
      return [
        ...(deployments(docs).some((doc) => doc.metadata.name === spec.scaleTargetRef.name)
          ? []
          : [say(`there is no Deployment ${spec.scaleTargetRef.name}`)]),
        ...(spec.metrics.some(({ resource }) => resource?.name === "cpu")
          ? []
          : [say("it does not look at the CPU")]),
        ...(rates.length > 0 ? [] : [say("it does not look at the rate of requests")]),
        ...rates.flatMap((rate) => {
          const counter = adapter.get(rate);
          if (!counter) return [say(`prometheus-adapter tells no ${rate}`)];
          return Object.hasOwn(METRICS, counter) ? [] : [say(`no node has a metric ${counter}`)];
        }),
      ];
    }),
  ];
}

/** A way in has TLS, leads to a port that is there, and names middlewares that are there; administrators have their own. */
function ingressProblems(docs: readonly Doc[]): string[] {
  const ways = ofKind(docs, "Ingress");
  const admins = ways.find(({ metadata }) => metadata.name === "admin-gateway");
  const shared = ways.filter(({ spec }) => spec.ingressClassName === admins?.spec.ingressClassName);
  return [
    ...(admins && shared.length === 1
      ? []
      : ["The admin gateway is to have an Ingress whose class no other Ingress has."]),
    ...ways.flatMap(({ metadata: { name, namespace, annotations = {} }, spec }) => {
      const say = (problem: string): string => `Ingress ${name}: ${problem}`;
      const covered = new Set((spec.tls ?? []).flatMap(({ hosts }) => hosts));
      const named =
        Object.entries(annotations).find(([key]) => key.endsWith("router.middlewares"))?.[1] ?? "";
      const middlewares = named
        .split(",")
        .filter(Boolean)
        .map((each) => each.replace(`${namespace}-`, "").replace("@kubernetescrd", ""));
      return [
        ...spec.rules
          .filter(({ host }) => !covered.has(host))
          .map(({ host }) => say(`${host} is without TLS`)),
        ...spec.rules.flatMap(({ http }) =>
          http.paths.flatMap(({ backend: { service } }) =>
            services(docs).some(
              (doc) =>
                doc.metadata.name === service.name &&
                doc.spec.ports.some((each) => each.name === service.port.name),
            )
              ? []
              : [say(`there is no Service ${service.name} with a port ${service.port.name}`)],
          ),
        ),
        ...middlewares
          .filter((each) => !docs.some((doc) => doc.kind === "Middleware" && doc.metadata.name === each))
          .map((each) => say(`there is no Middleware ${each}`)),
      ];
    }),
  ];
}

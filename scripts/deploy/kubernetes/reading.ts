/** Manifests as the checks read them. */
import { parseAllDocuments } from "yaml";

export type Labels = Record<string, string>;

export interface Selector {
  matchLabels?: Labels;
  matchExpressions?: {
    key: string;
    operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
    values?: string[];
  }[];
}

export interface EnvVariable {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef?: { name: string; key: string; optional?: boolean } };
}

interface HttpProbe {
  httpGet?: { path: string; port: string | number };
}

export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: EnvVariable[];
  envFrom?: { configMapRef?: { name: string } }[];
  ports?: { name: string; containerPort: number }[];
  startupProbe?: HttpProbe;
  livenessProbe?: HttpProbe;
  readinessProbe?: HttpProbe;
  lifecycle?: { preStop?: { sleep?: { seconds: number } } };
  resources?: { requests?: Labels; limits?: Labels };
  securityContext?: {
    readOnlyRootFilesystem?: boolean;
    allowPrivilegeEscalation?: boolean;
    capabilities?: { drop?: string[] };
  };
  volumeMounts?: { name: string; mountPath: string }[];
}

export interface PodSpec {
  serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  priorityClassName?: string;
  terminationGracePeriodSeconds?: number;
  topologySpreadConstraints?: { topologyKey: string; labelSelector?: Selector }[];
  securityContext?: { runAsNonRoot?: boolean; runAsUser?: number; seccompProfile?: { type: string } };
  containers: Container[];
  volumes?: {
    name: string;
    emptyDir?: object;
    secret?: { secretName: string; items?: { key: string; path: string }[] };
    configMap?: { name: string };
    persistentVolumeClaim?: { claimName: string };
  }[];
}

export interface PodTemplate {
  metadata?: { labels?: Labels };
  spec: PodSpec;
}

/** A manifest; of `spec` what its kind has of it. */
export interface Doc {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Labels; annotations?: Labels };
  data?: Labels;
  spec?: unknown;
}

export interface PeerRule {
  from?: Peer[];
  to?: Peer[];
  ports?: { protocol?: string; port: number | string }[];
}

export interface Peer {
  namespaceSelector?: Selector;
  podSelector?: Selector;
  ipBlock?: { cidr: string };
}

/** Of each kind, what the checks read of its spec. */
export interface Specs {
  Deployment: {
    replicas?: number;
    strategy?: { rollingUpdate?: { maxUnavailable?: number | string } };
    selector: Selector;
    template: PodTemplate;
  };
  StatefulSet: {
    selector: Selector;
    template: PodTemplate;
    volumeClaimTemplates?: { metadata: { name: string } }[];
  };
  Job: { template: PodTemplate };
  CronJob: { jobTemplate: { spec: { template: PodTemplate } } };
  Service: { selector?: Labels; ports: { name: string; port: number; targetPort?: number | string }[] };
  PodDisruptionBudget: { selector: Selector };
  HorizontalPodAutoscaler: {
    scaleTargetRef: { kind: string; name: string };
    minReplicas?: number;
    metrics: {
      type: string;
      resource?: { name: string };
      external?: { metric: { name: string; selector?: Selector } };
    }[];
  };
  Ingress: {
    ingressClassName?: string;
    tls?: { hosts: string[]; secretName: string }[];
    rules: {
      host: string;
      http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] };
    }[];
  };
  NetworkPolicy: { podSelector: Selector; policyTypes: string[]; ingress?: PeerRule[]; egress?: PeerRule[] };
}

/** The manifests of a YAML text; throws the first sentence of what is wrong with it. */
export function readManifests(text: string): Doc[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw error;
    const doc = document.toJS() as Doc | null;
    return doc ? [doc] : [];
  });
}

/** Those of a kind, with their spec. */
export function ofKind<K extends keyof Specs>(docs: readonly Doc[], kind: K): (Doc & { spec: Specs[K] })[] {
  return docs.filter((doc) => doc.kind === kind) as (Doc & { spec: Specs[K] })[];
}

export interface Workload {
  /** As sentences name it. */
  title: string;
  name: string;
  kind: "Deployment" | "StatefulSet" | "Job" | "CronJob";
  namespace: string;
  template: PodTemplate;
}

/** Everything that makes pods. */
export function workloadsOf(docs: readonly Doc[]): Workload[] {
  const of = (doc: Doc, kind: Workload["kind"], template: PodTemplate): Workload => ({
    title: `${kind} ${doc.metadata.name}`,
    name: doc.metadata.name,
    kind,
    namespace: doc.metadata.namespace ?? "default",
    template,
  });
  return [
    ...ofKind(docs, "Deployment").map((doc) => of(doc, "Deployment", doc.spec.template)),
    ...ofKind(docs, "StatefulSet").map((doc) => of(doc, "StatefulSet", withClaims(doc.spec))),
    ...ofKind(docs, "Job").map((doc) => of(doc, "Job", doc.spec.template)),
    ...ofKind(docs, "CronJob").map((doc) => of(doc, "CronJob", doc.spec.jobTemplate.spec.template)),
  ];
}

/** Claims of a StatefulSet are volumes of its pods. */
function withClaims({ template, volumeClaimTemplates = [] }: Specs["StatefulSet"]): PodTemplate {
  const claims = volumeClaimTemplates.map(({ metadata }) => ({ name: metadata.name }));
  return {
    ...template,
    spec: { ...template.spec, volumes: [...(template.spec.volumes ?? []), ...claims] },
  };
}

/** Whether a selector takes what has these labels; an empty one takes everything. */
export function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      const isOne = value !== undefined && values.includes(value);
      const holds = {
        In: isOne,
        NotIn: !isOne,
        Exists: value !== undefined,
        DoesNotExist: value === undefined,
      };
      return holds[operator];
    })
  );
}

export const labelsOfPod = (template: PodTemplate): Labels => template.metadata?.labels ?? {};

/** Bytes of `512Mi` and the like. */
export function bytesOf(quantity: string): number {
  const [, number, unit = ""] = /^(\d+)(Ki|Mi|Gi|Ti)?$/.exec(quantity) ?? [];
  return Number(number) * 1024 ** ["", "Ki", "Mi", "Gi", "Ti"].indexOf(unit);
}

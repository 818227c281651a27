/** Pods: what every container of ours has, and those of nodes. */
import { portsOf } from "../facts.ts";
import { AUTHORITY, SECRETS_FOLDER, secretsOf } from "./needs.ts";
import { COMPONENT, IMAGE, labelsOf, TOOLS_IMAGE, VERSION } from "./parts.ts";

const USER = 10_001;
/** Megabytes of the heap; what is left of the limit is for buffers, pictures, threads and compiled code. */
const HEAP_MB = 640;

export const RESOURCES = {
  requests: { cpu: "250m", memory: "512Mi" },
  limits: { cpu: "500m", memory: "1Gi" },
};

/** Seconds that a gateway that is to end goes on as before: until no edge sends it anything new. */
const UNTIL_KNOWN = 5;
/** Seconds until the kernel ends it; longer than that and the node's own limit together. */
export const GRACE = 30;

/** Who matters when there is no room: PriorityClasses by domain. */
const FIRST = ["gateway", "users", "clubs", "applications"];
const LAST = ["posts", "search"];

export function priorityOf(domain: string): string {
  if (FIRST.includes(domain)) return "club-alliance-first";
  return LAST.includes(domain) ? "club-alliance-last" : "club-alliance-middle";
}

const TMP = "256Mi";
/** Eight files at a time, each as large as documents may be (`files.maxDocumentMiB`). */
const TOOLS_TMP = "1Gi";

const CONTAINER_SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

/** What a pod is made of beside its one container. */
export interface PodOptions {
  component: string;
  /** By the variable: the secret's file. */
  secrets: Record<string, string>;
  /** Other files of its Secret. */
  files?: string[];
  container: Record<string, unknown>;
  env?: object[];
  volumes?: object[];
  mounts?: object[];
  more?: Record<string, unknown>;
}

/** A pod with one container that may write to /tmp alone and finds its secrets as files. */
export function podOf(options: PodOptions): Record<string, unknown> {
  const { component, secrets, container, env = [], volumes = [], mounts = [], more = {} } = options;
  const files = [...Object.values(secrets), ...(options.files ?? []), AUTHORITY];
  return {
    serviceAccountName: component,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...more,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      fsGroup: USER,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        ...container,
        env: [
          { name: "NODE_OPTIONS", value: `--max-old-space-size=${HEAP_MB}` },
          { name: "NODE_EXTRA_CA_CERTS", value: `${SECRETS_FOLDER}/${AUTHORITY}` },
          ...Object.entries(secrets).map(([name, file]) => ({
            name: `${name}_FILE`,
            value: `${SECRETS_FOLDER}/${file}`,
          })),
          ...env,
        ],
        resources: RESOURCES,
        securityContext: CONTAINER_SECURITY,
        volumeMounts: [
          { name: "tmp", mountPath: "/tmp" },
          { name: "secrets", mountPath: SECRETS_FOLDER, readOnly: true },
          ...mounts,
        ],
      },
    ],
    volumes: [
      { name: "tmp", emptyDir: { sizeLimit: container["image"] === TOOLS_IMAGE ? TOOLS_TMP : TMP } },
      {
        name: "secrets",
        secret: {
          secretName: component,
          defaultMode: 0o440,
          items: files.map((file) => ({ key: file, path: file })),
        },
      },
      ...volumes,
    ],
  };
}

/** The pod of a node of one domain, with its labels. */
export function nodePod(domain: string): Record<string, unknown> {
  const ports = Object.entries(portsOf([domain]));
  const outward = ports.some(([variable]) => variable !== "HEALTH_PORT");
  return {
    metadata: {
      labels: { ...labelsOf(domain), "app.kubernetes.io/version": VERSION, track: "stable" },
    },
    spec: podOf({
      component: domain,
      secrets: secretsOf(domain),
      env: [
        // Only where somebody has made that secret.
        {
          name: "SENTRY_DSN",
          valueFrom: { secretKeyRef: { name: "sentry", key: "sentry_dsn", optional: true } },
        },
      ],
      more: {
        priorityClassName: priorityOf(domain),
        terminationGracePeriodSeconds: GRACE,
        topologySpreadConstraints: spreadOf(domain),
      },
      container: {
        name: "node",
        image: IMAGE,
        args: [domain],
        ports: ports.map(([variable, containerPort]) => ({
          name: variable === "HEALTH_PORT" ? "health" : "http",
          containerPort,
        })),
        ...probes(),
        envFrom: [{ configMapRef: { name: "club-alliance" } }],
        ...(outward && { lifecycle: { preStop: { sleep: { seconds: UNTIL_KNOWN } } } }),
      },
    }),
  };
}

/**
 * Alive is a node whose event loop turns: one that waits for a store or for NATS is alive, and not ready. A new start
 * would mend neither.
 */
function probes(): Record<string, unknown> {
  const ask = (path: string) => ({ httpGet: { path, port: "health" } });
  return {
    startupProbe: { ...ask("/health/live"), periodSeconds: 2, failureThreshold: 30, timeoutSeconds: 2 },
    livenessProbe: { ...ask("/health/live"), periodSeconds: 10, failureThreshold: 6, timeoutSeconds: 5 },
    readinessProbe: { ...ask("/health/ready"), periodSeconds: 2, failureThreshold: 2, timeoutSeconds: 2 },
  };
}

/** Over machines strictly and over zones where there are some; each version by itself, so that a rollout keeps to it. */
function spreadOf(domain: string): object[] {
  const own = {
    maxSkew: 1,
    labelSelector: { matchLabels: { [COMPONENT]: domain, track: "stable" } },
    matchLabelKeys: ["pod-template-hash"],
  };
  return [
    { topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "ScheduleAnyway", ...own },
    {
      topologyKey: "kubernetes.io/hostname",
      whenUnsatisfiable: "DoNotSchedule",
      // A machine that is emptied counts for nothing, else nobody could move.
      nodeTaintsPolicy: "Honor",
      ...own,
    },
  ];
}

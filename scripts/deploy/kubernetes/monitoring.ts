/** Prometheus, Alertmanager, Grafana, the Pushgateway and the way of traces, in a namespace of their own. */
import { configVolume } from "./configs.ts";
import { DATA_NAMESPACE, MONITORING_NAMESPACE, NAMESPACE, SECRETS_FOLDER } from "./needs.ts";
import { namespaceNamed, peerOf, tcp } from "./network.ts";
import { APP, labelsOf } from "./parts.ts";
import type { Manifest, Section } from "./parts.ts";
import { namespaceOf } from "./workloads.ts";

interface Program {
  name: string;
  image: string;
  user: number;
  args?: string[];
  env?: { name: string; value: string }[];
  ports: Record<string, number>;
  /** Path that answers when it is ready, on the first port. */
  ready?: string;
  memory: string;
  /** ConfigMap → folder. */
  configs?: Record<string, string>;
  /** Files of its Secret of the same name. */
  secrets?: string[];
  /** What outlives its pod: folder and size. */
  keeps?: { folder: string; size: string };
  /** Folders that it writes to and that go with the pod. */
  writes?: string[];
  /** It asks Kubernetes for pods. */
  asks?: boolean;
}

const PROGRAMS: Program[] = [
  {
    name: "prometheus",
    image: "prom/prometheus:v3.5.0",
    user: 65_534,
    args: [
      "--config.file=/etc/prometheus/prometheus.yml",
      "--storage.tsdb.path=/prometheus",
      "--storage.tsdb.retention.time=45d",
      "--storage.tsdb.retention.size=40GB",
    ],
    ports: { web: 9090 },
    ready: "/-/ready",
    memory: "2Gi",
    configs: { prometheus: "/etc/prometheus" },
    keeps: { folder: "/prometheus", size: "50Gi" },
    asks: true,
  },
  {
    name: "alertmanager",
    image: "prom/alertmanager:v0.28.1",
    user: 65_534,
    args: [
      "--config.file=/etc/alertmanager/alertmanager.yml",
      "--storage.path=/alertmanager",
      "--cluster.listen-address=",
    ],
    ports: { web: 9093 },
    ready: "/-/ready",
    memory: "128Mi",
    configs: { alertmanager: "/etc/alertmanager" },
    secrets: ["alert_page_url", "alert_ticket_url", "alert_watchdog_url"],
    keeps: { folder: "/alertmanager", size: "1Gi" },
  },
  {
    name: "pushgateway",
    image: "prom/pushgateway:v1.11.1",
    user: 65_534,
    args: ["--persistence.file=/data/metrics"],
    ports: { web: 9091 },
    ready: "/-/ready",
    memory: "64Mi",
    // When the last backup was is not to be forgotten with a pod.
    keeps: { folder: "/data", size: "1Gi" },
  },
  {
    name: "grafana",
    image: "grafana/grafana:12.1.1",
    user: 472,
    env: [
      { name: "GF_SECURITY_ADMIN_PASSWORD__FILE", value: `${SECRETS_FOLDER}/grafana_admin_password` },
      { name: "GF_ANALYTICS_REPORTING_ENABLED", value: "false" },
      { name: "GF_ANALYTICS_CHECK_FOR_UPDATES", value: "false" },
      { name: "GF_USERS_ALLOW_SIGN_UP", value: "false" },
      { name: "GF_PATHS_DATA", value: "/data" },
    ],
    ports: { web: 3000 },
    ready: "/api/health",
    memory: "512Mi",
    configs: {
      "grafana-provisioning": "/etc/grafana/provisioning",
      "grafana-dashboards": "/var/lib/grafana/dashboards",
    },
    secrets: ["grafana_admin_password"],
    writes: ["/data", "/tmp"],
  },
  {
    name: "otel-collector",
    image: "otel/opentelemetry-collector-contrib:0.135.0",
    user: 10_001,
    args: ["--config=/etc/otel-collector/otel-collector.yml"],
    ports: { traces: 4318 },
    memory: "256Mi",
    configs: { "otel-collector": "/etc/otel-collector" },
  },
  {
    name: "jaeger",
    image: "jaegertracing/jaeger:2.10.0",
    user: 10_001,
    ports: { web: 16_686, traces: 4317 },
    memory: "512Mi",
    writes: ["/tmp"],
  },
];

/** Secret → its files, as scripts/secrets.ts makes them. */
export const MONITORING_SECRETS = new Map(
  PROGRAMS.flatMap(({ name, secrets }) => (secrets ? [[name, secrets] as const] : [])),
);

export function monitoringSections(): Section[] {
  return [
    {
      title: "The namespace. Its ConfigMaps come from `npm run -s kubernetes -- configs`.",
      manifests: [namespaceOf(MONITORING_NAMESPACE, "restricted")],
    },
    {
      title: "Prometheus finds pods, and may do nothing else.",
      manifests: [NAMESPACE, DATA_NAMESPACE, MONITORING_NAMESPACE].flatMap(rightsIn),
    },
    ...PROGRAMS.map((program) => ({ title: `${program.name}.`, manifests: manifestsOf(program) })),
    {
      title: "They reach each other; nodes send traces, the backup tells that it was made.",
      manifests: [
        policy("among-themselves", {}, [{ from: [{ podSelector: {} }] }]),
        // An API of the cluster's own: its servers call it, from addresses that nobody knows beforehand.
        policy("adapter", { matchLabels: { "app.kubernetes.io/name": "prometheus-adapter" } }, [
          { ports: [tcp(6443)] },
        ]),
        policy("traces", { matchLabels: { "app.kubernetes.io/name": "otel-collector" } }, [
          { from: [{ namespaceSelector: namespaceNamed(NAMESPACE) }], ports: [tcp(4318)] },
        ]),
        policy("backups", { matchLabels: { "app.kubernetes.io/name": "pushgateway" } }, [
          { from: [peerOf(NAMESPACE, labelsOf("backup"))], ports: [tcp(9091)] },
        ]),
      ],
    },
  ];
}

const metadata = (name: string, namespace = MONITORING_NAMESPACE): Manifest["metadata"] => ({
  name,
  namespace,
  labels: { "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": APP },
});

function rightsIn(namespace: string): Manifest[] {
  const apiGroup = "rbac.authorization.k8s.io";
  return [
    {
      apiVersion: `${apiGroup}/v1`,
      kind: "Role",
      metadata: metadata("prometheus", namespace),
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] }],
    },
    {
      apiVersion: `${apiGroup}/v1`,
      kind: "RoleBinding",
      metadata: metadata("prometheus", namespace),
      roleRef: { apiGroup, kind: "Role", name: "prometheus" },
      subjects: [{ kind: "ServiceAccount", name: "prometheus", namespace: MONITORING_NAMESPACE }],
    },
  ];
}

function manifestsOf(program: Program): Manifest[] {
  const { name, ports, keeps } = program;
  const matchLabels = { "app.kubernetes.io/name": name };
  return [
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(name),
      automountServiceAccountToken: false,
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadata(name),
      spec: {
        selector: matchLabels,
        ports: Object.entries(ports).map(([each, port]) => ({ name: each, port, targetPort: each })),
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: metadata(name),
      spec: {
        serviceName: name,
        replicas: 1,
        selector: { matchLabels },
        template: { metadata: { labels: metadata(name).labels }, spec: podOf(program) },
        ...(keeps && {
          volumeClaimTemplates: [
            {
              metadata: { name: "data" },
              spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: keeps.size } } },
            },
          ],
        }),
      },
    },
  ];
}

function podOf(program: Program): Record<string, unknown> {
  const { name, image, user, args, env, ports, ready, memory } = program;
  const { configs = {}, secrets, keeps, writes = [], asks = false } = program;
  const scratch = writes.map((folder) => ({ name: folder.slice(1), mountPath: folder }));
  return {
    serviceAccountName: name,
    automountServiceAccountToken: asks,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: user,
      fsGroup: user,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name,
        image,
        ...(args && { args }),
        ...(env && { env }),
        ports: Object.entries(ports).map(([each, containerPort]) => ({ name: each, containerPort })),
        ...(ready && { readinessProbe: { httpGet: { path: ready, port: Object.keys(ports)[0] } } }),
        resources: { requests: { cpu: "50m", memory }, limits: { memory } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [
          ...Object.entries(configs).map(([each, mountPath]) => ({ name: each, mountPath, readOnly: true })),
          ...(secrets ? [{ name: "secrets", mountPath: SECRETS_FOLDER, readOnly: true }] : []),
          ...(keeps ? [{ name: "data", mountPath: keeps.folder }] : []),
          ...scratch,
        ],
      },
    ],
    volumes: [
      ...Object.keys(configs).map(configVolume),
      ...(secrets
        ? [
            {
              name: "secrets",
              secret: { secretName: name, items: secrets.map((file) => ({ key: file, path: file })) },
            },
          ]
        : []),
      ...scratch.map((each) => ({ name: each.name, emptyDir: {} })),
    ],
  };
}

function policy(name: string, podSelector: object, ingress: object[]): Manifest {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: MONITORING_NAMESPACE },
    spec: { podSelector, policyTypes: ["Ingress"], ingress },
  };
}

/** What runs: a Deployment for each domain with what belongs to it, the jobs, who matters more. */
import { DOMAINS, portsOf } from "../facts.ts";
import { JOBS, NAMESPACE, RECIPIENTS, SECRETS_FOLDER } from "./needs.ts";
import type { JobName } from "./needs.ts";
import { IMAGE, labelsOf, metadataOf, TOOLS_IMAGE, VERSION } from "./parts.ts";
import type { Manifest, Section } from "./parts.ts";
import { nodePod, podOf } from "./pods.ts";
import { autoscalerOf, SCALED } from "./scaling.ts";

const REPLICAS = 3;

/** Settings that are no secrets, the same for every node. An office sets its own. */
const SETTINGS = {
  NODE_ENV: "production",
  LOG_FORMAT: "json",
  LOG_LEVEL: "info",
  PUBLIC_URL: "https://clubs.example.edu",
  ADMIN_URL: "https://admin.clubs.example.edu",
  S3_PUBLIC_URL: "https://files.clubs.example.edu",
  // The pods' network: the edge is in it, and NetworkPolicies let nobody else in it reach a gateway.
  TRUSTED_PROXIES: "10.244.0.0/16",
  CAMPUS_NETWORKS: "",
  EMAIL_DOMAINS: "",
  CORS_ORIGINS: "",
  TRACING_URL: "http://otel-collector.club-alliance-monitoring:4318",
};

export function commonSections(): Section[] {
  return [
    {
      title: "The namespace. Pods in it may do nothing that Kubernetes holds to be a risk.",
      manifests: [namespaceOf(NAMESPACE, "restricted")],
    },
    {
      title:
        "Who keeps its place when machines are short of it: stores, then signing in and applying, then the rest, then feeds and search.",
      manifests: [
        priority("stores", 400_000, "What everything stands on: databases, NATS, Redis"),
        priority("first", 300_000, "Signing in, clubs, applications and their reviews"),
        priority("middle", 200_000, "Activities, files, notifications, the office"),
        priority("last", 100_000, "Feeds and search"),
      ],
    },
    {
      title: "Settings of every node. Secrets come as files (docs/kubernetes.md).",
      manifests: [
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: metadataOf("club-alliance", "settings"),
          data: SETTINGS,
        },
      ],
    },
  ];
}

export function namespaceOf(name: string, level: "restricted" | "baseline"): Manifest {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { "pod-security.kubernetes.io/enforce": level } },
  };
}

function priority(name: string, value: number, description: string): Manifest {
  return {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: `club-alliance-${name}` },
    value,
    description,
  };
}

export function domainSections(): Section[] {
  return DOMAINS.map((domain) => ({
    title: `Domain ${domain}.`,
    manifests: [
      accountOf(domain),
      deploymentOf(domain),
      budgetOf(domain),
      ...serviceOf(domain),
      ...(SCALED[domain] ? [autoscalerOf(domain, SCALED[domain])] : []),
    ],
  }));
}

/** Without any right, and no pod is given its token. */
function accountOf(component: string): Manifest {
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: metadataOf(component, component),
    automountServiceAccountToken: false,
  };
}

function deploymentOf(domain: string): Manifest {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf(domain, domain),
    spec: {
      // An autoscaler's number would be put back by each rollout.
      ...(!SCALED[domain] && { replicas: REPLICAS }),
      revisionHistoryLimit: 5,
      minReadySeconds: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels: { ...labelsOf(domain), track: "stable" } },
      template: nodePod(domain),
    },
  };
}

/** Of a domain's nodes, whatever their version, one at a time may be moved; one that is not ready holds nobody up. */
function budgetOf(domain: string): Manifest {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: metadataOf(domain, domain),
    spec: {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: "AlwaysAllow",
      selector: { matchLabels: labelsOf(domain) },
    },
  };
}

/** Only gateways are called by HTTP; nodes find each other over NATS. */
function serviceOf(domain: string): Manifest[] {
  if (!Object.keys(portsOf([domain])).some((variable) => variable !== "HEALTH_PORT")) return [];
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadataOf(domain, domain),
      spec: { selector: labelsOf(domain), ports: [{ name: "http", port: 80, targetPort: "http" }] },
    },
  ];
}

/** Nodes of a new version wait for their migrations by themselves, and those of the old one go on meanwhile. */
export function migrationSection(): Section {
  const component = "migrations";
  return {
    title: "Migrations of every store, once for each version. Nodes wait for theirs.",
    manifests: [
      accountOf(component),
      {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: metadataOf(`migrations-${VERSION.replaceAll(".", "-")}`, component),
        spec: {
          backoffLimit: 12,
          ttlSecondsAfterFinished: 604_800,
          template: {
            metadata: { labels: { ...labelsOf(component), "app.kubernetes.io/version": VERSION } },
            spec: podOf({
              component,
              secrets: JOBS.migrations,
              container: {
                name: "migrate",
                image: IMAGE,
                command: ["node", "scripts/migrate.ts", "up"],
              },
              more: { priorityClassName: "club-alliance-first", restartPolicy: "OnFailure" },
            }),
          },
        },
      },
    ],
  };
}

const BACKUPS_FOLDER = "/backups";
const WITH_BACKUPS = { "club-alliance/volume": "backups" };
/** The volume is on one machine at a time: who comes while another is at work goes there too. */
const BESIDE_THE_OTHERS = {
  podAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: WITH_BACKUPS }, topologyKey: "kubernetes.io/hostname" },
    ],
  },
};
/** Private keys that decrypt backups: in the cluster for the time of a restore alone. */
const IDENTITY_FOLDER = "/run/identity";
/** A CronJob must have a schedule; this one is suspended, and an operator makes a Job of it. */
const BY_HAND = "0 0 1 1 *";

export function backupSection(): Section {
  return {
    title:
      "Every store is saved each night, and who was erased every five minutes; what is saved is to be carried off to another place as well. A restore is begun by hand (docs/kubernetes.md).",
    manifests: [
      ...["backup", "erasures", "restore"].map(accountOf),
      {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: metadataOf("backups", "backup"),
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "200Gi" } } },
      },
      cronOf("backup", "15 3 * * *", {
        files: [RECIPIENTS],
        args: [
          "--keep",
          "14",
          "--recipients",
          `${SECRETS_FOLDER}/${RECIPIENTS}`,
          "--push",
          "http://pushgateway.club-alliance-monitoring:9091",
        ],
      }),
      // A restore erases them again: who is on no list would come back.
      cronOf("erasures", "*/5 * * * *", { args: ["--erased-only"] }),
      cronOf("restore", BY_HAND, {
        script: "restore",
        args: ["--identity", `${IDENTITY_FOLDER}/identity`],
        mounts: [{ name: "identity", mountPath: IDENTITY_FOLDER, readOnly: true }],
        volumes: [
          { name: "identity", secret: { secretName: "identity", defaultMode: 0o440, optional: true } },
        ],
      }),
    ],
  };
}

interface Cron {
  /** Of scripts/. */
  script?: "backup" | "restore";
  args: string[];
  files?: string[];
  mounts?: object[];
  volumes?: object[];
}

function cronOf(
  component: JobName,
  schedule: string,
  { script = "backup", args, files = [], mounts = [], volumes = [] }: Cron,
): Manifest {
  const byHand = schedule === BY_HAND;
  const spec = podOf({
    component,
    secrets: JOBS[component],
    files,
    mounts: [{ name: "backups", mountPath: BACKUPS_FOLDER }, ...mounts],
    volumes: [{ name: "backups", persistentVolumeClaim: { claimName: "backups" } }, ...volumes],
    container: {
      name: component,
      image: TOOLS_IMAGE,
      command: ["node", `scripts/${script}.ts`, BACKUPS_FOLDER, ...args],
    },
    more: { priorityClassName: "club-alliance-middle", restartPolicy: "Never", affinity: BESIDE_THE_OTHERS },
  });
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: metadataOf(component, component),
    spec: {
      schedule,
      ...(byHand && { suspend: true }),
      concurrencyPolicy: "Forbid",
      startingDeadlineSeconds: 7200,
      jobTemplate: {
        spec: {
          // A restore that failed is looked at before it is begun again.
          backoffLimit: byHand ? 0 : 2,
          template: { metadata: { labels: { ...labelsOf(component), ...WITH_BACKUPS } }, spec },
        },
      },
    },
  };
}

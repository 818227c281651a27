import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { adapterOf, schemaProblems } from "../../scripts/deploy/checks/kubernetes.ts";
import { ROOT } from "../../scripts/deploy/facts.ts";
import { addressProblems, networkProblems } from "../../scripts/deploy/kubernetes/check-network.ts";
import { objectProblems } from "../../scripts/deploy/kubernetes/check-objects.ts";
import { madeSecrets, podProblems } from "../../scripts/deploy/kubernetes/check-pods.ts";
import { MONITORING_SECRETS } from "../../scripts/deploy/kubernetes/monitoring.ts";
import { madeFiles } from "../../scripts/deploy/kubernetes/files.ts";
import { ofKind, readManifests } from "../../scripts/deploy/kubernetes/reading.ts";
import type { Container, Doc, Specs } from "../../scripts/deploy/kubernetes/reading.ts";
import { secretFiles, secretManifests } from "../../scripts/deploy/kubernetes/secrets.ts";
import { GRACE_MS, WATCHDOG_MS } from "../../services/gateway/drain.ts";
import { describeWith } from "../support/servers/index.ts";

const read = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");
const docs = readManifests(read("k8s.yaml"));
const stores = readManifests(read("deploy/k8s/data.yaml"));
const adapter = read("deploy/k8s/prometheus-adapter.values.yaml");
const secrets = madeSecrets();

/** What is wrong once `edit` has changed a copy of k8s.yaml. */
function problemsAfter(edit: (copy: Doc[]) => void): string[] {
  const copy = structuredClone(docs);
  edit(copy);
  return [
    ...podProblems(copy, secrets),
    ...objectProblems(copy, adapterOf(adapter)),
    ...networkProblems(copy),
  ];
}

function specOf<K extends keyof Specs>(all: Doc[], kind: K, name: string): Specs[K] {
  const found = ofKind(all, kind).find(({ metadata }) => metadata.name === name);
  if (!found) throw new Error(`There is no ${kind} ${name}.`);
  return found.spec;
}

function containerOf(all: Doc[], domain: string): Container {
  return specOf(all, "Deployment", domain).template.spec.containers[0] as Container;
}

function remove(all: Doc[], kind: string, name: string): void {
  const index = all.findIndex((doc) => doc.kind === kind && doc.metadata.name === name);
  expect(index).toBeGreaterThanOrEqual(0);
  all.splice(index, 1);
}

function setEnv(container: Container, name: string, value: string): void {
  container.env = [...(container.env ?? []).filter((each) => each.name !== name), { name, value }];
}

test("what documents have npm print for others is that alone", () => {
  const printed = spawnSync("npm", ["run", "-s", "kubernetes", "--", "configs"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect(readManifests(printed.stdout).length).toBeGreaterThan(3);
  const files = [
    "README.md",
    "README.zh-CN.md",
    ...readdirSync(path.join(ROOT, "docs")).map((name) => `docs/${name}`),
  ];
  const loud = files
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) => read(file).match(/npm run (?!-s )[^`\n]*(?:\| \w+ |> \w)[^`\n]*/g) ?? [])
    .filter((command) => !command.startsWith("npm run admin -- create | reset"));
  expect(loud).toEqual([]);
});

test("k8s.yaml is right, and what npm run kubernetes makes", async () => {
  expect(problemsAfter(() => undefined)).toEqual([]);
  expect(addressProblems(stores, secrets)).toEqual([]);
  for (const [file, text] of await madeFiles()) expect([file, read(file) === text]).toEqual([file, true]);
});

describe("what is wrong with pods is said", () => {
  const users = (edit: (container: Container, all: Doc[]) => void) => (all: Doc[]) =>
    edit(containerOf(all, "users"), all);

  test.each<[string, (all: Doc[]) => void, string]>([
    [
      "a variable that no setting has",
      users((each) => setEnv(each, "USERS_DB_ADDRESS", "x")),
      "Deployment users: no setting is called USERS_DB_ADDRESS",
    ],
    [
      "a variable of all nodes that no setting has",
      (all) => {
        for (const { kind, data = {} } of all) if (kind === "ConfigMap") data["LOG_LEVLE"] = "info";
      },
      "Deployment posts: no setting is called LOG_LEVLE",
    ],
    [
      "a value that the settings refuse",
      users((each) => setEnv(each, "LOG_LEVEL", "loud")),
      'Deployment users: it would not start: LOG_LEVEL is "loud" but takes one of trace, debug, info, warn, error, fatal.',
    ],
    [
      "a domain without its database",
      users((each) => {
        each.env = each.env?.filter(({ name }) => name !== "USERS_DB_URL_FILE");
      }),
      "Deployment users: it would not start: NATS_URL is set, but what would be private to this process is not on a server: set USERS_DB_URL, or ALLOW_EMBEDDED=1 for a trial on one machine.",
    ],
    [
      "keys on nodes that do not sign",
      (all) => setEnv(containerOf(all, "posts"), "JWT_KEYS", "{}"),
      "Deployment posts: it would not start: JWT_KEYS belongs on nodes of users and nowhere else: take it out of this node's environment.",
    ],
    [
      "a secret that is not mounted",
      users((each) => setEnv(each, "MAIL_URL_FILE", "/run/secrets/mail_url")),
      "Deployment users: MAIL_URL_FILE names the secret mail_url, which is not mounted",
    ],
    [
      "a secret that nobody needs",
      (all) =>
        specOf(all, "Deployment", "users").template.spec.volumes?.[1]?.secret?.items?.push({
          key: "clubs_db_url",
          path: "clubs_db_url",
        }),
      "Deployment users: the secret clubs_db_url is mounted, and nothing names it",
    ],
    [
      "a secret that npm run secrets does not make",
      (all) =>
        specOf(all, "Deployment", "users").template.spec.volumes?.[1]?.secret?.items?.push({
          key: "users_db_uri",
          path: "users_db_uri",
        }),
      "Deployment users: npm run secrets makes no users_db_uri",
    ],
    [
      "a domain that is none",
      users((each) => (each.args = ["people"])),
      "Deployment users: its arguments are to be domains, and people is none",
    ],
    [
      "a port that nobody listens on",
      users((each) => each.ports?.push({ name: "http", containerPort: 3000 })),
      "Deployment users: nobody listens on port 3000",
    ],
    [
      "a probe of another port",
      (all) =>
        (containerOf(all, "gateway").readinessProbe = { httpGet: { path: "/health/ready", port: "http" } }),
      "Deployment gateway: readinessProbe asks port http, where health is not",
    ],
    [
      "a liveness that hangs on stores",
      users((each) => (each.livenessProbe = { httpGet: { path: "/health/ready", port: "health" } })),
      "Deployment users: livenessProbe is to ask /health/live",
    ],
    [
      "root",
      (all) => delete specOf(all, "Deployment", "users").template.spec.securityContext?.runAsNonRoot,
      "Deployment users: it may run as root",
    ],
    [
      "a writable file system",
      users((each) => delete each.securityContext?.readOnlyRootFilesystem),
      "Deployment users: its root file system may be written to",
    ],
    [
      "capabilities",
      users((each) => delete each.securityContext?.capabilities),
      "Deployment users: it keeps capabilities",
    ],
    [
      "no limit",
      users((each) => delete each.resources?.limits),
      "Deployment users: it asks for no CPU or memory, or has no limit",
    ],
    [
      "other resources",
      users(
        (each) =>
          (each.resources = { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1", memory: "1Gi" } }),
      ),
      'Deployment users: its resources are not {"requests":{"cpu":"250m","memory":"512Mi"},"limits":{"cpu":"500m","memory":"1Gi"}}',
    ],
    [
      "a heap as large as the limit",
      users((each) => setEnv(each, "NODE_OPTIONS", "--max-old-space-size=1024")),
      "Deployment users: its heap is to have 768 MB at most, by --max-old-space-size",
    ],
    [
      "no account",
      (all) => remove(all, "ServiceAccount", "users"),
      "Deployment users: there is no ServiceAccount users",
    ],
    [
      "a token",
      (all) => (specOf(all, "Deployment", "users").template.spec.automountServiceAccountToken = true),
      "Deployment users: it is given the token of a service account",
    ],
    [
      "no priority class",
      (all) => remove(all, "PriorityClass", "club-alliance-last"),
      "Deployment posts: there is no PriorityClass club-alliance-last",
    ],
    [
      "no settings",
      (all) => remove(all, "ConfigMap", "club-alliance"),
      "Deployment users: there is no ConfigMap club-alliance",
    ],
  ])("%s", (_, edit, sentence) => {
    expect(problemsAfter(edit)).toContain(sentence);
  });
});

describe("what does not belong together is said", () => {
  test.each<[string, (all: Doc[]) => void, string]>([
    [
      "a domain without nodes",
      (all) => remove(all, "Deployment", "search"),
      "No Deployment runs the domain search.",
    ],
    [
      "no budget",
      (all) => remove(all, "PodDisruptionBudget", "users"),
      "No PodDisruptionBudget takes the pods of users, a canary's too.",
    ],
    [
      "a budget that leaves canaries out",
      (all) =>
        (specOf(all, "PodDisruptionBudget", "users").selector = {
          matchLabels: { "app.kubernetes.io/component": "users", track: "stable" },
        }),
      "No PodDisruptionBudget takes the pods of users, a canary's too.",
    ],
    [
      "no policy",
      (all) => remove(all, "NetworkPolicy", "users"),
      "No NetworkPolicy users takes the pods of users, a canary's too.",
    ],
    [
      "a selector of other pods",
      (all) => (specOf(all, "Deployment", "users").selector = { matchLabels: { track: "beta" } }),
      "Deployment users: its selector does not take its own pods",
    ],
    [
      "a selector of canaries",
      (all) => delete specOf(all, "Deployment", "users").selector.matchLabels?.["track"],
      "Deployment users: its selector takes a canary's pods too",
    ],
    [
      "two replicas",
      (all) => (specOf(all, "Deployment", "users").replicas = 2),
      "Deployment users: it has fewer than 3 replicas",
    ],
    [
      "replicas beside an autoscaler",
      (all) => (specOf(all, "Deployment", "clubs").replicas = 3),
      "Deployment clubs: its replicas and its autoscaler fight each other",
    ],
    [
      "a rollout with a gap",
      (all) => (specOf(all, "Deployment", "users").strategy = { rollingUpdate: { maxUnavailable: 1 } }),
      "Deployment users: a rollout takes nodes away before others are there",
    ],
    [
      "all pods in one zone",
      (all) => specOf(all, "Deployment", "users").template.spec.topologySpreadConstraints?.shift(),
      "Deployment users: its pods are not spread over topology.kubernetes.io/zone",
    ],
    [
      "a Service of nobody",
      (all) => (specOf(all, "Service", "gateway").selector = { app: "gateway" }),
      "Service gateway: its selector takes no pods",
    ],
    [
      "a Service of a port that is not there",
      (all) => (specOf(all, "Service", "gateway").ports[0] = { name: "http", port: 80, targetPort: 8080 }),
      "Service gateway: its pods have no port 8080",
    ],
    ["no autoscaler", (all) => remove(all, "HorizontalPodAutoscaler", "posts"), "Nothing scales posts."],
    [
      "a rate that nobody tells",
      (all) => {
        const [, rate] = specOf(all, "HorizontalPodAutoscaler", "clubs").metrics;
        if (rate?.external) rate.external.metric.name = "requests_per_second";
      },
      "HorizontalPodAutoscaler clubs: prometheus-adapter tells no requests_per_second",
    ],
    [
      "no TLS",
      (all) => delete specOf(all, "Ingress", "gateway").tls,
      "Ingress gateway: clubs.example.edu is without TLS",
    ],
    [
      "no limit at the edge",
      (all) => remove(all, "Middleware", "edge-limit"),
      "Ingress gateway: there is no Middleware edge-limit",
    ],
    [
      "an admin gateway beside the public one",
      (all) => (specOf(all, "Ingress", "admin-gateway").ingressClassName = "traefik"),
      "The admin gateway is to have an Ingress whose class no other Ingress has.",
    ],
  ])("%s", (_, edit, sentence) => {
    expect(problemsAfter(edit)).toContain(sentence);
  });

  test("a rate of a metric that does not exist", () => {
    const wrong = adapterOf(
      adapter.replaceAll("club_alliance_action_calls_total", "club_alliance_calls_total"),
    );
    expect(objectProblems(docs, wrong)).toContain(
      "HorizontalPodAutoscaler clubs: no node has a metric club_alliance_calls_total",
    );
  });
});

describe("what pods may not reach, or should not, is said", () => {
  const toStore = (store: string, port: number) => ({
    to: [
      {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "club-alliance-data" } },
        podSelector: { matchLabels: { [`store.club-alliance/${store}`]: "true" } },
      },
    ],
    ports: [{ protocol: "TCP", port }],
  });

  test.each<[string, (all: Doc[]) => void, string]>([
    [
      "another domain's database",
      (all) => specOf(all, "NetworkPolicy", "posts").egress?.push(toStore("clubs", 3306)),
      "Deployment posts: it may reach club-alliance-data/store.club-alliance/clubs=true:3306, which none of its variables name",
    ],
    [
      "a database that is closed",
      (all) => {
        const policy = specOf(all, "NetworkPolicy", "users");
        policy.egress = policy.egress?.filter(({ ports }) => ports?.[0]?.port !== 4000);
      },
      "Deployment users: it is to reach club-alliance-data/store.club-alliance/users=true:4000 and may not",
    ],
    [
      "a variable for which nothing is open",
      (all) => setEnv(containerOf(all, "posts"), "MAIL_URL", "smtp://mail.example.edu:587"),
      "Deployment posts: it is to reach the outside:587 and may not",
    ],
    [
      "everything",
      (all) => specOf(all, "NetworkPolicy", "posts").egress?.push({}),
      "Deployment posts: it may reach anybody:any port, which none of its variables name",
    ],
    [
      "no names",
      (all) => remove(all, "NetworkPolicy", "names"),
      "Deployment users: it may not ask for names",
    ],
    [
      "an open namespace",
      (all) => remove(all, "NetworkPolicy", "nobody"),
      "No NetworkPolicy closes the namespace club-alliance.",
    ],
    [
      "a port that Prometheus may not reach",
      (all) => specOf(all, "NetworkPolicy", "users").ingress?.shift(),
      "Deployment users: nobody may reach its port 3002",
    ],
    [
      "a backup that may not tell of itself",
      (all) => specOf(all, "NetworkPolicy", "backup").egress?.pop(),
      "CronJob backup: it is to reach club-alliance-monitoring/app.kubernetes.io/name=pushgateway:9091 and may not",
    ],
  ])("%s", (_, edit, sentence) => {
    expect(problemsAfter(edit)).toContain(sentence);
  });

  test("an address of a port that is closed", () => {
    const moved = new Map(secrets).set("redis_url", "redis-cluster://:x@redis.example:6380");
    expect(addressProblems(stores, moved)).toEqual(["redis_url leads to port 6380, and only 6379 is open"]);
  });
});

test("a node that is told to end has the time that its own limits take", () => {
  const [, limit = ""] = /STOP_LIMIT = ([\d_]+)/.exec(read("scripts/run-node.ts")) ?? [];
  const stopLimit = Number(limit.replaceAll("_", ""));
  expect(stopLimit).toBeGreaterThan(GRACE_MS + WATCHDOG_MS);
  for (const { spec, metadata } of ofKind(docs, "Deployment")) {
    const { terminationGracePeriodSeconds = 0, containers } = spec.template.spec;
    const waits = containers[0]?.lifecycle?.preStop?.sleep?.seconds ?? 0;
    expect([metadata.name, terminationGracePeriodSeconds * 1000]).toEqual([
      metadata.name,
      Math.max(terminationGracePeriodSeconds * 1000, waits * 1000 + stopLimit + 1_000),
    ]);
    // Balancers find out about pods that end while these go on; nodes tell each other over NATS.
    expect([metadata.name, waits > 0]).toEqual([metadata.name, metadata.name.endsWith("gateway")]);
  }
});

describe("Secrets", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "club-alliance-secrets-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("are those that pods mount, each with its own files alone", () => {
    for (const [name, value] of secrets) writeFileSync(path.join(folder, name), value || "x");
    const made = readManifests(secretManifests(folder));
    const mounted = new Map(
      [...secretFiles(), ...MONITORING_SECRETS].map(([name, files]) => [name, files.toSorted()]),
    );
    expect(new Map(made.map((doc) => [doc.metadata.name, Object.keys(doc.data ?? {}).toSorted()]))).toEqual(
      mounted,
    );
    const users = made.find((doc) => doc.metadata.name === "users");
    expect(Buffer.from(users?.data?.["users_db_url"] ?? "", "base64").toString()).toBe(
      secrets.get("users_db_url"),
    );
    expect(Object.keys(users?.data ?? {})).not.toContain("clubs_db_url");
    const monitoring = readManifests(read("deploy/k8s/monitoring.yaml"));
    for (const { spec } of [...ofKind(docs, "Deployment"), ...ofKind(monitoring, "StatefulSet")])
      for (const { secret } of spec.template.spec.volumes ?? [])
        if (secret)
          expect(mounted.get(secret.secretName)).toEqual(secret.items?.map(({ key }) => key).toSorted());
  });

  test("say which files are missing", () => {
    for (const [name, value] of secrets)
      if (name !== "mail_url") writeFileSync(path.join(folder, name), value || "x");
    expect(() => secretManifests(folder)).toThrow(/has no mail_url: npm run secrets/);
    writeFileSync(path.join(folder, "mail_url"), "\n");
    expect(() => secretManifests(folder)).toThrow(/Nothing is in mail_url of .* yet: fill them in\./);
  });
});

describeWith(["manifests"], "Kubernetes' schemas", () => {
  test("what Kubernetes' schemas do not know is said", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-k8s-"));
    const file = path.join(folder, "wrong.yaml");
    const budget = docs.find((doc) => doc.kind === "PodDisruptionBudget");
    writeFileSync(file, JSON.stringify({ ...budget, spec: { maxUnavailabe: 1 } }));
    try {
      const [problem, ...more] = await schemaProblems([file]);
      expect(problem).toMatch(/maxUnavailabe/);
      expect(more.every((each) => each.includes("maxUnavailabe"))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 120_000);
});

test("the adapter's rules are what the autoscalers ask for", () => {
  const { rules } = parse(adapter) as { rules: { default: boolean; external: unknown[] } };
  expect(rules.default).toBe(false);
  const asked = ofKind(docs, "HorizontalPodAutoscaler").flatMap(({ spec }) =>
    spec.metrics.flatMap(({ external }) => external?.metric.name ?? []),
  );
  expect([...adapterOf(adapter).keys()].toSorted()).toEqual([...new Set(asked)].toSorted());
});

/** Whether pods would start and stay: variables, settings, secrets, ports, probes, memory, what they may do. */
import { checkNode, readSettings } from "../../../lib/settings.ts";
import { PLACES } from "../../secrets/places.ts";
import { CERTIFICATES, secretsOf } from "../../secrets/list.ts";
import { DOMAINS, knownVariables, portsOf } from "../facts.ts";
import { SECRETS_FOLDER } from "./needs.ts";
import { RESOURCES } from "./pods.ts";
import { bytesOf, workloadsOf } from "./reading.ts";
import type { Container, Doc, EnvVariable, Workload } from "./reading.ts";

/** What an operator writes instead of what is made empty. */
const BY_HAND: Record<string, string> = { mail_url: "smtp://user:password@mail.example.edu:587" };

/** The secrets as scripts/secrets.ts makes them for Kubernetes: name → value. */
export function madeSecrets(): Map<string, string> {
  const values = new Map<string, string>();
  for (const { name, make } of secretsOf(PLACES.kubernetes))
    values.set(name, BY_HAND[name] ?? make((other) => values.get(other) as string));
  for (const name of CERTIFICATES) values.set(name, "");
  return values;
}

/** @param secrets by name; settings are made of their values, so they are real ones */
export function podProblems(docs: readonly Doc[], secrets: ReadonlyMap<string, string>): string[] {
  return workloadsOf(docs).flatMap((workload) =>
    workload.template.spec.containers.flatMap((container) => {
      const say = (problems: string[]): string[] =>
        problems.map((problem) => `${workload.title}: ${problem}`);
      return say([
        ...referenceProblems(docs, workload, container, secrets),
        ...securityProblems(workload, container),
        ...resourceProblems(container),
        ...(isOurs(container)
          ? [...variableProblems(docs, container), ...fileProblems(workload, container)]
          : []),
        ...(isNode(container) ? nodeProblems(docs, container, secrets) : []),
      ]);
    }),
  );
}

const isOurs = ({ image }: Container): boolean => /^club-alliance(-tools)?:/.test(image);
const isNode = (container: Container): boolean => isOurs(container) && !container.command;

/** Its variables: from the settings all nodes share, and its own. */
export function variablesOf(docs: readonly Doc[], { env = [], envFrom = [] }: Container): EnvVariable[] {
  const shared = envFrom.flatMap(({ configMapRef }) => {
    const map = docs.find((doc) => doc.kind === "ConfigMap" && doc.metadata.name === configMapRef?.name);
    return Object.entries(map?.data ?? {}).map(([name, value]) => ({ name, value }));
  });
  return [...shared, ...env];
}

function variableProblems(docs: readonly Doc[], container: Container): string[] {
  const known = knownVariables();
  return variablesOf(docs, container)
    .filter(({ name }) => !known.has(name))
    .map(({ name }) => `no setting is called ${name}`);
}

/** A variable that names a file names one that is there, and nothing is there that no variable names. */
function fileProblems({ template }: Workload, { env = [], command = [] }: Container): string[] {
  const named = [...env, ...command.map((value) => ({ name: "its command", value }))].flatMap(
    ({ name, value }) =>
      value?.startsWith(`${SECRETS_FOLDER}/`) ? [{ name, file: value.slice(SECRETS_FOLDER.length + 1) }] : [],
  );
  const there = (template.spec.volumes ?? []).flatMap(({ secret }) =>
    (secret?.items ?? []).map(({ path }) => path),
  );
  const wanted = new Set(named.map(({ file }) => file));
  return [
    ...named
      .filter(({ file }) => !there.includes(file))
      .map(({ name, file }) => `${name} names the secret ${file}, which is not mounted`),
    ...there
      .filter((file) => !wanted.has(file))
      .map((file) => `the secret ${file} is mounted, and nothing names it`),
  ];
}

/** Starts no node, but everything that a node checks before it starts. */
function nodeProblems(
  docs: readonly Doc[],
  container: Container,
  secrets: ReadonlyMap<string, string>,
): string[] {
  const domains = container.args ?? [];
  const unknown = domains.filter((domain) => !DOMAINS.includes(domain));
  if (unknown.length > 0 || domains.length === 0)
    return [`its arguments are to be domains, and ${unknown.join(", ") || "nothing"} is none`];
  const env = Object.fromEntries(
    variablesOf(docs, container).map(({ name, value = "" }) =>
      value.startsWith(`${SECRETS_FOLDER}/`) && name.endsWith("_FILE")
        ? [name.slice(0, -"_FILE".length), secrets.get(value.slice(SECRETS_FOLDER.length + 1)) ?? ""]
        : [name, value],
    ),
  );
  try {
    const settings = readSettings(env);
    checkNode(settings, domains);
    return [
      ...portProblems(container, domains),
      ...(domains.includes("notifications") && !settings.mailUrl
        ? ["without MAIL_URL mails are files in a folder that it may not write to"]
        : []),
    ];
  } catch (error) {
    return [`it would not start: ${(error as Error).message}`];
  }
}

function portProblems({ ports = [], ...container }: Container, domains: readonly string[]): string[] {
  const listened = Object.values(portsOf(domains));
  const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
  const paths = ["/health/live", "/health/live", "/health/ready"];
  const names = ["startupProbe", "livenessProbe", "readinessProbe"];
  return [
    ...ports
      .filter(({ containerPort }) => !listened.includes(containerPort))
      .map(({ containerPort }) => `nobody listens on port ${containerPort}`),
    ...listened
      .filter((port) => !ports.some(({ containerPort }) => containerPort === port))
      .map((port) => `port ${port} is listened on and not told of`),
    ...probes.flatMap((probe, index) => {
      const { path, port } = probe?.httpGet ?? { path: "", port: "" };
      if (path !== paths[index]) return [`${names[index]} is to ask ${paths[index]}`];
      const number = ports.find(({ name }) => name === port)?.containerPort ?? Number(port);
      return number === portsOf(domains)["HEALTH_PORT"]
        ? []
        : [`${names[index]} asks port ${port}, where health is not`];
    }),
  ];
}

function securityProblems({ template: { spec } }: Workload, { securityContext }: Container): string[] {
  const rules: [boolean | undefined, string][] = [
    [spec.securityContext?.runAsNonRoot, "it may run as root"],
    [spec.securityContext?.seccompProfile?.type === "RuntimeDefault", "it has no seccomp profile"],
    [securityContext?.readOnlyRootFilesystem, "its root file system may be written to"],
    [securityContext?.allowPrivilegeEscalation === false, "it may gain privileges"],
    [securityContext?.capabilities?.drop?.includes("ALL"), "it keeps capabilities"],
  ];
  return rules.flatMap(([kept, problem]) => (kept ? [] : [problem]));
}

/** Megabytes beside the heap: buffers, threads, pictures, compiled code. */
const BESIDE_HEAP = 256;

function resourceProblems(container: Container): string[] {
  const { requests, limits } = container.resources ?? {};
  if (!requests?.["cpu"] || !requests["memory"] || !limits?.["memory"])
    return ["it asks for no CPU or memory, or has no limit"];
  if (!isOurs(container)) return [];
  if (JSON.stringify({ requests, limits }) !== JSON.stringify(RESOURCES))
    return [`its resources are not ${JSON.stringify(RESOURCES)}`];
  const options = container.env?.find(({ name }) => name === "NODE_OPTIONS")?.value ?? "";
  const heap = Number(/--max-old-space-size=(\d+)/.exec(options)?.[1] ?? Number.NaN);
  const most = bytesOf(limits["memory"]) / 1024 ** 2 - BESIDE_HEAP;
  return heap <= most ? [] : [`its heap is to have ${most} MB at most, by --max-old-space-size`];
}

/** Everything that a pod names is there: in the manifests, or among the secrets that are made. */
function referenceProblems(
  docs: readonly Doc[],
  { template, namespace }: Workload,
  container: Container,
  secrets: ReadonlyMap<string, string>,
): string[] {
  const { spec } = template;
  const has = (kind: string, name: string): boolean =>
    docs.some(
      (doc) =>
        doc.kind === kind &&
        doc.metadata.name === name &&
        (doc.metadata.namespace === undefined || doc.metadata.namespace === namespace),
    );
  const named: [string, string | undefined][] = [
    ["ServiceAccount", spec.serviceAccountName],
    ["PriorityClass", spec.priorityClassName],
    ...(container.envFrom ?? []).map(({ configMapRef }): [string, string | undefined] => [
      "ConfigMap",
      configMapRef?.name,
    ]),
    ...(spec.volumes ?? []).flatMap(
      ({ configMap, persistentVolumeClaim }): [string, string | undefined][] => [
        ["ConfigMap", configMap?.name],
        ["PersistentVolumeClaim", persistentVolumeClaim?.claimName],
      ],
    ),
  ];
  const files = (spec.volumes ?? []).flatMap(({ secret }) => secret?.items ?? []);
  const mounted = new Set((spec.volumes ?? []).map(({ name }) => name));
  const account = ofAccount(docs, spec.serviceAccountName);
  return [
    ...named.flatMap(([kind, name]) => (name && !has(kind, name) ? [`there is no ${kind} ${name}`] : [])),
    ...files.filter(({ key }) => !secrets.has(key)).map(({ key }) => `npm run secrets makes no ${key}`),
    ...(container.volumeMounts ?? [])
      .filter(({ name }) => !mounted.has(name))
      .map(({ name }) => `it mounts ${name}, which is no volume of the pod`),
    ...(isOurs(container) && (spec.automountServiceAccountToken !== false || account)
      ? ["it is given the token of a service account"]
      : []),
  ];
}

const ofAccount = (docs: readonly Doc[], name: string | undefined): boolean =>
  docs.some(
    (doc) =>
      doc.kind === "RoleBinding" &&
      ((doc as unknown as { subjects?: { name: string }[] }).subjects ?? []).some(
        (each) => each.name === name,
      ),
  );

/** What the workflows say, held against the repository: functions of texts, for scripts/deploy/checks/delivery.ts. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { canaryOf } from "../canary/deployment.ts";
import type { Deployment } from "../canary/deployment.ts";
import { migrationsOf } from "../canary/migrations.ts";

/** What workflows may name. */
export interface Repository {
  root: string;
  npmScripts: readonly string[];
  dockerfile: string;
  /** docs/delivery.md: tells what each secret and variable is. */
  guide: string;
  domains: readonly string[];
}

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, string>;
}
interface Job {
  uses?: string;
  steps?: Step[];
  permissions?: unknown;
  env?: Record<string, string>;
  strategy?: { matrix?: Record<string, unknown> };
}
interface Workflow {
  permissions?: unknown;
  concurrency?: unknown;
  jobs?: Record<string, Job>;
}

/** Sentences about what a workflow names and the repository does not have, or what it leaves open. */
export function workflowProblems(name: string, text: string, repository: Repository): string[] {
  const workflow = parse(text) as Workflow;
  const bad: string[] = [];
  if (workflow.permissions === undefined)
    bad.push("has no permissions at its top, so that its jobs have all that the repository gives");
  if (workflow.concurrency === undefined) bad.push("has no concurrency group");
  for (const [id, job] of Object.entries(workflow.jobs ?? {})) {
    bad.push(...used(job.uses, repository));
    for (const step of job.steps ?? []) {
      bad.push(...used(step.uses, repository), ...commands(step.run ?? "", repository));
      if (step.uses?.startsWith("docker/build-push-action@"))
        bad.push(...targets(step, job, repository), ...pushed(step, job, repository));
    }
    bad.push(...order(id, job, repository.domains));
  }
  bad.push(...named(text, repository.guide));
  return bad.map((sentence) => `${name}: ${sentence}`);
}

/** An action of somebody else's is named by its commit: a tag may be moved. */
function used(uses: string | undefined, { root }: Repository): string[] {
  if (!uses) return [];
  if (uses.startsWith("./"))
    return existsSync(path.join(root, uses)) ? [] : [`uses ${uses}, which is not there`];
  return /@[0-9a-f]{40}$/.test(uses) ? [] : [`uses ${uses}, which is not pinned to a commit`];
}

/** npm scripts and files that a step runs. */
function commands(run: string, { root, npmScripts }: Repository): string[] {
  const scripts = [...run.matchAll(/\bnpm run ([\w:-]+)/g)].map((match) => match[1] as string);
  const files = [...run.matchAll(/(?<![\w./$-])((?:\.ci|scripts|bench|test)\/[\w./-]+)/g)].map(
    (match) => match[1] as string,
  );
  return [
    ...scripts
      .filter((script) => !npmScripts.includes(script))
      .map((script) => `runs "npm run ${script}", which package.json does not have`),
    ...files
      .filter((file) => !existsSync(path.join(root, file)))
      .map((file) => `runs ${file}, which is not there`),
  ];
}

/** Stages of the Dockerfile that a step builds, each value where a matrix gives them. */
function targets(step: Step, job: Job, { dockerfile }: Repository): string[] {
  const stages = [...dockerfile.matchAll(/^FROM .+ AS (\S+)/gm)].map((match) => match[1]);
  const target = step.with?.["target"] ?? "";
  const wanted = /^\$\{\{ *matrix\.target *\}\}$/.test(target) ? valuesOf(job, "target") : [target];
  return wanted
    .filter((each) => !stages.includes(each))
    .map((each) => `builds the target "${each}", which the Dockerfile does not have`);
}

/** Images that are pushed have the names that k8s.yaml gives its own: all of them, and no other. */
function pushed(step: Step, job: Job, { root }: Repository): string[] {
  if (String(step.with?.["push"]) !== "true") return [];
  const tags = step.with?.["tags"] ?? "";
  const image = tags.replace(/\$\{\{ *env\.IMAGE *\}\}/, job.env?.["IMAGE"] ?? "");
  const names = valuesOf(job, "name").map((name) => image.replace(/\$\{\{ *matrix\.name *\}\}/, name));
  const found = names.map((name) => /\/([\w.-]+):\$\{\{[^{}]*version *\}\}$/.exec(name)?.[1] ?? name);
  const manifest = readFileSync(path.join(root, "k8s.yaml"), "utf8");
  const wanted = new Set([...manifest.matchAll(/\bimage: (club-alliance[\w-]*):/g)].map((match) => match[1]));
  return [
    ...[...wanted]
      .filter((name) => !found.includes(name as string))
      .map((name) => `pushes no ${name}, which k8s.yaml needs`),
    ...found
      .filter((name) => !wanted.has(name))
      .map((name) => `pushes ${name}, which k8s.yaml does not know`),
  ];
}

function valuesOf({ strategy }: Job, key: string): string[] {
  const { [key]: own, include } = strategy?.matrix ?? {};
  const included = Array.isArray(include) ? include.map((each: Record<string, unknown>) => each[key]) : [];
  return [...(Array.isArray(own) ? own : []), ...included].filter((each) => each !== undefined).map(String);
}

/** A rollout goes through every domain, and each once. */
function order(id: string, job: Job, domains: readonly string[]): string[] {
  const values = valuesOf(job, "domain");
  if (values.length === 0) return [];
  const missing = domains.filter((domain) => !values.includes(domain));
  const unknown = values.filter((value, i) => !domains.includes(value) || values.indexOf(value) < i);
  return [
    ...missing.map((domain) => `${id} leaves out the domain ${domain}`),
    ...unknown.map((value) => `${id} names "${value}", which is no domain or there twice`),
  ];
}

/** Secrets and variables of the repository are explained to who sets them. */
function named(text: string, guide: string): string[] {
  const all = [...text.matchAll(/\b(secrets|vars)\.([A-Z0-9_]+)/g)].map((match) => match[2] as string);
  return [...new Set(all)]
    .filter((name) => name !== "GITHUB_TOKEN" && !guide.includes(`\`${name}\``))
    .map((name) => `needs ${name}, which docs/delivery.md does not explain`);
}

/** The canaries of the domains' Deployments, as `npm run canary -- start` would make them; and what hinders that. */
export function canariesOf(
  manifest: string,
  domains: readonly string[],
): { canaries: Deployment[]; problems: string[] } {
  const image = "registry.example/club-alliance:9.9.9";
  const documents = parseAllDocuments(manifest).map((document) => document.toJS() as Deployment | null);
  const deployments = documents.filter((each): each is Deployment => each?.kind === "Deployment");
  const [canaries, problems]: [Deployment[], string[]] = [[], []];
  for (const domain of domains) {
    const stable = deployments.find(({ metadata }) => metadata.name === domain);
    if (!stable) problems.push(`k8s.yaml has no Deployment ${domain}`);
    else attempt(problems, () => canaries.push(canaryOf(stable, image)));
  }
  attempt(problems, () => migrationsOf(manifest, image));
  return { canaries, problems };
}

function attempt(problems: string[], work: () => unknown): void {
  try {
    work();
  } catch (error) {
    problems.push((error as Error).message);
  }
}

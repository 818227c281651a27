/** docker-compose.yml against the specification, the settings, and what the servers' configuration names. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { secretsOf, CERTIFICATES } from "../../secrets/list.ts";
import { PLACES } from "../../secrets/places.ts";
import { nodeProblems } from "../compose/nodes.ts";
import { portProblems } from "../compose/ports.ts";
import { buildProblems, reachProblems } from "../compose/reach.ts";
import {
  COMPOSE_FILE,
  EXAMPLE_FILE,
  exampleEnvironment,
  interpolate,
  parseCompose,
  specification,
} from "../compose/read.ts";
import type { Compose, Service } from "../compose/read.ts";
import type { Check } from "../facts.ts";
import { ROOT } from "../facts.ts";

/** The only one that people outside reach. */
const EDGE = "traefik";

/** Names of the secrets that `npm run secrets` makes. */
export const SECRETS: ReadonlySet<string> = new Set([
  ...secretsOf(PLACES.compose).map(({ name }) => name),
  ...CERTIFICATES,
]);

/** What is wrong with a text as docker-compose.yml. */
export async function problemsOf(
  text: string,
  env: Record<string, string | undefined> = exampleEnvironment(),
): Promise<string[]> {
  const filled = interpolate(text, env);
  const refused = await specification(filled.text);
  if (refused) return [`docker-compose.yml is not what the Compose specification says: ${refused}`];
  const compose = parseCompose(filled.text);
  return [
    ...exampleProblems(filled.names, env),
    ...Object.entries(compose.services).flatMap(([name, service]) => serviceProblems(name, service)),
    ...referenceProblems(compose),
    ...secretProblems(compose),
    ...(await nodeProblems(compose)),
    ...portProblems(compose),
    ...reachProblems(compose),
    ...buildProblems(compose),
  ];
}

/** deploy/compose.env.example and the variables of the file are the same. */
function exampleProblems(names: ReadonlySet<string>, env: Record<string, string | undefined>): string[] {
  const example = path.relative(ROOT, EXAMPLE_FILE);
  return [
    ...[...names].filter((name) => !(name in env)).map((name) => `${example} does not tell of ${name}.`),
    ...Object.keys(env)
      .filter((name) => !names.has(name))
      .map((name) => `${example} tells of ${name}, which docker-compose.yml does not read.`),
  ];
}

/** Whether it ends by itself: a job, or what an operator starts. */
export const isJob = ({ restart = "" }: Service): boolean =>
  restart === "no" || restart.startsWith("on-failure");

function serviceProblems(name: string, service: Service): string[] {
  const says = (what: string): string => `docker-compose.yml: ${name} ${what}.`;
  const problems: string[] = [];
  if (!isPinned(service)) problems.push(says(`has the image ${service.image}, which names no exact version`));
  if (name !== EDGE && service.ports) problems.push(says("publishes ports; only the edge may"));
  if (!service.restart) problems.push(says("does not say what happens when it ends (restart)"));
  if (!service.deploy?.resources?.limits?.memory || !service.deploy.resources.limits.cpus)
    problems.push(says("has no limits of memory and processors"));
  if (!service.cap_drop?.includes("ALL")) problems.push(says("keeps capabilities of root (cap_drop)"));
  if (!service.security_opt?.includes("no-new-privileges:true")) problems.push(says("may gain privileges"));
  if (!service.logging?.options?.["max-size"]) problems.push(says("writes a log without end"));
  if (!isJob(service) && !service.healthcheck) problems.push(says("has no health check"));
  for (const [other, { condition }] of Object.entries(service.depends_on ?? {}))
    if (condition === undefined) problems.push(says(`does not say what it waits for of ${other}`));
  for (const volume of service.volumes ?? []) {
    const [source = ""] = volume.split(":");
    if (/^\.\/(deploy|monitoring)/.test(source) && !existsSync(path.join(ROOT, source)))
      problems.push(says(`mounts ${source}, which does not exist`));
  }
  return problems;
}

/** What services name must be there. */
function referenceProblems(compose: Compose): string[] {
  return Object.entries(compose.services).flatMap(
    ([name, { networks = {}, secrets = [], volumes = [], depends_on = {} }]) => {
      const named = {
        networks: Array.isArray(networks) ? networks : Object.keys(networks),
        secrets,
        volumes: volumes
          .map((volume) => volume.split(":")[0] as string)
          .filter((source) => /^\w/.test(source)),
        services: Object.keys(depends_on),
      };
      return Object.entries(named).flatMap(([kind, names]) =>
        names
          .filter((each) => !(each in compose[kind as keyof Compose]))
          .map((each) => `docker-compose.yml: ${name} names ${each}, which is not among the ${kind}.`),
      );
    },
  );
}

const isPinned = ({ image = "" }: Service): boolean =>
  image.startsWith("club-alliance") || /:v?\d+\.\d+\.\d+([-\w.]*)?(@sha256:[0-9a-f]{64})?$/.test(image);

function secretProblems({ services, secrets }: Compose): string[] {
  const used = new Set(Object.values(services).flatMap((service) => service.secrets ?? []));
  return [
    ...Object.entries(secrets).flatMap(([name, { file }]) => {
      if (file !== `./deploy/secrets/${name}`)
        return `docker-compose.yml: the secret ${name} is not the file of its name.`;
      return SECRETS.has(name)
        ? []
        : `docker-compose.yml: nobody makes the secret ${name} (npm run secrets).`;
    }),
    ...Object.keys(secrets)
      .filter((name) => !used.has(name))
      .map((name) => `docker-compose.yml: nothing uses the secret ${name}.`),
    ...Object.entries(services).flatMap(([name, service]) =>
      readSecrets(service)
        .filter((secret) => !service.secrets?.includes(secret))
        .map((secret) => `docker-compose.yml: ${name} reads /run/secrets/${secret}, which it is not given.`),
    ),
  ];
}

/** Secrets that a service's own words name. */
function readSecrets({ environment = {}, command = [], entrypoint = [] }: Service): string[] {
  const words = [...Object.values(environment), ...command, ...entrypoint].join(" ");
  return [...words.matchAll(/\/run\/secrets\/([\w.-]+)/g)].map(([, name]) => name as string);
}

export default {
  title: "docker-compose.yml is what the specification, the settings and the servers take",
  run: () => problemsOf(readFileSync(COMPOSE_FILE, "utf8")),
} satisfies Check;

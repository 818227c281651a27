/** The nodes of docker-compose.yml: every domain twice, each with settings that it really starts with. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { checkNode, readSettings, SettingsError } from "../../../lib/settings.ts";
import { secretsOf } from "../../secrets/list.ts";
import { PLACES } from "../../secrets/places.ts";
import { DOMAINS, knownVariables } from "../facts.ts";
import type { Compose, Service } from "./read.ts";

const IMAGE = "club-alliance:";
/** Two is what lets one stop. */
const TWICE = 2;

const isOurs = ({ image = "" }: Service): boolean => image.startsWith("club-alliance");

/** Services that run domains: our image with its own entry point. */
export function nodesOf({ services }: Compose): [string, Service][] {
  return Object.entries(services).filter(
    ([, service]) => service.image?.startsWith(IMAGE) && service.entrypoint === undefined,
  );
}

/** Made once: the permissions of NATS are read from all of the code. */
let made: Map<string, string> | null = null;

function makeValues(): Map<string, string> {
  const values = new Map<string, string>();
  for (const { name, make } of secretsOf(PLACES.compose))
    values.set(
      name,
      make((other) => values.get(other) as string),
    );
  return values;
}

export async function nodeProblems(compose: Compose): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-secrets-"));
  try {
    for (const [name, value] of (made ??= makeValues()))
      writeFileSync(path.join(folder, name), value, { mode: 0o600 });
    const known = knownVariables();
    return [
      ...domainProblems(compose),
      ...Object.entries(compose.services)
        .filter(([, service]) => isOurs(service))
        .flatMap(([name, service]) => [
          ...unknown(name, service, known),
          ...settingsProblems(name, service, folder, service.entrypoint === undefined),
        ]),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function domainProblems(compose: Compose): string[] {
  const running = new Map<string, number>(DOMAINS.map((domain) => [domain, 0]));
  const problems: string[] = [];
  for (const [name, { command = [], deploy, networks }] of nodesOf(compose)) {
    if (command.length === 0) problems.push(`docker-compose.yml: ${name} names no domain.`);
    for (const domain of command) {
      const count = running.get(domain);
      if (count === undefined)
        problems.push(`docker-compose.yml: ${name} runs ${domain}, which is no domain.`);
      else running.set(domain, count + (deploy?.replicas ?? 1));
      const app = networks && !Array.isArray(networks) ? networks["app"]?.aliases : undefined;
      // By that name Prometheus finds it.
      if (name !== domain && !app?.includes(domain))
        problems.push(`docker-compose.yml: ${name} has not the name ${domain} in the network app.`);
    }
  }
  return [
    ...problems,
    ...[...running]
      .filter(([, count]) => count < TWICE)
      .map(([domain, count]) => `docker-compose.yml: ${domain} runs ${count} times and not ${TWICE}.`),
  ];
}

function unknown(name: string, { environment = {} }: Service, known: ReadonlySet<string>): string[] {
  return Object.keys(environment)
    .filter((variable) => !known.has(variable))
    .map((variable) => `docker-compose.yml: ${name} is given ${variable}, which no setting knows.`);
}

/** Reads the settings as the node would, with secrets as they are made. */
function settingsProblems(name: string, service: Service, secrets: string, isNode: boolean): string[] {
  const { environment = {}, command = [] } = service;
  const env = Object.fromEntries(
    Object.entries(environment).map(([variable, value]) => [
      variable,
      value.replace(/^\/run\/secrets\//, `${secrets}/`),
    ]),
  );
  try {
    const settings = readSettings(env);
    if (!isNode) return [];
    if (!settings.natsUrl) return [`docker-compose.yml: ${name} has no NATS_URL.`];
    checkNode(settings, command);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return [
      `docker-compose.yml: ${name} would not start: ${error.message.replaceAll(`${secrets}/`, "/run/secrets/")}`,
    ];
  }
}

/**
 * Who talks to whom, read from the code: each action that a domain's files, or what they import, name as a string; the
 * resource checks and roles that its contracts ask for; who consumes what it tells.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ActionContract } from "../lib/declare.ts";
import { isResourceRule, routeOf, serviceOfKind } from "../lib/declare.ts";
import type { Talk } from "../lib/nats-permissions.ts";
import { SQL_DOMAINS, TELLING_DOMAINS } from "../lib/settings.ts";
import { DOMAINS } from "../moleculer.config.ts";
import { actionContracts } from "../services/contracts.ts";
import { isAdministrative, isPublic } from "../services/gateway/paths.ts";

const ROOT = path.join(import.meta.dirname, "..");
const SERVICES = path.join(ROOT, "services");

/** Events that are sent to nodes, and by whom: few enough to be written down; a test holds the code to it. */
export const EVENTS: Record<string, { from: string[]; to: string[] }> = {
  "sessions.revoked": { from: ["users"], to: ["gateway"] },
  "adminSessions.revoked": { from: ["admin"], to: ["admin-gateway"] },
  "notifications.told": { from: ["notifications"], to: ["gateway"] },
  // What administrators have set, told to everybody again and again.
  "settings.told": { from: ["admin"], to: DOMAINS },
  // Only without Redis: a memory cache is private to its node.
  "cache.forget": { from: [...SQL_DOMAINS], to: [...SQL_DOMAINS] },
};

export function talkOf(): Talk {
  const owner = ownersOf();
  const calls = new Map<string, Set<string>>();
  for (const domain of DOMAINS) {
    const called = new Set<string>();
    const add = (action: string): void => {
      // Every node has that service.
      if (action.startsWith("node.")) for (const each of DOMAINS) if (each !== domain) called.add(each);
      const to = owner.get(action.split(".")[0] as string);
      // Among nodes of one domain only the owner of a thing is called.
      if (to && (to !== domain || actionContracts.get(action)?.owner)) called.add(to);
    };
    for (const name of namesIn(domain)) add(name);
    for (const action of actionsOf(domain, owner))
      for (const each of [...askedBy(action), ...filteredBy(action)]) add(each);
    for (const name of routedBy(domain)) add(name);
    for (const each of consumersOfWhatIsToldBy(domain, owner)) add(each);
    calls.set(domain, called);
  }
  // A consumer gives back to the outbox what it refuses.
  for (const [domain, told] of tellersByConsumer(owner))
    for (const each of told) calls.get(domain)?.add(each);
  return {
    calls,
    events: eventsByDomain(),
    consumers: consumersByDomain(owner),
    publishers: new Set(TELLING_DOMAINS),
  };
}

/** Service → domain. */
function ownersOf(): Map<string, string> {
  const owners = new Map<string, string>();
  for (const domain of DOMAINS)
    for (const file of readdirSync(path.join(SERVICES, domain)).filter((each) => each.endsWith(".ts"))) {
      const text = readFileSync(path.join(SERVICES, domain, file), "utf8");
      for (const [, name] of text.matchAll(/declare\(\s*"(\w+)"/g)) owners.set(name as string, domain);
      if (file === "queue.service.ts") owners.set(`${domain}Queue`, domain);
    }
  return owners;
}

/** Full names of actions that stand as strings in a domain's files and in the mixins and middlewares. */
function namesIn(domain: string): string[] {
  const seen = new Set<string>();
  const open = readdirSync(path.join(SERVICES, domain))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => path.join(SERVICES, domain, file));
  const names = new Set<string>();
  for (let file = open.pop(); file; file = open.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, name] of text.matchAll(/["'`](\w+\.\w+)["'`]/g))
      if (actionContracts.has(name as string)) names.add(name as string);
    for (const [, to] of text.matchAll(/(?:^import (?!type)[^;]*? from|import\()\s*"(\.[^"]+\.ts)"/gms)) {
      const imported = path.resolve(path.dirname(file), to as string);
      // What contracts of other domains name is those domains' business.
      if (!imported.endsWith(".contract.ts")) open.push(imported);
    }
  }
  return [...names];
}

function actionsOf(domain: string, owner: Map<string, string>): ActionContract[] {
  return [...actionContracts]
    .filter(([name]) => owner.get(name.split(".")[0] as string) === domain)
    .map(([, action]) => action);
}

/** What the filter of texts asks for on a node that serves the action (middlewares/moderate.ts). */
function filteredBy({ moderate }: ActionContract): string[] {
  return moderate ? ["moderation.wordsVersion", "moderation.wordsPart"] : [];
}

/** What a gateway calls: the actions that it has routes to. */
function routedBy(domain: string): string[] {
  const serves = { gateway: isPublic, "admin-gateway": isAdministrative }[domain];
  return [...actionContracts].flatMap(([name, { rest }]) =>
    serves && rest && serves(routeOf(rest).path) ? name : [],
  );
}

/** What authorization asks before an action runs. */
function askedBy({ access, rest }: ActionContract): string[] {
  if (access === "administrator") return ["adminAuth.keys", "adminAuth.standing"];
  const keys = rest || access !== "service" ? ["auth.keys"] : [];
  if (access === "any" || access === "user" || access === "service" || access === "gateway") return keys;
  if (!isResourceRule(access)) return [...keys, "users.rolesOf"];
  const kinds = Object.keys(access).filter((key) => !["param", "or", "anonymous"].includes(key));
  return [
    ...keys,
    ...kinds.map((kind) => `${serviceOfKind(kind)}.allows`),
    ...("or" in access ? ["users.rolesOf"] : []),
  ];
}

/** Without a queue a relay calls the consumers itself. */
function consumersOfWhatIsToldBy(domain: string, owner: Map<string, string>): string[] {
  return [...actionContracts]
    .filter(([, { consumes = [] }]) => consumes.some((type) => tellerOf(type, owner) === domain))
    .map(([name]) => name);
}

const tellerOf = (type: string, owner: Map<string, string>): string | undefined =>
  owner.get(type.split(".")[0] as string);

function tellersByConsumer(owner: Map<string, string>): Map<string, Set<string>> {
  const tellers = new Map<string, Set<string>>();
  for (const [name, { consumes = [] }] of actionContracts) {
    const domain = owner.get(name.split(".")[0] as string);
    if (!domain) continue;
    const known = tellers.get(domain) ?? new Set<string>();
    tellers.set(domain, known);
    for (const type of consumes) {
      const teller = tellerOf(type, owner);
      if (teller && teller !== domain) known.add(teller);
    }
  }
  return tellers;
}

function consumersByDomain(owner: Map<string, string>): Map<string, string[]> {
  const consumers = new Map<string, string[]>();
  for (const [name, { consumes = [] }] of actionContracts) {
    const service = name.split(".")[0] as string;
    const domain = owner.get(service);
    if (!domain || consumes.length === 0) continue;
    consumers.set(domain, [...new Set([...(consumers.get(domain) ?? []), service])]);
  }
  return consumers;
}

function eventsByDomain(): Map<string, Set<string>> {
  const events = new Map<string, Set<string>>();
  for (const { from, to } of Object.values(EVENTS))
    for (const each of from) events.set(each, new Set([...(events.get(each) ?? []), ...to]));
  return events;
}

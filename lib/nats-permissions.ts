/**
 * What each domain's nodes may say and hear on NATS, as the server's configuration (docs/decisions/0009-nats-permissions.md).
 * Moleculer's subjects name nodes, and a node's id begins with its domain, so a domain's user is held to the domains
 * that its code calls.
 */

import { PARTITIONS } from "./queue/index.ts";

/** Who talks to whom: domain → domains. */
export interface Talk {
  /** Whose actions its code calls. */
  calls: ReadonlyMap<string, ReadonlySet<string>>;
  /** To whom it sends events. */
  events: ReadonlyMap<string, ReadonlySet<string>>;
  /** Services that take messages from the queue. */
  consumers: ReadonlyMap<string, readonly string[]>;
  /** Domains with an outbox. */
  publishers: ReadonlySet<string>;
}

export interface Permissions {
  publish: string[];
  subscribe: string[];
}

/** The user of operators' prompts, who may talk to every node. */
export const OPERATOR = "repl";
/** The user of a restore, which empties the queue and talks to nobody. */
export const RESTORE = "restore";
/** Users beside those of the domains. */
export const OTHER_USERS = [OPERATOR, RESTORE];

/** @param namespace of the cluster (NAMESPACE) */
export function permissionsOf(domain: string, namespace: string, talk: Talk): Permissions {
  if (domain === RESTORE)
    return {
      publish: [`$JS.API.STREAM.DELETE.${streamOf(namespace)}`],
      subscribe: [`_INBOX.${RESTORE}.>`],
    };
  const at = (command: string, of?: string): string =>
    `MOL-${namespace}.${command}${of === undefined ? "" : `.${of === "*" ? "*.*" : `${of}.*`}`}`;
  const all = ["INFO", "DISCOVER", "PING", "PONG"].map((command) => at(command, "*"));
  const common = ["INFO", "DISCOVER", "PING", "HEARTBEAT", "DISCONNECT"].map((command) => at(command));
  const called = [...(talk.calls.get(domain) ?? []), domain];
  const callers = [...talk.calls].filter(([, to]) => to.has(domain)).map(([from]) => from);
  const hearers = [...(talk.events.get(domain) ?? [])];
  const asked = unique([...callers, domain, OPERATOR]);
  const queue = queuePermissions(domain, namespace, talk);
  if (domain === OPERATOR)
    return {
      publish: [...common, ...all, ...["REQ", "RES", "EVENT"].map((command) => at(command, "*"))],
      subscribe: [...common, ...own(at, domain)],
    };
  return {
    publish: [
      ...common,
      ...all,
      ...unique(called).map((each) => at("REQ", each)),
      ...asked.map((each) => at("RES", each)),
      ...unique(hearers).map((each) => at("EVENT", each)),
      ...queue.publish,
    ],
    subscribe: [...common, ...own(at, domain), ...queue.subscribe],
  };
}

function own(at: (command: string, of?: string) => string, domain: string): string[] {
  return ["REQ", "RES", "EVENT", "INFO", "DISCOVER", "PING", "PONG"].map((command) => at(command, domain));
}

/** JetStream's own subjects: the stream and its consumers are made by whoever comes first. */
function queuePermissions(domain: string, namespace: string, talk: Talk): Permissions {
  const services = talk.consumers.get(domain) ?? [];
  if (services.length === 0 && !talk.publishers.has(domain)) return { publish: [], subscribe: [] };
  const stream = streamOf(namespace);
  const durables = services.map((service) => `${service}-*`);
  return {
    publish: [
      "$JS.API.INFO",
      ...["INFO", "CREATE"].map((each) => `$JS.API.STREAM.${each}.${stream}`),
      ...["LIST", "NAMES"].map((each) => `$JS.API.CONSUMER.${each}.${stream}`),
      ...["CREATE", "DURABLE.CREATE"].map((each) => `$JS.API.CONSUMER.${each}.${stream}.>`),
      `$JS.API.CONSUMER.INFO.${stream}.*`,
      ...(talk.publishers.has(domain) ? [`${namespace}.queue.>`] : []),
      // NATS knows no wildcard within a token: each partition's consumer by its name.
      ...durables.flatMap((each) =>
        partitionsOf(each).flatMap((name) => [
          `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`,
          `$JS.ACK.${stream}.${name}.>`,
        ]),
      ),
    ],
    subscribe: [`_INBOX.${domain}.>`],
  };
}

const partitionsOf = (durable: string): string[] =>
  Array.from({ length: PARTITIONS }, (_, n) => durable.replace("*", String(n)));

/** The stream of a cluster's queue. */
export function streamOf(namespace: string): string {
  return `${namespace.replace(/[^A-Za-z0-9_-]/g, "_")}-queue`;
}

const unique = <T>(values: T[]): T[] => [...new Set(values)];

/** The users as a block of the server's configuration; each domain's user has its name. */
export function natsUsers(passwords: ReadonlyMap<string, string>, namespace: string, talk: Talk): string {
  const list = (subjects: string[]): string => `[${subjects.map((each) => JSON.stringify(each)).join(", ")}]`;
  const users = [...passwords].map(([domain, password]) => {
    const { publish, subscribe } = permissionsOf(domain, namespace, talk);
    return `    { user: ${JSON.stringify(domain)}, password: ${JSON.stringify(password)}, permissions: {
        publish: { allow: ${list(publish)} }
        subscribe: { allow: ${list(subscribe)} } } }`;
  });
  return `authorization {\n  users = [\n${users.join("\n")}\n  ]\n}\n`;
}

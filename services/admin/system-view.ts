/**
 * The federation as it is now, for administrators and operators' prompts: what each node tells of itself, and each domain
 * of its messages. Who does not answer within a second is shown so, and keeps nobody waiting.
 */
import type { ServiceBroker } from "moleculer";
import type { ActionName, Answer, Params } from "../../lib/declare.ts";
import type { SagaState } from "../../lib/saga-contract.ts";
import { TELLING_DOMAINS } from "../../lib/settings.ts";
import { iso } from "../../lib/types.ts";
import { servicesOf } from "../../mixins/federation.ts";
import type { System } from "./system.contract.ts";

/** Milliseconds that anybody has to answer. */
const PATIENCE = 1_000;
const SAGAS_SHOWN = 100;

type Status = Answer<"node.status">;
type Node = System["nodes"][number];

export const QUEUES = {
  users: "usersQueue",
  clubs: "clubsQueue",
  applications: "applicationsQueue",
  activities: "activitiesQueue",
  posts: "postsQueue",
  admin: "adminQueue",
} as const satisfies Record<(typeof TELLING_DOMAINS)[number], string>;

export async function systemOf(broker: ServiceBroker): Promise<System> {
  const now = Date.now();
  const [nodes, queues, sagas, reminders] = await Promise.all([
    nodesOf(broker, now),
    Promise.all(TELLING_DOMAINS.map((domain) => queueOf(broker, domain, now))),
    ask(broker, "clubs.sagas", { limit: SAGAS_SHOWN }),
    ask(broker, "reminders.depth", {}),
  ]);
  const services = servicesOf(broker);
  const told = nodes.flatMap(({ id, status }) => (status ? [{ id, status }] : []));
  return {
    nodes,
    services,
    missing: services.flatMap(({ name, available }) => (available ? [] : [name])),
    queues,
    circuits: told.flatMap(({ id, status }) => status.circuits.map((each) => ({ by: id, ...each }))),
    databases: told.flatMap(({ id, status }) => status.stores.map((each) => ({ node: id, ...each }))),
    sagas: sagas && sagas.map(sagaOf),
    reminders: reminders && {
      ...reminders,
      oldest: reminders.oldest === null ? null : iso(reminders.oldest),
    },
    generatedAt: iso(now),
  };
}

/** What an action answers; null when it does not in time, whatever the reason. */
async function ask<F extends ActionName>(
  broker: ServiceBroker,
  action: F,
  params: Params<F>,
  nodeID?: string,
): Promise<Answer<F> | null> {
  // Asked beforehand, since the broker warns at each call of what is not there.
  if (!broker.registry.actions.isAvailable(action)) return null;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, PATIENCE, null)));
  const options = { timeout: PATIENCE, retries: 0, ...(nodeID !== undefined && { nodeID }) };
  const answer = broker.call<Answer<F>, Params<F>>(action, params, options).catch(() => null);
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

async function nodesOf(broker: ServiceBroker, now: number): Promise<Node[]> {
  const known = broker.registry.getNodeList({ onlyAvailable: false, withServices: false });
  const nodes = known.map(async ({ id, available }): Promise<Node> => {
    if (!available) return { id, answers: "gone", status: null };
    const status = await ask(broker, "node.status", {}, id);
    return status ? present(status, now) : { id, answers: "silent", status: null };
  });
  return (await Promise.all(nodes)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function present({ startedAt, ...status }: Status, now: number): Node {
  const uptimeSeconds = Math.max(0, Math.round((now - startedAt) / 1_000));
  return { id: status.id, answers: "yes", status: { ...status, startedAt: iso(startedAt), uptimeSeconds } };
}

async function queueOf(
  broker: ServiceBroker,
  domain: (typeof TELLING_DOMAINS)[number],
  now: number,
): Promise<System["queues"][number]> {
  const depth = await ask(broker, `${QUEUES[domain]}.depth`, {});
  const oldest = depth?.oldest ?? null;
  return {
    domain,
    available: depth !== null,
    waiting: depth?.waiting ?? null,
    oldest: oldest === null ? null : iso(oldest),
    oldestSeconds: oldest === null ? null : Math.max(0, Math.round((now - oldest) / 1_000)),
    dead: depth?.dead ?? null,
  };
}

/** A saga with its times as the contract writes them. */
export function sagaOf(saga: SagaState) {
  return { ...saga, createdAt: iso(saga.createdAt), updatedAt: iso(saga.updatedAt) };
}

/**
 * Thousands who want the places of one activity at one moment, some of whom ask twice or give their place up again; and
 * what must be true afterwards. How they ask is the test's.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceBroker } from "moleculer";
import { newId } from "../../lib/ids.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Signer } from "../../lib/tokens.ts";
import type { DocumentStore } from "../../lib/documents.ts";
import { isAppError } from "../../lib/errors.ts";
import type { Envelope } from "../../lib/declare.ts";
import type { OutboxDocument } from "../../lib/queue-documents.ts";
import { openStore } from "../../services/activities/records.ts";
import type { ParticipationDocument } from "../../services/activities/records.ts";
import type { World } from "./stand-ins.ts";

export const CAPACITY = 500;
const HOUR = 3_600_000;
/** Requests under way at once. */
const AT_ONCE = 500;
/** Milliseconds until somebody who was told to come again does, and after which nobody waits any more. */
const PAUSE = 500;
const LIMIT = 120_000;

export type Kind = "join" | "leave" | "look";
export interface Said {
  status: "confirmed" | "waitlisted" | "cancelled";
  position?: number | null;
}
/** One request: what was said, or null where nothing is known of it and it is to be repeated. */
export type Ask = (kind: Kind, user: string) => Promise<Said | null>;

/** Who was told what. */
export interface Told {
  /** By whom a place in the activity or its waitlist was last promised. */
  promised: Map<string, Said>;
  left: Set<string>;
}

export interface Plan {
  people: number;
  /** How many of them ask twice at the same time, and how many give their place up again. */
  twice: number;
  leaving: number;
}

export const signer = new Signer(parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS"), "public");

export const newWorld = (): World => ({
  clubs: new Map(),
  members: new Map(),
  people: new Map(),
  roles: new Map(),
  told: [],
  onRoles: async () => undefined,
  clubsAway: false,
});

/** Tokens by person, made when they are first needed. */
const tokens = new Map<string, string>();
export function tokenOf(user: string): string {
  const known = tokens.get(user) ?? signer.sign({ sub: user, sid: newId() }, 3_600);
  tokens.set(user, known);
  return known;
}

/** A published activity of an active club, a week ahead. */
export async function publish(
  broker: ServiceBroker,
  world: World,
  capacity: number,
  waitlist: boolean,
): Promise<string> {
  const [club, officer] = [newId(), newId()];
  const at = new Date().toISOString();
  world.clubs.set(club, {
    id: club,
    name: "读书社",
    summary: "We read.",
    description: "",
    category: "academic",
    tags: [],
    logoFileId: null,
    joinPolicy: "review",
    questions: [],
    reviewStages: ["officer"],
    status: "active",
    version: 1,
    revision: 1,
    createdAt: at,
    updatedAt: at,
    memberCount: 1,
    favoriteCount: 0,
    createdBy: officer,
  });
  world.members.set(`${club}:${officer}`, "president");
  const headers = { passport: tokenOf(officer) };
  const startsAt = new Date(Date.now() + 168 * HOUR).toISOString();
  const endsAt = new Date(Date.now() + 170 * HOUR).toISOString();
  const plan = {
    id: club,
    title: "A lecture",
    startsAt,
    endsAt,
    timezone: "Asia/Shanghai",
    capacity,
    waitlist,
  };
  const { id } = await broker.call<{ id: string }, object>("activities.create", plan, { headers });
  await broker.call("activities.publish", { id }, { headers });
  return id;
}

const ACTIONS = { join: "participations.join", leave: "participations.leave", look: "participations.mine" };

/** Asks by the actions, with the person's own token. A refusal for want of time or of a node says nothing. */
export function askBroker(broker: ServiceBroker, activity: string): Ask {
  return async (kind, user) => {
    const headers = { passport: tokenOf(user) };
    try {
      const said = await broker.call<Said | undefined, object>(ACTIONS[kind], { id: activity }, { headers });
      return said ?? { status: "cancelled" };
    } catch (error) {
      if (isAppError(error) && error.code !== 503 && error.type !== "INTERNAL") throw error;
      return null;
    }
  };
}

/** Repeats a request until something is known of it. */
export async function insist(ask: Ask, kind: Kind, user: string): Promise<Said> {
  for (const end = Date.now() + LIMIT; Date.now() < end; await sleep(PAUSE)) {
    const said = await ask(kind, user);
    if (said) return said;
  }
  throw new Error(`Nobody decided for ${user} in time.`);
}

/** Does the work for each of the things, some hundred at once, in their order. */
export async function forEach<T>(things: readonly T[], work: (thing: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < things.length) await work(things[next++] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The rush; ends when everybody has been told something. */
export async function rush(ask: Ask, { people, twice, leaving }: Plan): Promise<Told> {
  const told: Told = { promised: new Map(), left: new Set() };
  const users = Array.from({ length: people }, () => newId());
  // Those who leave are spread over all: some were confirmed and some wait.
  const leavers = new Set(users.filter((_, at) => at % Math.ceil(people / Math.max(1, leaving)) === 0));
  const join = async (user: string): Promise<void> => {
    const said = await insist(ask, "join", user);
    if (!told.left.has(user)) told.promised.set(user, said);
  };
  await forEach([...users.entries()], async ([at, user]) => {
    await Promise.all(at < twice ? [join(user), join(user)] : [join(user)]);
    if (!leavers.has(user) || leaving === 0) return;
    await insist(ask, "leave", user);
    told.promised.delete(user);
    told.left.add(user);
  });
  return told;
}

/** What is wrong with what was stored of an activity: nothing, in words. */
export async function faults(
  documents: DocumentStore,
  activity: string,
  capacity: number,
  told: Told,
): Promise<string[]> {
  const store = await openStore(documents);
  const [roster] = await store.rosters.find({ activityId: activity });
  if (!roster) return ["there is no roster"];
  const people = await store.participations.find({ activityId: activity });
  const of = (status: Said["status"]) => people.filter((person) => person.status === status);
  const [confirmed, waiting] = [of("confirmed"), of("waitlisted")];
  const found: string[] = [];
  const demand = (holds: boolean, otherwise: string): void => void (holds || found.push(otherwise));
  demand(confirmed.length <= capacity, `oversold: ${confirmed.length} of ${capacity} places`);
  demand(waiting.length === 0 || confirmed.length >= capacity, "somebody waits while there is room");
  demand(
    roster.confirmed === confirmed.length && roster.waitlisted === waiting.length,
    `the roster counts ${roster.confirmed} and ${roster.waitlisted}, but there are ${confirmed.length} and ${waiting.length}`,
  );
  demand(new Set(people.map(({ user }) => user)).size === people.length, "somebody is in twice");
  demand(new Set(people.map(({ seq }) => seq)).size === people.length, "a number was given twice");
  const last = Math.max(0, ...confirmed.map(({ seq }) => seq));
  demand(
    waiting.every(({ seq }) => seq > last),
    "somebody was confirmed before one who waited longer",
  );
  found.push(...untrue(people, told), ...(await outOfTurn(documents, roster._id, people)));
  return found;
}

/** Promises that were not kept. */
function untrue(people: readonly ParticipationDocument[], { promised, left }: Told): string[] {
  const statuses = new Map(people.map(({ user, status }) => [user, status]));
  const broken = [...promised].filter(([user, { status }]) => {
    const kept = statuses.get(user);
    return kept !== "confirmed" && !(kept === "waitlisted" && status === "waitlisted");
  });
  const back = [...left].filter((user) => statuses.get(user) !== "cancelled");
  return [
    ...(broken.length > 0 ? [`${broken.length} were told to be in and are not`] : []),
    ...(back.length > 0 ? [`${back.length} have left and are in`] : []),
  ];
}

/** Whether people came in from the waitlist in another order than they came to it. */
async function outOfTurn(
  documents: DocumentStore,
  roster: string,
  people: readonly ParticipationDocument[],
): Promise<string[]> {
  const outbox = await documents.collection<OutboxDocument>("outbox", { indexes: [] });
  const messages = (await outbox.find({ type: "participations.promoted" }))
    .map(({ envelope }) => JSON.parse(envelope) as Envelope)
    .filter(({ aggregate }) => aggregate.id === roster)
    .toSorted((a, b) => a.aggregate.version - b.aggregate.version);
  const seqs = new Map(people.map(({ user, seq }) => [user, seq]));
  const order = messages.flatMap(({ data }) =>
    (data as { users: string[] }).users.map((user) => seqs.get(user) ?? 0),
  );
  const inTurn = order.every((seq, at) => at === 0 || seq > (order[at - 1] as number));
  return inTurn ? [] : ["the waitlist was not taken in its order"];
}

/** Positions of the waitlist as people are told them: 1, 2, 3… in the order of admission. */
export async function positions(documents: DocumentStore, activity: string, ask: Ask): Promise<number[]> {
  const store = await openStore(documents);
  const waiting = await store.participations.find({ activityId: activity, status: "waitlisted" });
  const inOrder = waiting.toSorted((a, b) => a.seq - b.seq);
  const told = new Map<string | null, number>();
  await forEach(inOrder, async ({ user }) => {
    told.set(user, (await insist(ask, "look", user as string)).position ?? 0);
  });
  return inOrder.map(({ user }) => told.get(user) as number);
}

/** 1, 2, 3… */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/**
 * 50,000 people are told at once, in messages of some hundred each, then by an announcement; somebody else is told
 * something meanwhile.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Answer, Params } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import type { DocumentStore, Query } from "../../lib/documents.ts";
import { batches } from "../../services/notifications/inbox.ts";
import type { NotificationDocument } from "../../services/notifications/inbox.ts";
import { eventually } from "../support/eventually.ts";
import { startNeighbourhood } from "../support/neighbours.ts";
import type { Neighbourhood } from "../support/neighbours.ts";

const PEOPLE = 50_000;
const EACH = 300;
/** As many as a relay hands out at a time. */
const AT_ONCE = 25;

let near: Neighbourhood;
let people: string[];
beforeAll(async () => {
  near = await startNeighbourhood(["notifications"]);
  people = Array.from({ length: PEOPLE }, (_, i) => near.world.person(`P${i}`)).toSorted();
  const page = ({ params }: { params: Params<"userAudience.page"> }) => {
    const from = params.after === null ? 0 : people.indexOf(params.after) + 1;
    const ids = people.slice(from, from + params.limit);
    return { ids, after: ids.length < params.limit ? null : (ids.at(-1) ?? null) };
  };
  near.broker.createService({ name: "userAudience", actions: { page } });
});
afterAll(() => near?.stop());

const tellStorm = (to: string[]) => {
  const activityId = newId();
  return near.tell("notifications.onMessage", "participations.calledOff", {
    aggregate: { type: "roster", id: `${activityId}:0`, version: 2 },
    data: {
      activityId,
      clubId: newId(),
      occurrence: 0,
      startsAt: 0,
      reason: "Storm",
      dissolved: false,
      users: to,
    },
  });
};
const tellOne = (userId: string) => {
  const clubId = newId();
  return near.tell("notifications.onMessage", "clubs.memberRoleChanged", {
    aggregate: { type: "club", id: clubId, version: 2 },
    data: { clubId, userId, role: "officer", by: newId() },
  });
};
const unread = async (person: string): Promise<number> => {
  const { body } = await near.call<{ unreadCount: number }>("GET", "/notifications", { person });
  return body.unreadCount;
};

/** The store of the domain; of what waits there is little, so it can be looked at often. */
async function waiting(name: "fanOuts" | "bulletinParts"): Promise<number> {
  const { documents } = near.broker.getLocalService("notifications") as unknown as {
    documents: DocumentStore;
  };
  const all = await documents.collection<{ _id: string; dueAt: number }>(name, { indexes: [] });
  return all.count({ dueAt: { $gt: 0 } });
}
async function notices(query: Query<NotificationDocument>): Promise<number> {
  const { documents } = near.broker.getLocalService("notifications") as unknown as {
    documents: DocumentStore;
  };
  return (await documents.collection<NotificationDocument>("notifications", { indexes: [] })).count(query);
}

/** Tells a bystander five times while a storm goes on; the milliseconds that each took. */
async function meanwhile(bystander: string): Promise<number[]> {
  const waits: number[] = [];
  for (let told = 1; told <= 5; told++) {
    const from = performance.now();
    await tellOne(bystander);
    await eventually(async () => (await unread(bystander)) === told || undefined, 60_000);
    waits.push(Math.round(performance.now() - from));
  }
  return waits;
}

/** Prints how long a storm takes, and how late the event loop is meanwhile. */
async function measured(what: string, storm: () => Promise<number[]>): Promise<void> {
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  const begun = performance.now();
  const cpu = process.cpuUsage();
  const waits = await storm();
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  loop.disable();
  process.stdout.write(
    `${PEOPLE} people ${what}: ${seconds.toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of the processor); ` +
      `others meanwhile waited ${waits.join(", ")} ms; ` +
      `the event loop was late by ${Math.round(loop.max / 1e6)} ms at most, ${Math.round(loop.percentile(99) / 1e6)} ms at 99 %\n`,
  );
}

test("everybody is told once, and whoever is told something else does not wait for them", async () => {
  const messages = batches(people, EACH);
  const open = [...messages];
  await measured(`in ${messages.length} messages`, async () => {
    const relay = Array.from({ length: AT_ONCE }, async () => {
      for (let next = open.shift(); next; next = open.shift()) await tellStorm(next);
    });
    const waits = await meanwhile(near.world.person("Bea"));
    // The storm had not passed when the others were told.
    expect(await waiting("fanOuts")).toBeGreaterThan(0);
    await Promise.all(relay);
    await eventually(
      async () => (await waiting("fanOuts")) === 0 || undefined,
      180_000,
      () => "Not everybody is told.",
    );
    return waits;
  });
  expect(await notices({ kind: "activity", seq: 1 })).toBe(PEOPLE);
  expect(await notices({ kind: "activity" })).toBe(PEOPLE);
  for (const person of [people[0], people[EACH], people.at(-1)] as string[])
    await eventually(async () => (await unread(person)) === 1 || undefined, 60_000);
}, 300_000);

test("so it is with an announcement for everyone", async () => {
  const id = newId();
  const now = Date.now();
  const announcement = {
    title: "Storm",
    body: "Stay inside.",
    level: "warning",
    audience: {},
    startsAt: now,
    endsAt: null,
    createdAt: now,
  };
  const reach = () =>
    near.broker.call<Answer<"bulletin.reach">, { id: string }>("bulletin.reach", { id }, { timeout: 30_000 });
  await measured("by an announcement", async () => {
    const aggregate = { type: "announcement", id, version: 1 };
    await near.tell("bulletin.onMessage", "announcements.changed", { aggregate, data: announcement });
    await eventually(async () => (await waiting("bulletinParts")) > 0 || undefined);
    const waits = await meanwhile(near.world.person("Ben"));
    await eventually(
      async () => {
        if ((await waiting("bulletinParts")) > 0) return undefined;
        const now = await reach();
        return (now && now.people === PEOPLE && now.told === PEOPLE) || undefined;
      },
      180_000,
      () => "Not everybody is told.",
    );
    return waits;
  });
  expect(await notices({ kind: "announcement", seq: 2 })).toBe(PEOPLE);
  expect(await notices({ kind: "announcement" })).toBe(PEOPLE);
  expect(await reach()).toEqual({ people: PEOPLE, told: PEOPLE, read: 0 });
}, 300_000);

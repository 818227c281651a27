/** 50,000 people are told at once, in messages of some hundred each; somebody else is told something meanwhile. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { newId } from "../../lib/ids.ts";
import type { DocumentStore } from "../../lib/documents.ts";
import type { NotificationDocument } from "../../services/notifications/inbox.ts";
import { eventually } from "../support/eventually.ts";
import { startNeighbourhood } from "../support/neighbours.ts";
import type { Neighbourhood } from "../support/neighbours.ts";

const PEOPLE = 50_000;
const EACH = 300;
/** As many as a relay hands out at a time. */
const AT_ONCE = 25;

let near: Neighbourhood;
beforeAll(async () => {
  near = await startNeighbourhood(["notifications"]);
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

test("everybody is told once, and whoever is told something else does not wait for them", async () => {
  const people = Array.from({ length: PEOPLE }, (_, i) => near.world.person(`P${i}`));
  const bystander = near.world.person("Bea");
  const waiting = Array.from({ length: Math.ceil(PEOPLE / EACH) }, (_, i) =>
    people.slice(i * EACH, (i + 1) * EACH),
  );
  const messages = waiting.length;
  const { documents } = near.broker.getLocalService("notifications") as unknown as {
    documents: DocumentStore;
  };
  const all = await documents.collection<NotificationDocument>("notifications", { indexes: [] });
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  const begun = performance.now();
  const relay = Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      await tellStorm(next);
    }
  });
  const waits: number[] = [];
  let toldAtFirst = 0;
  for (let told = 1; told <= 5; told++) {
    const from = performance.now();
    await tellOne(bystander);
    await eventually(async () => (await unread(bystander)) === told || undefined, 60_000);
    waits.push(Math.round(performance.now() - from));
    if (told === 1) toldAtFirst = await all.count({ kind: "activity" });
  }
  await Promise.all(relay);
  await eventually(
    async () => (await all.count({ kind: "activity" })) === PEOPLE || undefined,
    180_000,
    () => "Not everybody is told.",
  );
  const seconds = (performance.now() - begun) / 1_000;
  loop.disable();
  process.stdout.write(
    `${PEOPLE} people in ${messages} messages: ${seconds.toFixed(1)} s; others meanwhile waited ${waits.join(", ")} ms; ` +
      `the event loop was late by ${Math.round(loop.max / 1e6)} ms at most, ${Math.round(loop.percentile(99) / 1e6)} ms at 99 %\n`,
  );
  // The storm had not passed when the first of the others was told.
  expect(toldAtFirst).toBeLessThan(PEOPLE);
  expect(await all.count({ kind: "activity", seq: 1 })).toBe(PEOPLE);
  for (const person of [people[0], people[EACH], people.at(-1)] as string[])
    await eventually(async () => (await unread(person)) === 1 || undefined, 60_000);
}, 300_000);

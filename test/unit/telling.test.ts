/** People who are signed up are told once, whoever dies on the way and however many nodes are at the same work. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import type { Envelope } from "../../lib/declare.ts";
import { openDocuments } from "../../lib/documents.ts";
import type { DocumentStore } from "../../lib/documents.ts";
import { newId } from "../../lib/ids.ts";
import { openStore, participationId, rosterId } from "../../services/activities/records.ts";
import type { Store, TellingDocument } from "../../services/activities/records.ts";
import { newTerms } from "../support/roster.ts";
import { newTelling, noticeOf, tellAll } from "../../services/activities/telling.ts";

let documents: DocumentStore;
let store: Store;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "club-alliance-telling-"));
  documents = await openDocuments(path.join(folder, "activities.sqlite"));
  store = await openStore(documents);
});
afterAll(async () => {
  await documents.close();
  await rm(folder, { recursive: true, force: true });
});

const reminded = {
  type: "participations.reminded",
  data: { minutes: 5 },
  expiresAt: null,
} as const;
const calledOff = {
  ...reminded,
  type: "participations.calledOff",
  data: { startsAt: 1, reason: "Rain", dissolved: false },
} as const;

/** A roster of so many who have a place, and half as many who wait. */
async function rosterOf(count: number) {
  const activityId = newId();
  const roster = rosterId(activityId, 1_000);
  const waiting = Math.floor(count / 2);
  const people = Array.from({ length: count + waiting }, (_, i) => ({
    user: `person-${i}`,
    status: i < count ? ("confirmed" as const) : ("waitlisted" as const),
  }));
  await store.participations.insertMany(
    people.map(({ user, status }, i) => ({
      _id: participationId(roster, user),
      roster,
      activityId,
      occurrence: 1_000,
      user,
      status,
      seq: i + 1,
      op: 2_000 + i,
      at: 1,
      checkedInAt: null,
      by: null,
    })),
  );
  const known = {
    _id: roster,
    clubId: newId(),
    version: 1,
    confirmed: count,
    waitlisted: waiting,
  };
  return { roster: known, people };
}

/** What arrives: a message whose id is known already is none. */
function newOutbox() {
  const arrived = new Map<string, Envelope>();
  return {
    told: () =>
      [...arrived.values()].flatMap(({ data }) => (data as { users: string[] }).users).toSorted(byCode),
    tell: async (messages: Envelope[]) => {
      for (const message of messages) if (!arrived.has(message.id)) arrived.set(message.id, message);
    },
  };
}

const byCode = (a: string, b: string): number => (a < b ? -1 : 1);
const never = () => false;
const stored = async (telling: TellingDocument) => store.tellings.findOne({ _id: telling._id });

test.each([0, 1, 300, 301, 2_000])(
  "%d with a place and half as many waiting: each is told once",
  async (count) => {
    const { roster, people } = await rosterOf(count);
    for (const [what, whom] of [
      [reminded, people.filter(({ status }) => status === "confirmed")],
      [calledOff, people],
    ] as const) {
      const own = newOutbox();
      const telling = newTelling(roster, what, [1], 0);
      await store.tellings.insertOne(telling);
      expect(await tellAll(store, own, telling, never)).toBe(true);
      expect(own.told()).toEqual(whom.map(({ user }) => user).toSorted(byCode));
      expect(await stored(telling)).toBeNull();
    }
  },
);

test("stopped anywhere, by two at once, and taken up again from where the store says", async () => {
  const { roster, people } = await rosterOf(700);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 6 }),
      fc.nat(),
      async (stops, name) => {
        const telling = newTelling(roster, calledOff, [name, newId()], 0);
        await store.tellings.insertOne(telling);
        const outbox = newOutbox();
        const teller = async (after: number): Promise<unknown> => {
          let left = after;
          const from = (await stored(telling)) ?? { ...telling, told: telling.parts };
          return tellAll(store, outbox, from, () => left-- <= 0);
        };
        for (const stop of stops) await Promise.all([teller(stop), teller(Math.floor(stop / 2))]);
        // One that had read it long ago goes on from the start.
        await tellAll(store, outbox, telling, never);
        expect(outbox.told()).toEqual(people.map(({ user }) => user).toSorted(byCode));
      },
    ),
    { numRuns: 20 },
  );
});

test("what people are told when the terms change", () => {
  const terms = newTerms({ capacity: 5, waitlist: true, location: "A" });
  const told = (after: Partial<typeof terms>) => noticeOf(terms, { ...terms, ...after })?.type ?? null;
  expect(told({ capacity: 6, waitlist: false, closesAt: 9, membersOnly: true })).toBeNull();
  expect([told({ startsAt: 11 }), told({ endsAt: 21 }), told({ location: "B" })]).toEqual(
    Array(3).fill("participations.moved"),
  );
  expect(told({ cancelled: true, startsAt: 11 })).toBe("participations.calledOff");
  expect(noticeOf({ ...terms, cancelled: true }, { ...terms, cancelled: true })).toBeNull();
});

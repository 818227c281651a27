/** How announcements are told: everybody once, whatever fails, and however many nodes are at it. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import type { DocumentStore } from "../../lib/documents.ts";
import { newId } from "../../lib/ids.ts";
import { Announcing, reachOf } from "../../services/notifications/announcing.ts";
import type { Bulletin } from "../../services/notifications/bulletins.ts";
import { Bulletins } from "../../services/notifications/bulletins.ts";
import { Inbox } from "../../services/notifications/inbox.ts";
import type { NotificationDocument } from "../../services/notifications/inbox.ts";
import { engine } from "../support/document-engine.ts";
import { eventually } from "../support/eventually.ts";

const HOUR = 3_600_000;
const PAGE = 20;

let folder: string;
let store: DocumentStore;
let inbox: Inbox;
let bulletins: Bulletins;
let people: string[];
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "announcing-"));
  store = await engine.current.open(path.join(folder, `${randomBytes(6).toString("hex")}.sqlite`));
  inbox = await Inbox.open(store);
  bulletins = await Bulletins.open(store);
  people = Array.from({ length: 130 }, () => newId()).toSorted();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const content = (more: object = {}) => ({
  title: "T",
  body: "B",
  level: "info" as const,
  audience: {},
  startsAt: Date.now() - 1,
  endsAt: null,
  createdAt: Date.now(),
  ...more,
});

/** What goes wrong on a node: called at each step that leaves it. */
type Fault = (step: "page" | "before" | "after") => Promise<void> | void;

function node(fault: Fault = () => undefined): Promise<Announcing> {
  return Announcing.open(store, {
    bulletins,
    inbox,
    async page(audience, after) {
      await fault("page");
      const meant = people.filter((id) => (audience.colleges ? isEven(id) : true));
      const ids = meant.filter((id) => after === null || id > after).slice(0, PAGE);
      return { ids, after: ids.length < PAGE ? null : (ids.at(-1) ?? null) };
    },
    async tell(message, notices) {
      await fault("before");
      const wishes = async () => () => ({ inbox: true, stream: true, email: false });
      await inbox.tell(message, notices, wishes, async () => undefined);
      await fault("after");
    },
    log: { warn: () => undefined },
  });
}
const isEven = (id: string): boolean => Number.parseInt(id.at(-1) as string, 16) % 2 === 0;

const all = (): Promise<NotificationDocument[]> =>
  store
    .collection<NotificationDocument>("notifications", { indexes: [] })
    .then((collection) => collection.find({}));
/** Spares the test the wait for what failed, and for what a node that is gone had in hand. */
async function endLeases(): Promise<void> {
  for (const name of ["bulletins", "bulletinParts"]) {
    const collection = await store.collection<Bulletin>(name, { indexes: [] });
    await collection.updateMany({ dueAt: { $gt: Date.now() } }, { $set: { dueAt: Date.now() } });
  }
}
const reach = (id: string) => reachOf({ store, bulletins, inbox }, id);
const told = (docs: NotificationDocument[]): string[] => docs.map(({ user }) => user).toSorted();

test("everybody is told once, in parts; reach says how many", async () => {
  const id = newId();
  await bulletins.take(id, 1, content());
  await (await node()).work();
  const docs = await all();
  expect(told(docs)).toEqual(people);
  expect(docs.every(({ seq }) => seq === 1)).toBe(true);
  expect(await reach(id)).toEqual({ people: 130, told: 130, read: 0 });
  await inbox.read(people[3] as string, null, Date.now());
  expect(await reach(id)).toEqual({ people: 130, told: 130, read: 1 });
  expect(await reach(newId())).toBeNull();
});

test("whatever fails on three nodes that are at it at once, everybody is told once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 20 }), async (dice) => {
      const id = newId();
      let step = 0;
      // After as many faults as there are dice all goes well.
      const fault: Fault = async () => {
        const value = dice[step++];
        if (value !== undefined && value < 4) throw new Error("The node is gone.");
        if (value === 9) await endLeases();
      };
      const nodes = await Promise.all([node(fault), node(fault), node(fault)]);
      await bulletins.take(id, 1, content());
      await eventually(async () => {
        await Promise.all(nodes.map((each) => each.work()));
        await endLeases();
        const now = await reach(id);
        return now?.told === people.length || undefined;
      }, 60_000);
      const docs = (await all()).filter(({ values }) => values.announcementId === id);
      expect(told(docs)).toEqual(people);
      for (const user of people) {
        const seqs = (await inbox.after(user, 0, 1_000)).map(({ seq }) => seq);
        expect(seqs).toEqual(seqs.map((_, i) => i + 1));
      }
    }),
    { numRuns: 4 },
  );
}, 60_000);

test("an announcement that is over while it is told leaves nothing unread, on whichever node", async () => {
  const id = newId();
  let tellings = 0;
  const slow: Fault = async (step) => {
    if (step !== "after" || ++tellings !== 3) return;
    await bulletins.take(id, 2, { ...content(), withdrawnAt: Date.now() });
    // Another node takes away what is there, before this one has looked again.
    await (await node()).work();
  };
  await bulletins.take(id, 1, content());
  const first = await node(slow);
  await first.work();
  await first.work();
  expect(tellings).toBe(3);
  expect(await all()).toEqual([]);
});

test("what was read stays when the rest is taken away, and numbers go on", async () => {
  const id = newId();
  const own = people[5] as string;
  await bulletins.take(id, 1, content());
  const first = await node();
  await first.work();
  await inbox.read(own, null, Date.now());
  await bulletins.take(id, 2, { ...content(), withdrawnAt: Date.now() });
  await first.work();
  expect(told(await all())).toEqual([own]);
  const next = newId();
  await bulletins.take(next, 1, content());
  await first.work();
  for (const user of [own, people[6] as string])
    expect((await inbox.after(user, 1, 10)).map(({ seq }) => seq)).toEqual([2]);
});

test("content that comes late, twice or in another order is what was said last", async () => {
  const id = newId();
  await bulletins.take(id, 3, content({ title: "third" }));
  await bulletins.take(id, 1, content({ title: "first" }));
  await bulletins.take(id, 3, content({ title: "third again" }));
  expect((await bulletins.byIds([id])).get(id)?.title).toBe("third");
  const gone = newId();
  await bulletins.take(gone, 2, { ...content(), withdrawnAt: Date.now() });
  await bulletins.take(gone, 1, content());
  expect((await bulletins.current(Date.now())).map(({ _id }) => _id)).toEqual([id]);
});

test("with another audience before all are looked up, those who are meant now are told, and nobody twice", async () => {
  const id = newId();
  let pages = 0;
  const changing = await node(async (step) => {
    if (step === "page" && ++pages === 3) await bulletins.take(id, 2, content());
  });
  await bulletins.take(id, 1, content({ audience: { colleges: ["even"] } }));
  await changing.work();
  await changing.work();
  expect(told(await all())).toEqual(people);
  expect(await reach(id)).toMatchObject({ people: 130, told: 130 });
});

test("before its start nobody is told, and the board has it from then on until its end", async () => {
  const id = newId();
  const startsAt = Date.now() + HOUR;
  await bulletins.take(id, 1, content({ startsAt, endsAt: startsAt + HOUR }));
  await (await node()).work();
  expect(await all()).toEqual([]);
  const at = async (now: number) => (await bulletins.current(now)).map(({ _id }) => _id);
  expect(await at(startsAt - 1)).toEqual([]);
  expect(await at(startsAt)).toEqual([id]);
  expect(await at(startsAt + HOUR)).toEqual([]);
});

test("however many read the board, the store is asked once in a while", async () => {
  let asked = 0;
  const counting: DocumentStore = {
    ...store,
    async collection(name, options) {
      const collection = await store.collection<never>(name, options);
      return Object.assign(Object.create(collection) as typeof collection, {
        find: (...args: Parameters<typeof collection.find>) => {
          asked++;
          return collection.find(...args);
        },
      });
    },
  };
  const board = await Bulletins.open(counting);
  await Promise.all(Array.from({ length: 1_000 }, () => board.current(Date.now())));
  expect(asked).toBe(1);
});

/**
 * The sign-up engine against the rules of docs/sign-up.md: random requests through several desks that all believe to own
 * the occurrence, over one store that loses answers, comes late, or goes down with a desk between any two writes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import type { Envelope } from "../../lib/declare.ts";
import { openDocuments } from "../../lib/documents.ts";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import { AppError, isAppError } from "../../lib/errors.ts";
import { Desk } from "../../services/activities/desk.ts";
import { openStore } from "../../services/activities/records.ts";
import type { RosterDocument, Store, Terms } from "../../services/activities/records.ts";
import { RosterBook } from "../../services/activities/roster-book.ts";
import { newTerms, unfenced } from "../support/roster.ts";

const ACTIVITY = "0190a000-0000-7000-8000-000000000001";
const CLUB = "0190a000-0000-7000-8000-000000000002";

let documents: DocumentStore;
let store: Store;
let folder: string;
let rosters = 0;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "club-alliance-rosters-"));
  documents = await openDocuments(path.join(folder, "activities.sqlite"));
  store = await openStore(documents);
});
afterAll(async () => {
  await documents.close();
  await rm(folder, { recursive: true, force: true });
});

/** What may go wrong with one call of the store. */
type Fate = "fine" | "late" | "lost before" | "lost after" | "dies before" | "dies after";
const WRITES = ["updateOne", "upsertMany", "insertOne", "insertMany"] as const;

/** A desk's own way to the store: once it is dead nothing of it arrives or answers any more. */
class Way {
  dead = false;
  readonly #fates: Iterator<Fate>;

  constructor(fates: Iterator<Fate>) {
    this.#fates = fates;
  }

  to<D extends { _id: string }>(collection: Collection<D>): Collection<D> {
    const write =
      (method: (typeof WRITES)[number]) =>
      async (...values: unknown[]): Promise<unknown> => {
        const fate = this.dead ? "dies before" : ((this.#fates.next().value as Fate | undefined) ?? "fine");
        if (fate === "late") await sleep(8);
        if (fate === "dies before") return this.#die();
        if (fate === "lost before") throw new AppError("UNAVAILABLE");
        const answer = await (collection[method] as (...all: unknown[]) => Promise<unknown>)(...values);
        if (fate === "dies after") return this.#die();
        if (fate === "lost after") throw new AppError("UNAVAILABLE");
        return answer;
      };
    const written = Object.fromEntries(WRITES.map((method) => [method, write(method)]));
    return new Proxy(collection, {
      get: (target, name: string) => {
        if (name in written) return written[name];
        const method = target[name as keyof Collection<D>] as (...all: unknown[]) => unknown;
        return async (...values: unknown[]) => {
          if (this.dead) return this.#die();
          return method.apply(target, values);
        };
      },
    });
  }

  #die(): Promise<never> {
    this.dead = true;
    return new Promise(() => undefined);
  }
}

interface World {
  occurrence: number;
  id: string;
  told: Map<string, Envelope>;
  terms: Terms;
  desk(fates?: Iterator<Fate>): { desk: Desk; way: Way };
}

function newWorld(capacity: number | null, waitlist: boolean, Book: typeof RosterBook = RosterBook): World {
  const occurrence = ++rosters;
  const told = new Map<string, Envelope>();
  const terms = newTerms({ capacity, waitlist });
  const world: World = {
    occurrence,
    id: `${ACTIVITY}:${occurrence}`,
    told,
    terms,
    desk(fates = [][Symbol.iterator]() as Iterator<Fate>) {
      const way = new Way(fates);
      const outbox = {
        async tell(messages: Envelope[]) {
          if (way.dead) return new Promise<void>(() => undefined);
          for (const message of messages) if (!told.has(message.id)) told.set(message.id, message);
        },
      };
      const book = new Book(
        {
          rosters: way.to(store.rosters),
          participations: way.to(store.participations),
          tellings: way.to(store.tellings),
        },
        outbox,
      );
      const desk = new Desk(world.id, {
        book,
        gate: async () => ({
          revision: world.terms.revision,
          terms: world.terms,
          clubId: CLUB,
          clubActive: true,
          members: null,
        }),
        now: () => Date.now(),
        warn: () => undefined,
      });
      return { desk, way };
    },
  };
  return world;
}

async function documentOf(world: World): Promise<RosterDocument | null> {
  return store.rosters.findOne({ _id: world.id });
}

/** What holds at any moment, whatever has happened. */
async function check(world: World, lowered: boolean): Promise<void> {
  const roster = await documentOf(world);
  const people = await store.participations.find({ roster: world.id });
  if (!roster) return expect(people).toEqual([]);
  const of = (status: string) => people.filter((person) => person.status === status);
  expect([of("confirmed").length, of("waitlisted").length]).toEqual([roster.confirmed, roster.waitlisted]);
  expect(new Set(people.map(({ user }) => user)).size).toBe(people.length);
  const { capacity } = roster.terms;
  if (capacity !== null && !lowered) expect(roster.confirmed).toBeLessThanOrEqual(capacity);
  // Nobody waits while there is room.
  if (roster.waitlisted > 0 && capacity !== null) expect(roster.confirmed).toBeGreaterThanOrEqual(capacity);
  // Numbers were given once.
  expect(new Set(people.map(({ seq }) => seq)).size).toBe(people.length);
}

/** Every decision that was told, in the order of the roster's versions. */
function history(world: World): { kind: string; users: string[]; version: number }[] {
  return [...world.told.values()]
    .filter(({ type }) => type !== "participations.recorded")
    .map(({ type, data, aggregate }) => ({
      kind: type.split(".")[1] as string,
      users: (data as { users: string[] }).users,
      version: aggregate.version,
    }))
    .toSorted((a, b) => a.version - b.version);
}

const fate = fc.oneof(
  { weight: 30, arbitrary: fc.constant<Fate>("fine") },
  { weight: 4, arbitrary: fc.constant<Fate>("late") },
  { weight: 2, arbitrary: fc.constantFrom<Fate>("lost before", "lost after") },
  { weight: 2, arbitrary: fc.constantFrom<Fate>("dies before", "dies after") },
);
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constantFrom("join" as const, "join" as const, "leave" as const, "look" as const),
      user: fc.integer({ min: 0, max: 9 }),
      desk: fc.integer({ min: 0, max: 2 }),
      wait: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ capacity: fc.integer({ min: 1, max: 6 }) }) },
);

test("whatever happens on the way, the roster is one that plain rules could have made, and no answer was untrue", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.array(fc.array(fate, { maxLength: 60 }), { minLength: 3, maxLength: 3 }),
      async (capacity, waitlist, steps, fates) => {
        const world = newWorld(capacity, waitlist);
        const desks = fates.map((own) => world.desk(own[Symbol.iterator]() as Iterator<Fate>));
        /** Answers that were given, by person, in the order in which they came. */
        const answers = new Map<string, string[]>();
        const asked: Promise<void>[] = [];
        let lowered = false;
        const ask = async (kind: "join" | "leave" | "look", user: string, at: number): Promise<void> => {
          const slot = desks[at] as (typeof desks)[number];
          if (slot.way.dead) desks[at] = world.desk();
          try {
            const { status } = await (desks[at] as (typeof desks)[number]).desk.ask({ kind, user });
            answers.set(user, [...(answers.get(user) ?? []), status]);
          } catch (error) {
            if (!isAppError(error)) throw error;
          }
        };
        for (const each of steps) {
          if ("capacity" in each) {
            if (each.capacity < (world.terms.capacity ?? 0)) lowered = true;
            world.terms = { ...world.terms, revision: world.terms.revision + 1, capacity: each.capacity };
            continue;
          }
          const one = ask(each.kind, `user-${each.user}`, each.desk);
          asked.push(one);
          if (each.wait) await Promise.race([one, sleep(5)]);
        }
        await Promise.all(asked);
        // Whoever comes next finds everything as it was decided.
        await world.desk().desk.settle();
        await check(world, lowered);
        // Who was told to be in is in the roster's history.
        const known = history(world);
        for (const [user, statuses] of answers)
          if (statuses.some((status) => status !== "cancelled"))
            expect(known.some(({ kind, users }) => kind !== "cancelled" && users.includes(user))).toBe(true);
        await checkRecords(world);
        // From the waitlist people come in the order in which they were let into it.
        const seqs = new Map((await store.participations.find({ roster: world.id })).map((p) => [p.user, p]));
        const waiting = [...seqs.values()].filter(({ status }) => status === "waitlisted");
        const promoted = known.filter(({ kind }) => kind === "promoted").flatMap(({ users }) => users);
        const last = promoted.at(-1);
        const lastSeq = last === undefined ? 0 : (seqs.get(last)?.seq ?? 0);
        if (last !== undefined && seqs.get(last)?.status === "confirmed")
          for (const { seq } of waiting) expect(seq).toBeGreaterThan(lastSeq);
        for (const { desk } of desks) void desk.stop();
      },
    ),
    { numRuns: 80 },
  );
}, 120_000);

/** What was recorded of each person, in whatever order, comes to what is in the participations. */
async function checkRecords(world: World): Promise<void> {
  type Recorded = { people: { key: string; op: number; admittedAt: number }[] };
  const latest = new Map<string, { op: number }>();
  for (const { type, data } of world.told.values()) {
    if (type !== "participations.recorded") continue;
    for (const person of (data as Recorded).people)
      if ((latest.get(person.key)?.op ?? 0) < person.op) latest.set(person.key, person);
  }
  const kept = await store.participations.find({ roster: world.id });
  const records = kept.map(({ _id, user, status, op, admittedAt, checkedInAt }) => {
    const key = _id.slice(world.id.length + 1);
    return [key, { key, user, status, op, admittedAt, checkedInAt }] as const;
  });
  expect(latest).toEqual(new Map(records));
}

test("two desks at once sell no place twice; without the fence they do", async () => {
  const sold = async (Book: typeof RosterBook): Promise<number> => {
    const world = newWorld(20, false, Book);
    const desks = [world.desk().desk, world.desk().desk];
    // Both have it in memory before the others come.
    await desks[0]?.ask({ kind: "join", user: "first" });
    await desks[1]?.settle();
    const people = Array.from({ length: 200 }, (_, i) => `person-${i}`);
    const won = await Promise.all(
      people.map(async (user, i) => {
        if (i % 20 === 0) await sleep(1);
        const desk = desks[i % 2] as Desk;
        return desk.ask({ kind: "join", user }).then(
          () => 1,
          () => 0,
        );
      }),
    );
    return won.reduce<number>((sum, each) => sum + each, 0);
  };
  expect(await sold(RosterBook)).toBe(19);
  expect(await sold(unfenced(store))).toBeGreaterThan(19);
});

test.each(["fine", "dies before", "dies after"] as const)(
  "people are told that it was cancelled, whichever request takes that up, when its write is %s",
  async (fate) => {
    for (let at = 0; at < 4; at++) {
      const world = newWorld(2, true);
      const before = world.desk().desk;
      for (const user of ["a", "b", "c"]) await before.ask({ kind: "join", user });
      await before.stop();
      world.terms = { ...world.terms, revision: 2, cancelled: true, reason: "Rain" };
      const fates = [...Array<Fate>(at).fill("fine"), fate][Symbol.iterator]() as Iterator<Fate>;
      const { desk } = world.desk(fates);
      // Not a settling, but somebody who comes at that moment.
      const refusal = desk.ask({ kind: "join", user: "d" }).then(
        () => "in",
        (error: AppError) => error.type,
      );
      expect(["SIGN_UP_CLOSED", "silent"]).toContain(
        await Promise.race([refusal, sleep(100).then(() => "silent")]),
      );
      const next = world.desk().desk;
      // It takes up what it says, and then tidies up.
      await next.settle();
      await next.settle();
      const tellings = await store.tellings.find({ roster: world.id });
      expect(tellings).toMatchObject([
        { type: "participations.calledOff", data: { reason: "Rain", dissolved: false } },
      ]);
      expect(await documentOf(world)).toMatchObject({ pending: false, notice: null });
    }
  },
  30_000,
);

test("a paused node that goes on with an old journal changes nothing any more", async () => {
  const world = newWorld(1, true);
  const { desk } = world.desk();
  await desk.ask({ kind: "join", user: "a" });
  const old = await documentOf(world);
  expect(old?.journal).toHaveLength(1);
  await desk.ask({ kind: "join", user: "b" });
  await desk.ask({ kind: "leave", user: "a" });
  const before = await store.participations.find({ roster: world.id });
  const book = new RosterBook(store, { tell: async () => undefined });
  await book.apply(old as RosterDocument);
  expect(await store.participations.find({ roster: world.id })).toEqual(before);
});

test.each(["dies before", "dies after"] as const)(
  "a desk that %s any of its writes leaves what the next one finishes",
  async (death) => {
    // Which writes there are: the roster, its first commit, participations; then those of the second batch.
    for (let at = 0; at < 8; at++) {
      const world = newWorld(2, true);
      const fates = [...Array<Fate>(at).fill("fine"), death][Symbol.iterator]() as Iterator<Fate>;
      const first = world.desk(fates);
      const answered = new Set<string>();
      const join = (user: string) =>
        first.desk.ask({ kind: "join", user }).then(
          () => void answered.add(user),
          () => undefined,
        );
      await Promise.race([Promise.all(["a", "b", "c"].map(join)), sleep(50)]);
      await Promise.race([
        first.desk.ask({ kind: "leave", user: "a" }).then(
          () => answered.delete("a"),
          () => undefined,
        ),
        sleep(50),
      ]);
      const second = world.desk().desk;
      await second.settle();
      await check(world, false);
      // Nothing is left to look after.
      expect((await documentOf(world)) ?? { journal: [], pending: false }).toMatchObject({
        journal: [],
        pending: false,
      });
      // Repeating the requests brings everybody where they would have been.
      for (const user of ["b", "c"]) await second.ask({ kind: "join", user });
      await second.ask({ kind: "leave", user: "a" }).catch(() => undefined);
      await check(world, false);
      const people = await store.participations.find({ roster: world.id });
      expect(
        people
          .filter(({ status }) => status === "confirmed")
          .map(({ user }) => user)
          .toSorted((a, b) => ((a ?? "") < (b ?? "") ? -1 : 1)),
      ).toEqual(["b", "c"]);
      for (const user of answered) expect(people.some((person) => person.user === user)).toBe(true);
    }
  },
  60_000,
);

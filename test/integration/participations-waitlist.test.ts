/** The waitlist: ranks, and who moves up when a place is given up. */
import fc from "fast-check";
import { eventually, startHall } from "../support/activities.ts";
import type { Club, Hall } from "../support/activities.ts";

let hall: Hall;
let club: Club;
beforeAll(async () => void (hall = await startHall()), 60_000);
afterAll(async () => hall?.stop());
beforeEach(() => void (club = hall.club()));

const full = async (capacity = 1) => (await hall.activity(club, { capacity, waitlist: true })).id;
const standing = (id: string, people: string[]) => Promise.all(people.map((person) => hall.mine(id, person)));
const promoted = (id: string) =>
  hall.told(id, "participations.promoted").flatMap((each) => each["users"] as string[]);

test("who finds no place waits, with the present rank", async () => {
  const id = await full();
  const [a, b, c, d] = hall.people(4) as [string, string, string, string];
  expect(await hall.join(id, a)).toBe("201 confirmed");
  expect(await hall.join(id, b)).toBe("201 waitlisted 1");
  expect(await hall.join(id, c)).toBe("201 waitlisted 2");
  expect(await hall.join(id, d)).toBe("201 waitlisted 3");
  expect(await hall.join(id, d)).toBe("200 waitlisted 3");
  await hall.leave(id, b);
  expect(await hall.join(id, d)).toBe("200 waitlisted 2");
  expect(await standing(id, [a, b, c, d])).toEqual([
    "confirmed",
    "cancelled",
    "waitlisted 1",
    "waitlisted 2",
  ]);
  expect(await hall.get(id)).toMatchObject({ confirmedCount: 1, waitlistCount: 2 });
});

test("a place that is given up is the first one's, within a second, who is told", async () => {
  const id = await full(2);
  const people = hall.people(5);
  for (const person of people) await hall.join(id, person);
  const [a, b, c, d] = people as [string, string, string, string];
  await hall.leave(id, a);
  await eventually(async () => (await hall.mine(id, c)) === "confirmed" || undefined, 1_000);
  await eventually(async () => promoted(id).includes(c) || undefined);
  expect(await standing(id, people)).toEqual([
    "cancelled",
    "confirmed",
    "confirmed",
    "waitlisted 1",
    "waitlisted 2",
  ]);
  await hall.leave(id, b);
  await eventually(async () => promoted(id).length === 2 || undefined);
  expect(promoted(id)).toEqual([c, d]);
});

test("leaving the waitlist moves the others up and confirms nobody", async () => {
  const id = await full();
  const people = hall.people(4);
  for (const person of people) await hall.join(id, person);
  expect(await hall.leave(id, people[1] as string)).toBe("204");
  expect(await standing(id, people)).toEqual(["confirmed", "cancelled", "waitlisted 1", "waitlisted 2"]);
  expect(promoted(id)).toEqual([]);
});

test("who comes back stands at the end", async () => {
  const id = await full();
  const [a, b, c] = hall.people(3) as [string, string, string];
  for (const person of [a, b, c]) await hall.join(id, person);
  await hall.leave(id, b);
  expect(await hall.join(id, b)).toBe("201 waitlisted 2");
  await hall.leave(id, a);
  expect(await hall.join(id, a)).toBe("201 waitlisted 2");
  expect(await standing(id, [a, b, c])).toEqual(["waitlisted 2", "waitlisted 1", "confirmed"]);
});

test("ten at once keep one place in the line", async () => {
  const id = await full();
  const [a, b, c] = hall.people(3) as [string, string, string];
  await hall.join(id, a);
  const answers = await Promise.all(Array.from({ length: 10 }, () => hall.join(id, b)));
  expect(answers.filter((each) => each === "201 waitlisted 1")).toHaveLength(1);
  expect(answers.filter((each) => each === "200 waitlisted 1")).toHaveLength(9);
  expect(await hall.join(id, c)).toBe("201 waitlisted 2");
});

test("each occurrence has a line of its own", async () => {
  const { id, names } = await hall.series(club, 2, { capacity: 1, waitlist: true });
  const [a, b] = hall.people(2) as [string, string];
  for (const name of names) for (const person of [a, b]) await hall.join(id, person, name);
  await hall.leave(id, a, names[0]);
  expect(await hall.mine(id, b, names[0])).toBe("confirmed");
  expect(await hall.mine(id, b, names[1])).toBe("waitlisted 1");
});

test("whoever comes and goes: as a queue would have it", async () => {
  const people = hall.people(6);
  const step = fc.record({ who: fc.nat(people.length - 1), comes: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 14 }),
      async (capacity, steps) => {
        const id = await full(capacity);
        const model = new Line(capacity);
        for (const { who, comes } of steps) {
          const person = people[who] as string;
          const answer = comes ? await hall.join(id, person) : await hall.leave(id, person);
          expect(answer).toBe(comes ? model.join(person) : model.leave(person));
        }
        expect(await standing(id, people)).toEqual(people.map((person) => model.mine(person)));
        const { confirmedCount, waitlistCount } = await hall.get(id);
        expect([confirmedCount, waitlistCount]).toEqual(model.counts);
      },
    ),
    { numRuns: 12 },
  );
}, 60_000);

test("whoever comes and goes at once: places are full, and nobody is in twice", async () => {
  const id = await full(3);
  const people = hall.people(12);
  for (let round = 0; round < 3; round++) {
    await Promise.all(people.map((person) => hall.join(id, person)));
    await Promise.all(people.filter((_, i) => i % 3 === round).map((person) => hall.leave(id, person)));
    const now = await standing(id, people);
    const count = (status: string) => now.filter((each) => each.startsWith(status)).length;
    expect(count("confirmed")).toBe(3);
    expect(count("cancelled")).toBe(4);
    const ranks = now.flatMap((each) => /^waitlisted (\d+)$/.exec(each)?.[1] ?? []).map(Number);
    expect(ranks.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    expect(await hall.get(id)).toMatchObject({ confirmedCount: 3, waitlistCount: 5 });
  }
});

/** What a queue with so many places would do. */
class Line {
  readonly #capacity: number;
  readonly #gone = new Set<string>();
  #line: string[] = [];
  #in: string[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get counts(): [number, number] {
    return [this.#in.length, this.#line.length];
  }

  join(person: string): string {
    const known = this.#in.includes(person) || this.#line.includes(person);
    if (!known) (this.#in.length < this.#capacity ? this.#in : this.#line).push(person);
    this.#gone.delete(person);
    return `${known ? 200 : 201} ${this.mine(person)}`;
  }

  leave(person: string): string {
    const was = this.mine(person);
    if (was === "404 NOT_FOUND") return was;
    this.#in = this.#in.filter((each) => each !== person);
    this.#line = this.#line.filter((each) => each !== person);
    this.#gone.add(person);
    if (this.#in.length < this.#capacity) this.#in.push(...this.#line.splice(0, 1));
    return "204";
  }

  mine(person: string): string {
    if (this.#in.includes(person)) return "confirmed";
    const rank = this.#line.indexOf(person);
    if (rank >= 0) return `waitlisted ${rank + 1}`;
    return this.#gone.has(person) ? "cancelled" : "404 NOT_FOUND";
  }
}

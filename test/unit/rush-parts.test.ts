/** What holds a rush in order: turns, lanes, slots, one reading for many, and owners by rank. */
import { once } from "node:events";
import fc from "fast-check";
import { Fresh } from "../../lib/fresh.ts";
import { Slots } from "../../lib/slots.ts";
import { ranked } from "../../middlewares/owners.ts";
import type { Exchange } from "../../services/gateway/exchange.ts";
import { Lane } from "../../services/gateway/lane.ts";
import { Turns } from "../../services/gateway/turns.ts";

describe("times to come again", () => {
  test("each has a time of their own, in turn, at the pace that is served", () => {
    const slots = new Slots(10, () => 5_000);
    const seconds = Array.from({ length: 100 }, () => slots.next());
    expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
    // Ten in each second, after the first that nobody comes in.
    expect(seconds.filter((each) => each === 2)).toHaveLength(10);
    expect(seconds.at(-1)).toBe(11);
  });

  test("nobody is sent away for more than a minute", () => {
    const slots = new Slots(1, () => 0);
    expect(Math.max(...Array.from({ length: 500 }, () => slots.next()))).toBe(60);
  });

  test("a fast second raises the pace, slow ones let it fade, never below the first", () => {
    let now = 0;
    const slots = new Slots(100, () => now);
    const second = (count: number): void => {
      now += 1_000;
      for (let i = 0; i < count; i++) slots.served();
    };
    second(1);
    second(500);
    second(1);
    expect(slots.rate).toBeCloseTo(500);
    second(1);
    expect(slots.rate).toBeCloseTo(450);
    for (let i = 0; i < 50; i++) second(1);
    expect(slots.rate).toBe(100);
  });
});

test("a lane takes only so many at once, and as many again as leave it", () => {
  const lane = new Lane();
  // Of an exchange the lane needs no more.
  const exchange = () => ({ lane: null, user: "somebody" }) as unknown as Exchange;
  const inside: Exchange[] = [];
  for (let next = exchange(); lane.enter(next); next = exchange()) inside.push(next);
  expect(inside).toHaveLength(300);
  const late = exchange();
  expect(lane.enter(late)).toBe(false);
  expect(late.lane).toBeNull();
  expect(lane.refusal()).toMatchObject({ type: "OVERLOADED", data: { retryAfter: 2 } });
  lane.leave(inside[0] as Exchange);
  expect([lane.enter(exchange()), lane.enter(exchange())]).toEqual([true, false]);
});

test("beyond a number in one turn of the loop requests wait for later ones, and those who are served go first", async () => {
  const turns = new Turns();
  expect(Array.from({ length: 64 }, () => turns.areTaken())).toEqual(Array(64).fill(false));
  const done: string[] = [];
  const all = new EventTarget();
  const finish = (what: string) => () => {
    done.push(what);
    if (done.length === 400) all.dispatchEvent(new Event("all"));
  };
  for (let i = 0; i < 200; i++) {
    expect(turns.areTaken()).toBe(true);
    turns.refuse(finish("refused"));
    turns.serve(finish("served"));
  }
  await once(all, "all");
  expect(done.slice(0, 64)).toEqual(Array(64).fill("served"));
  expect(done.filter((each) => each === "served")).toHaveLength(200);
  expect(turns.areTaken()).toBe(false);
});

test("many who ask at once are two readings, and each hears what was so after it had asked", async () => {
  let [value, readings] = [0, 0];
  const fresh = new Fresh<string, number>(async () => {
    readings += 1;
    const read = value;
    await new Promise((resolve) => setImmediate(resolve));
    return read;
  });
  const before = fresh.get("x");
  value = 1;
  const after = Array.from({ length: 50 }, () => fresh.get("x"));
  expect(await before).toBe(0);
  expect(await Promise.all(after)).toEqual(Array(50).fill(1));
  expect(readings).toBe(2);
  value = 2;
  expect(await fresh.get("x")).toBe(2);
});

test("a reading that fails does not stand in the way of the next", async () => {
  let fails = true;
  const fresh = new Fresh<string, string>(async () => {
    if (fails) throw new Error("away");
    return "here";
  });
  const first = fresh.get("x");
  const second = fresh.get("x");
  fails = false;
  await expect(first).rejects.toThrow("away");
  expect(await second).toBe("here");
});

test("everyone ranks nodes alike, and only what a node that leaves has owned gets another owner", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 8 }),
      fc.string(),
      fc.nat(),
      (names, key, at) => {
        const nodes = names.map((id) => ({ id }));
        const order = ranked(nodes, key);
        expect(ranked(nodes.toReversed(), key)).toEqual(order);
        const gone = nodes[at % nodes.length];
        expect(
          ranked(
            nodes.filter((each) => each !== gone),
            key,
          ),
        ).toEqual(order.filter((each) => each !== gone));
      },
    ),
  );
});

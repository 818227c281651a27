import { setTimeout as wait } from "node:timers/promises";
import * as fc from "fast-check";
import { RateLimiter, type SharedCounters } from "../../lib/rate-limit.ts";

const START = Date.UTC(2025, 8, 1, 12, 0, 0);
const settled = () => new Promise(setImmediate);

/** Shared counters in memory; `hold` keeps requests and answers until they are let through one by one. */
class Store implements SharedCounters {
  readonly totals = new Map<string, number>();
  readonly calls: [key: string, delta: number][][] = [];
  hold = false;
  fails = false;
  readonly #held: (() => void)[] = [];

  async add(entries: [string, number][], windowEnd: number): Promise<Map<string, number>> {
    this.calls.push(entries);
    await this.#pass();
    if (this.fails) throw new Error("store is away");
    const answer = entries.map(([key, delta]): [string, number] => {
      const total = (this.totals.get(`${windowEnd}:${key}`) ?? 0) + delta;
      this.totals.set(`${windowEnd}:${key}`, total);
      return [key, total];
    });
    await this.#pass();
    return new Map(answer);
  }

  /** Lets the oldest request arrive, or the oldest answer. */
  async release(): Promise<void> {
    this.#held.shift()?.();
    await settled();
  }

  async #pass(): Promise<void> {
    if (this.hold) await new Promise<void>((resolve) => this.#held.push(resolve));
  }
}

describe("alone", () => {
  test("is exact, with what is left and when it starts anew", () => {
    let now = START + 15_000;
    const limiter = new RateLimiter({ limit: 3, prefix: "test:", now: () => now });
    expect([1, 2, 3, 4].map(() => limiter.hit("a"))).toEqual([
      { allowed: true, limit: 3, remaining: 2, resetSeconds: 45 },
      { allowed: true, limit: 3, remaining: 1, resetSeconds: 45 },
      { allowed: true, limit: 3, remaining: 0, resetSeconds: 45 },
      { allowed: false, limit: 3, remaining: 0, resetSeconds: 45 },
    ]);
    expect(limiter.hit("b")).toMatchObject({ allowed: true, remaining: 2 });
    now = START + 59_999;
    expect(limiter.hit("a")).toMatchObject({ allowed: false, resetSeconds: 1 });
    now = START + 60_000;
    expect(limiter.hit("a")).toEqual({ allowed: true, limit: 3, remaining: 2, resetSeconds: 60 });
  });

  test("0 is off; a key may have a limit of its own; the limit may change", () => {
    const limiter = new RateLimiter({ limit: 0, prefix: "test:", now: () => START });
    for (let n = 0; n < 100; n += 1) expect(limiter.hit("a")).toMatchObject({ allowed: true, limit: 0 });
    limiter.limit = 1;
    expect([limiter.hit("a").allowed, limiter.hit("a").allowed]).toEqual([true, false]);
    expect(limiter.hit("a", 100)).toMatchObject({ allowed: true, limit: 100, remaining: 98 });
    limiter.limit = 3;
    expect(limiter.hit("a")).toMatchObject({ allowed: true, limit: 3, remaining: 0 });
  });

  test("under very many keys the oldest is forgotten, and learnt again from the shared count", async () => {
    const store = new Store();
    const alone = new RateLimiter({ limit: 1, prefix: "test:", now: () => START });
    const shared = new RateLimiter({ limit: 1, prefix: "test:", now: () => START, shared: store });
    for (const limiter of [alone, shared])
      expect(limiter.hit("a").allowed && !limiter.hit("a").allowed).toBe(true);
    await settled();
    for (let n = 0; n < 100_000; n += 1) alone.hit(String(n));
    expect(alone.hit("a").allowed).toBe(true);
    for (let n = 0; n < 100_000; n += 1) shared.hit(String(n));
    await settled();
    shared.hit("a");
    await settled();
    expect(shared.hit("a").allowed).toBe(false);
    expect(store.totals.get(`${START + 60_000}:test:a`)).toBe(2);
  });
});

describe("with a shared count", () => {
  test("what waits to be settled is bounded too", async () => {
    const store = new Store();
    const limiter = new RateLimiter({ limit: 100, prefix: "test:", shared: store, now: () => START });
    for (let n = 0; n < 100_100; n += 1) limiter.hit(String(n));
    for (let n = 0; n < 10; n += 1) limiter.hit("a");
    await settled();
    expect(store.calls.map((entries) => entries.length)).toEqual([100_000]);
  });

  test("settles a tenth of the limit at once, and less than that by the clock", async () => {
    const store = new Store();
    const limiter = new RateLimiter({ limit: 100, prefix: "test:", shared: store, now: () => START });
    for (let n = 0; n < 9; n += 1) limiter.hit("a");
    await settled();
    expect(store.calls).toEqual([]);
    limiter.hit("b");
    limiter.hit("a");
    await settled();
    expect(store.calls).toEqual([
      [
        ["test:a", 10],
        ["test:b", 1],
      ],
    ]);
    limiter.hit("a");
    limiter.start();
    try {
      for (let n = 0; n < 100 && store.calls.length < 2; n += 1) await wait(20);
    } finally {
      limiter.stop();
    }
    expect(store.calls[1]).toEqual([["test:a", 1]]);
  });

  test("what others used counts; what is refused is not sent", async () => {
    const store = new Store();
    const make = () => new RateLimiter({ limit: 20, prefix: "test:", shared: store, now: () => START });
    const [one, two] = [make(), make()];
    for (let n = 0; n < 18; n += 1) one.hit("a");
    await settled();
    two.hit("a");
    two.hit("a");
    await settled();
    expect(two.hit("a")).toMatchObject({ allowed: false, remaining: 0 });
    expect(one.hit("a")).toMatchObject({ allowed: true, remaining: 1 }); // not heard of yet
    const calls = store.calls.length;
    for (let n = 0; n < 50; n += 1) two.hit("a");
    await settled();
    expect(store.calls).toHaveLength(calls);
  });

  test("a window that ended while its counts were under way leaves nothing in the next", async () => {
    let now = START;
    const store = new Store();
    store.hold = true;
    const limiter = new RateLimiter({ limit: 10, prefix: "test:", shared: store, now: () => now });
    for (let n = 0; n < 10; n += 1) limiter.hit("a");
    now += 60_000;
    expect(limiter.hit("a")).toMatchObject({ allowed: true, remaining: 9 });
    for (let n = 0; n < 10; n += 1) await store.release();
    expect(limiter.hit("a")).toMatchObject({ allowed: true, remaining: 8 });
    expect(Object.fromEntries(store.totals)).toEqual({
      [`${START + 60_000}:test:a`]: 1,
      [`${START + 120_000}:test:a`]: 1,
    });
  });

  test("without the store each counts for itself, and goes on with it when it is back", async () => {
    const store = new Store();
    store.fails = true;
    const make = () => new RateLimiter({ limit: 10, prefix: "test:", shared: store, now: () => START });
    const [one, two] = [make(), make()];
    let allowed = 0;
    for (let n = 0; n < 7; n += 1) {
      if (one.hit("a").allowed) allowed += 1;
      await settled();
    }
    expect(allowed).toBe(7);
    expect(one.failures).toBe(7);
    store.fails = false;
    for (let n = 0; n < 2; n += 1) two.hit("a");
    await settled();
    expect(one.hit("a")).toMatchObject({ allowed: true, remaining: 2 });
    await settled();
    expect(one.hit("a").allowed).toBe(false); // 7 of its own, and 3 by the shared count
  });

  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ by: fc.nat(2), hits: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 3, arbitrary: fc.constant("release" as const) },
  );

  test("any order of requests and answers: at most the limit - 1 and what each had let pass unheard", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.array(step, { maxLength: 120 }),
        async (limit, steps) => {
          const store = new Store();
          store.hold = true;
          const sides = [0, 1, 2].map(() => watched(store, limit));
          for (const move of steps) {
            if (move === "release") await store.release();
            else for (let n = 0; n < move.hits; n += 1) sides[move.by]?.hit();
          }
          const total = sides.reduce((sum, side) => sum + side.allowed, 0);
          const unheard = sides.reduce((sum, side) => sum + side.mostUnheard, 0);
          expect(total).toBeLessThanOrEqual(limit - 1 + unheard);
          for (const side of sides) expect(side.allowed).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("where the store answers at once: at most the limit - 1 and a tenth of it for each", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.nat(1), { minLength: 50, maxLength: 150 }),
        async (limit, order) => {
          const store = new Store();
          const sides = [0, 1].map(() => watched(store, limit));
          for (const by of order) {
            sides[by]?.hit();
            await settled();
          }
          const total = sides.reduce((sum, side) => sum + side.allowed, 0);
          expect(total).toBeLessThanOrEqual(limit - 1 + 2 * Math.ceil(limit / 10));
          // and nobody is shut out early
          expect(total).toBeGreaterThanOrEqual(Math.min(limit, order.length));
        },
      ),
      { numRuns: 50 },
    );
  });

  test("one alone on a store is exact in any order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.array(step, { maxLength: 80 }),
        async (limit, steps) => {
          const store = new Store();
          store.hold = true;
          const side = watched(store, limit);
          let asked = 0;
          for (const move of steps) {
            if (move === "release") await store.release();
            else for (let n = 0; n < move.hits; n += 1, asked += 1) side.hit();
          }
          expect(side.allowed).toBe(Math.min(limit, asked));
        },
      ),
    );
  });
});

/** A limiter of one key on `store` that remembers what it let pass, and the most of it that no answer had told of. */
function watched(store: Store, limit: number) {
  let heard = 0;
  const side = { allowed: 0, mostUnheard: 0, hit };
  const limiter = new RateLimiter({
    limit,
    prefix: "test:",
    now: () => START,
    shared: {
      async add(entries, windowEnd) {
        const answer = await store.add(entries, windowEnd);
        for (const [, delta] of entries) heard += delta;
        return answer;
      },
    },
  });
  function hit() {
    if (!limiter.hit("a").allowed) return;
    side.allowed += 1;
    side.mostUnheard = Math.max(side.mostUnheard, side.allowed - heard);
  }
  return side;
}

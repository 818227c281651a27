/** What a canary is judged by. */
import { METRICS } from "../../lib/metrics-catalog.ts";
import { look, tableOf } from "../../scripts/canary/judge.ts";
import { signalsOf } from "../../scripts/canary/metrics.ts";
import type { Signal } from "../../scripts/canary/metrics.ts";
import { compare, differenceOf, normalQuantile } from "../../scripts/canary/statistics.ts";
import type { Stratum } from "../../scripts/canary/statistics.ts";

/** Marsaglia's xorshift (2003): the same numbers in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function drawn(random: () => number, total: number, share: number): { bad: number; total: number } {
  let bad = 0;
  for (let i = 0; i < total; i++) if (random() < share) bad++;
  return { bad, total };
}

const LIMITS = { noticed: 0.001, tolerated: 0.01 };
const CHANCES = { alpha: 0.01, beta: 0.05 };

describe("the interval of a difference", () => {
  test("quantiles are those of the tables", () => {
    expect(normalQuantile(0.025)).toBeCloseTo(1.959964, 5);
    expect(normalQuantile(0.5)).toBeCloseTo(0, 6);
    expect(normalQuantile(1e-5)).toBeCloseTo(4.264891, 4);
    expect(normalQuantile(0.975)).toBeCloseTo(-1.959964, 5);
  });

  test("is the one that Newcombe printed (56 of 70 and 48 of 80: 0.0524 to 0.3339)", () => {
    const stratum = { canary: { bad: 56, total: 70 }, stable: { bad: 48, total: 80 } };
    const { lower, upper } = differenceOf([stratum], 0.025) ?? { lower: 0, upper: 0 };
    expect(lower).toBeCloseTo(0.0524, 4);
    expect(upper).toBeCloseTo(0.3339, 4);
  });

  test("another mix of actions is no difference", () => {
    // Half of the uploads fail everywhere, no read does; the canary has mostly uploads.
    const strata: Stratum[] = [
      { canary: { bad: 450, total: 900 }, stable: { bad: 500, total: 1_000 } },
      { canary: { bad: 0, total: 100 }, stable: { bad: 0, total: 9_000 } },
    ];
    const found = differenceOf(strata, 0.01);
    expect(found?.canary).toBeCloseTo(found?.stable as number, 10);
    expect(compare(strata, LIMITS, CHANCES)).not.toBe("worse");
    // Taken together it looks bad.
    const together = { canary: { bad: 450, total: 1_000 }, stable: { bad: 500, total: 10_000 } };
    expect(compare([together], LIMITS, CHANCES)).toBe("worse");
  });

  test("without calls on both tracks there is none", () => {
    const alone = { canary: { bad: 5, total: 5 }, stable: { bad: 0, total: 0 } };
    expect(differenceOf([alone], 0.01)).toBeNull();
    expect(compare([alone], LIMITS, CHANCES)).toBe("unsure");
    expect(compare([], LIMITS, CHANCES)).toBe("unsure");
  });

  test("few good calls are no pass", () => {
    const few = { canary: { bad: 0, total: 40 }, stable: { bad: 0, total: 120 } };
    expect(compare([few], LIMITS, CHANCES)).toBe("unsure");
  });
});

describe("how often the judgement is wrong", () => {
  /** Judgements of canaries with these shares of failures, `calls` on the canary and three times as many beside it. */
  function judged(seed: number, canary: number, stable: number, calls: number, runs = 400) {
    const random = generator(seed);
    const found = { worse: 0, fine: 0, unsure: 0 };
    for (let run = 0; run < runs; run++) {
      const strata = [0.7, 0.3].map((part) => ({
        canary: drawn(random, Math.round(calls * part), canary),
        stable: drawn(random, Math.round(3 * calls * part), stable),
      }));
      found[compare(strata, LIMITS, CHANCES)]++;
    }
    return { worse: found.worse / runs, fine: found.fine / runs, unsure: found.unsure / runs };
  }

  test.each([0, 0.001, 0.01, 0.05])("as good as the stable nodes (%d fail)", (share) => {
    expect(judged(1, share, share, 1_500).worse).toBeLessThanOrEqual(0.015);
  });

  test("as good, and with enough calls it passes", () => {
    expect(judged(2, 0.0005, 0.0005, 3_000).fine).toBeGreaterThan(0.95);
  });

  test("five in a hundred fail: found with few calls, and never passed", () => {
    const found = judged(3, 0.05, 0.0005, 300);
    expect(found.worse).toBeGreaterThan(0.95);
    expect(found.fine).toBe(0);
  });

  test("as bad as is just not tolerated: hardly ever passed, with few calls or many", () => {
    for (const calls of [200, 1_000, 4_000])
      expect(judged(calls, 0.0105, 0.0005, calls).fine).toBeLessThanOrEqual(0.06);
  });

  test("as bad as is just not tolerated, and looked at forty times: passed no more often than docs/delivery.md says", () => {
    const [random, slow] = [generator(6), { noticed: 0.005, tolerated: 0.02 }];
    /** 80 looks with 15 more calls each; it may pass from the 40th on. */
    const passes = (share: number): boolean => {
      const all = { canary: { bad: 0, total: 0 }, stable: { bad: 0, total: 0 } };
      for (let i = 1; i <= 80; i++) {
        for (const [track, calls, of] of [["canary", 15, share] as const, ["stable", 45, 0.002] as const]) {
          all[track].total += calls;
          all[track].bad += drawn(random, calls, of).bad;
        }
        const verdict = compare([all], slow, { alpha: 0.01 / 400, beta: 0.05 });
        if (verdict === "worse") return false;
        if (verdict === "fine" && i >= 40) return true;
      }
      return false;
    };
    const passed = (share: number): number =>
      Array.from({ length: 600 }, () => passes(share)).filter(Boolean).length / 600;
    expect(passed(0.022)).toBeLessThanOrEqual(0.16);
    expect(passed(0.032)).toBeLessThanOrEqual(0.03);
  });

  test("as bad as is just noticed: hardly ever failed", () => {
    expect(judged(5, 0.0015, 0.0005, 4_000).worse).toBeLessThanOrEqual(0.015);
  });
});

describe("a look", () => {
  const [failed, ...others] = signalsOf("users");
  const good = { canary: { bad: 0, total: 2_000 }, stable: { bad: 0, total: 6_000 } };
  const looked = (stratum: Stratum) =>
    look(
      new Map([failed, ...others].map((each) => [each as Signal, [each === failed ? stratum : good]])),
      80,
    );

  test("passes what is good in every way", () => {
    const found = looked(good);
    expect(found).toMatchObject({ verdict: "pass", reasons: [] });
    expect(tableOf(found)).toMatch(/calls failed +0\.00 % of 2000 +0\.00 % of 6000 .*fine/);
  });

  test("fails what is bad in one", () => {
    const found = looked({ ...good, canary: { bad: 100, total: 2_000 } });
    expect(found).toMatchObject({
      verdict: "fail",
      reasons: ["calls failed: clearly more than on the stable nodes"],
    });
  });

  test("says where there is too little to tell", () => {
    const found = looked({ canary: { bad: 0, total: 3 }, stable: { bad: 0, total: 9 } });
    expect(found.verdict).toBe("inconclusive");
    expect(found.reasons).toEqual([
      "calls failed: too few calls to tell (3 on the canary, 9 on the stable nodes)",
    ]);
  });

  test.each(["users", "gateway"])("of %s reads metrics that nodes have", (domain) => {
    for (const { bad, total } of signalsOf(domain))
      for (const [, name] of `${bad} ${total}`.matchAll(/\b(club_alliance_\w+)\{/g))
        expect(Object.keys(METRICS)).toContain(name?.replace(/_(bucket|count)$/, ""));
  });

  test("of a gateway is about requests", () => {
    expect(signalsOf("gateway").every(({ total }) => total.includes("_http_"))).toBe(true);
  });
});

/** docs/capacity.md says what the model makes of the measurements. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { planFor, SIZES } from "../../bench/capacity/model.ts";
import type { Measured } from "../../bench/capacity/model.ts";
import { tables } from "../../bench/capacity/report.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");
const read = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");
const measured = JSON.parse(read("bench/capacity/measured.json")) as Measured;

/** Tables without the spaces by which they are aligned. */
const bare = (text: string): string =>
  text
    .replaceAll(/ *\| */g, "|")
    .replaceAll(/\|[-|: ]+\|\n/g, "")
    .trim();

test("the tables are those that are computed", () => {
  const [, written] = /<!-- computed -->\n([^]*)<!-- \/computed -->/.exec(read("docs/capacity.md")) ?? [];
  expect(bare(written ?? "")).toBe(bare(tables(measured)));
});

test("more students need more, and never less than three nodes of a domain", () => {
  const plans = SIZES.map((students) => planFor(students, measured));
  for (const [i, plan] of plans.entries()) {
    expect(plan.nodes.every(({ nodes }) => nodes >= 3)).toBe(true);
    const before = plans[i - 1];
    if (before) expect(plan.peak).toBeCloseTo(before.peak * 10);
  }
});

test("a request that costs more takes more cores of its domain", () => {
  const cores = (of: Measured): number =>
    planFor(500_000, of).nodes.find(({ domain }) => domain === "posts")?.cores ?? 0;
  const cpuMicroseconds = { ...measured.cpuMicroseconds, feed: measured.cpuMicroseconds.feed * 2 };
  expect(cores({ ...measured, cpuMicroseconds })).toBeGreaterThan(cores(measured));
});

/** The judgement of a canary: looks at the metrics again and again, until it is clearly bad or the time is over. */
import { setTimeout as sleep } from "node:timers/promises";
import { Prometheus, signalsOf, Since } from "./metrics.ts";
import type { Signal } from "./metrics.ts";
import { compare, differenceOf } from "./statistics.ts";
import type { Stratum } from "./statistics.ts";

/** Inconclusive: too few calls. Unjudged: nobody knows how the canary is, as where Prometheus is away. */
export type Verdict = "pass" | "fail" | "inconclusive" | "unjudged";

/** Exit codes of `judge`, for the pipeline, which goes on after too few calls to a quiet domain and after nothing else. */
export const CODES: Record<Verdict, number> = { pass: 0, fail: 1, inconclusive: 2, unjudged: 3 };

/** In how many of a hundred judgements a canary that is as good as the stable nodes may fail, all its looks together. */
const FALSE_ALARMS = 0.01;
/** In how many one that is worse than is tolerated may pass, in each thing that is compared. */
const MISSES = 0.05;
/** Without enough calls it waits as long again. */
const PATIENCE = 2;

export interface Plan {
  domain: string;
  prometheus: string;
  /** Seconds. */
  duration: number;
  /** Seconds between two looks. */
  every: number;
  /** Seconds after which Prometheus has stored whole what it scraped. */
  settled: number;
}

/** What one look found. */
export interface Look {
  rows: Row[];
  verdict: Verdict;
  reasons: string[];
}
export interface Row {
  title: string;
  verdict: ReturnType<typeof compare>;
  canary: number;
  stable: number;
  canaryCalls: number;
  stableCalls: number;
  lower: number;
  upper: number;
}

/**
 * What the strata say. Each thing that is compared, and each look, is a chance of a false alarm: they share the one that
 * is allowed (Bonferroni).
 * @param looks how many there are in all
 */
export function look(strata: ReadonlyMap<Signal, Stratum[]>, looks: number): Look {
  const alpha = FALSE_ALARMS / (strata.size * looks);
  const rows = [...strata].map(([signal, counts]): Row => {
    const verdict = compare(counts, signal.limits, { alpha, beta: MISSES });
    const at = differenceOf(counts, MISSES) ?? { canary: NaN, stable: NaN, lower: NaN, upper: NaN };
    const calls = (track: keyof Stratum): number => counts.reduce((sum, each) => sum + each[track].total, 0);
    return {
      title: signal.title,
      verdict,
      ...at,
      canaryCalls: calls("canary"),
      stableCalls: calls("stable"),
    };
  });
  const worse = rows.filter(({ verdict }) => verdict === "worse");
  const unsure = rows.filter(({ verdict }) => verdict === "unsure");
  if (worse.length > 0)
    return {
      rows,
      verdict: "fail",
      reasons: worse.map(({ title }) => `${title}: clearly more than on the stable nodes`),
    };
  if (unsure.length > 0)
    return { rows, verdict: "inconclusive", reasons: unsure.map((row) => `${row.title}: ${tooFew(row)}`) };
  return { rows, verdict: "pass", reasons: [] };
}

function tooFew({ canaryCalls, stableCalls }: Row): string {
  return `too few calls to tell (${canaryCalls} on the canary, ${stableCalls} on the stable nodes)`;
}

/** Judges until there is a verdict; `tell` gets a line now and then. */
export async function judge(plan: Plan, tell: (line: string) => void): Promise<Look> {
  const prometheus = new Prometheus(plan.prometheus, plan.settled);
  const start = Date.now();
  const since = await Since.now(prometheus, signalsOf(plan.domain));
  const looks = Math.ceil((plan.duration * PATIENCE) / plan.every);
  let last: Look = { rows: [], verdict: "unjudged", reasons: [] };
  for (let i = 1; i <= looks; i++) {
    await sleep(plan.every * 1_000);
    const seconds = Math.ceil((Date.now() - start) / 1_000);
    // A Prometheus that is away for a moment is no fault of the canary.
    last = await lookOnce(prometheus, since, { domain: plan.domain, seconds, looks }).catch(
      (error: unknown): Look => ({ rows: [], verdict: "unjudged", reasons: [String(error)] }),
    );
    tell(`${seconds} s: ${last.verdict}${last.reasons.map((reason) => `; ${reason}`).join("")}`);
    if (last.verdict === "fail") return last;
    if (i * plan.every < plan.duration) continue;
    if (last.verdict === "pass") return last;
  }
  return last;
}

async function lookOnce(
  prometheus: Prometheus,
  since: Since,
  { domain, seconds, looks }: { domain: string; seconds: number; looks: number },
): Promise<Look> {
  const { known, faults } = await prometheus.nodes(domain, seconds);
  const found = look(await since.strata(), looks);
  if (faults.length > 0) return { ...found, verdict: "fail", reasons: faults };
  const absent = (["canary", "stable"] as const).filter((track) => !known[track]);
  if (absent.length === 0 || found.verdict === "fail") return found;
  const reasons = absent.map((track) => `Prometheus knows no ${track} nodes of ${domain}`);
  return { ...found, verdict: "unjudged", reasons };
}

/** The table of a look. */
export function tableOf({ rows }: Look): string {
  const percent = (share: number): string => (Number.isNaN(share) ? "-" : `${(share * 100).toFixed(2)} %`);
  const lines = rows.map((row) => [
    row.title,
    `${percent(row.canary)} of ${row.canaryCalls}`,
    `${percent(row.stable)} of ${row.stableCalls}`,
    Number.isNaN(row.lower) ? "-" : `${percent(row.lower)} … ${percent(row.upper)}`,
    row.verdict,
  ]);
  const all = [["", "canary", "stable", "difference", ""], ...lines];
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...all.map((line) => (line[i] as string).length)));
  return all
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

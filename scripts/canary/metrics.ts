/** What Prometheus knows of the canary of a domain and of its stable nodes: counts of calls, and how the nodes are. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Limits, Stratum } from "./statistics.ts";

export const GATEWAYS = ["gateway", "admin-gateway"];
const TRACKS = ["canary", "stable"] as const;
const LIMIT = 10_000;

/** A share of calls that is compared. `bad` and `total` are counters, `by` the label whose values are strata. */
export interface Signal {
  title: string;
  by: string;
  bad: string;
  total: string;
  /** Of histograms: `bad` counts those that were fast enough. */
  inverse?: true;
  limits: Limits;
}

/** Shares of failures: a thousandth more is noticed, as much as the SLO allows in all; a hundredth is not tolerated. */
const FAILING: Limits = { noticed: 0.001, tolerated: 0.01 };
/** Errors that nobody expected are a fault of the code: what the stable nodes do not have is not to be had. */
const BROKEN: Limits = { noticed: 0, tolerated: 0.01 };
/** Refusals are people's mistakes most of the time, but who refuses everybody has no failure. */
const REFUSING: Limits = { noticed: 0.03, tolerated: 0.1 };
/** Slower than what the SLO promises. */
const SLOW: Limits = { noticed: 0.005, tolerated: 0.02 };
/** Slower than is felt. A process that has just started is for a while. */
const SLUGGISH: Limits = { noticed: 0.1, tolerated: 0.25 };

/** The label of the bucket up to so many seconds. Prometheus 3 writes a whole number as 1.0, and Prometheus 2 as it came. */
const upTo = (seconds: number): string =>
  Number.isInteger(seconds) ? `le=~"${seconds}([.]0)?"` : `le="${seconds}"`;

/** What is compared for a domain; `domain` is checked by the caller, it stands in the queries. */
export function signalsOf(domain: string): Signal[] {
  const of = (name: string, labels: string): string =>
    `${name}{job="club-alliance",domain="${domain}",track=~"canary|stable"${labels && `,${labels}`}}`;
  const unexpected = "club_alliance_unexpected_errors_total";
  if (GATEWAYS.includes(domain)) {
    const requests = "club_alliance_http_requests_total";
    const seconds = "club_alliance_http_request_duration_seconds";
    const within = (high: number, normal: number): string =>
      `${of(`${seconds}_bucket`, `priority="high",${upTo(high)}`)} or ${of(`${seconds}_bucket`, `priority="normal",${upTo(normal)}`)}`;
    const slow = (title: string, bad: string, limits: Limits): Signal => {
      const total = of(`${seconds}_count`, 'priority=~"high|normal"');
      return { title, by: "route", bad, total, inverse: true, limits };
    };
    const answers = (status: string, limits: Limits): Signal => ({
      title: `answers ${status}`,
      by: "route",
      bad: of(requests, `status="${status}"`),
      total: of(requests, ""),
      limits,
    });
    return [
      answers("5xx", FAILING),
      // Errors are counted by other names than routes: together, by a label that is the same for all.
      {
        title: "unexpected errors",
        by: "job",
        bad: of(unexpected, ""),
        total: of(requests, ""),
        limits: BROKEN,
      },
      answers("4xx", REFUSING),
      slow("slower than promised", within(0.5, 1), SLOW),
      slow("slower than 0.25 s", within(0.25, 0.25), SLUGGISH),
    ];
  }
  const calls = "club_alliance_action_calls_total";
  const seconds = "club_alliance_action_duration_seconds";
  const slow = (title: string, within: number, limits: Limits): Signal => ({
    title,
    by: "action",
    bad: of(`${seconds}_bucket`, upTo(within)),
    total: of(`${seconds}_count`, ""),
    inverse: true,
    limits,
  });
  return [
    {
      title: "calls failed",
      by: "action",
      bad: of(calls, 'result="failed"'),
      total: of(calls, ""),
      limits: FAILING,
    },
    {
      title: "unexpected errors",
      by: "action",
      bad: of(unexpected, ""),
      total: of(calls, ""),
      limits: BROKEN,
    },
    {
      title: "calls refused",
      by: "action",
      bad: of(calls, 'result="refused"'),
      total: of(calls, ""),
      limits: REFUSING,
    },
    slow("calls slower than 0.5 s", 0.5, SLOW),
    slow("calls slower than 0.1 s", 0.1, SLUGGISH),
  ];
}

/**
 * Of which targets a gauge was 0 more often than 1 within a minute. A single look, as at one that has just begun, says
 * nothing, nor does one that is no target any more: an earlier canary.
 */
function mostlyNot(gauge: string, labels: string): string {
  const series = `${gauge}{${labels}}[60s]`;
  return `avg_over_time(${series}) < 0.5 and count_over_time(${series}) >= 3 and up{${labels}}`;
}

/** How the canary's nodes are. */
export interface Nodes {
  /** Whether Prometheus knows any, and any of the stable ones. */
  known: Record<(typeof TRACKS)[number], boolean>;
  /** Sentences about what alone is reason enough to take the canary back. */
  faults: string[];
}

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

export class Prometheus {
  readonly #url: URL;
  /** Seconds after which it has stored whole what it scraped. */
  readonly settled: number;

  constructor(url: string, settled: number) {
    this.#url = new URL(`${url.replace(/\/+$/, "")}/api/v1/query`);
    this.settled = settled;
  }

  /** Samples of an instant query, now or at a moment. Throws a sentence when Prometheus does not answer it. */
  async query(query: string, moment?: number): Promise<Sample[]> {
    const response = await fetch(this.#url, {
      method: "POST",
      body: new URLSearchParams({ query, ...(moment !== undefined && { time: String(moment) }) }),
      signal: AbortSignal.timeout(LIMIT),
    });
    const body = (await response.json()) as { status: string; error?: string; data?: { result: Sample[] } };
    if (body.status !== "success" || !body.data)
      throw new Error(`Prometheus refuses a query: ${body.error ?? response.status} (${query})`);
    return body.data.result;
  }

  /** Seconds that its clock shows: its own, for its samples have the times of that one. */
  async now(): Promise<number> {
    const [sample] = await this.query("vector(time())");
    if (!sample) throw new Error("Prometheus does not tell the time.");
    return Number(sample.value[1]);
  }

  /** What counters stood at, by node, track and stratum. */
  async counts(counter: string, by: string, moment: number): Promise<Map<string, number>> {
    const samples = await this.query(`sum by (instance, track, ${by}) (${counter})`, moment);
    return new Map(
      samples.map(({ metric, value }) => [
        JSON.stringify([metric["instance"] ?? "", metric["track"] ?? "", metric[by] ?? ""]),
        Number(value[1]),
      ]),
    );
  }

  /** Whether the canary's nodes have stayed up, and ready, for the last `seconds`. */
  async nodes(domain: string, seconds: number): Promise<Nodes> {
    const labels = `job="club-alliance",domain="${domain}",track="canary"`;
    const [up, restarts, ready, silent] = await Promise.all([
      this.query(`count by (track) (up{job="club-alliance",domain="${domain}",track=~"canary|stable"})`),
      this.query(`sum(changes(process_start_time_seconds{${labels}}[${seconds}s])) > 0`),
      // Once it was ready it stays so: what is missing for a moment is a probe that failed.
      this.query(mostlyNot("club_alliance_ready", labels)),
      this.query(mostlyNot("up", labels)),
    ]);
    const known = (track: string): boolean => up.some(({ metric }) => metric["track"] === track);
    const names = (samples: Sample[]): string => samples.map(({ metric }) => metric["instance"]).join(", ");
    return {
      known: { canary: known("canary"), stable: known("stable") },
      faults: [
        ...restarts.map(({ value }) => `the canary's process has started again ${value[1]} times`),
        ...(ready.length > 0 ? [`the canary is not ready (${names(ready)})`] : []),
        ...(silent.length > 0 ? [`the canary does not answer Prometheus (${names(silent)})`] : []),
      ],
    };
  }
}

/**
 * What has happened since a moment. Not PromQL's `increase`: it does not see what a counter had at its first look, and
 * a count of failures often has all of them then; a counter that was not there stood at 0.
 *
 * All counters of a look are read at one moment, and at one that is settled: between two queries of the present a scrape
 * may be stored, and its calls would be in one of the counters and not in the other.
 */
export class Since {
  readonly #prometheus: Prometheus;
  readonly #signals: readonly Signal[];
  readonly #start: number;
  readonly #before = new Map<string, Map<string, number>>();

  private constructor(prometheus: Prometheus, signals: readonly Signal[], start: number) {
    this.#prometheus = prometheus;
    this.#signals = signals;
    this.#start = start;
  }

  /** Waits until this moment is settled. */
  static async now(prometheus: Prometheus, signals: readonly Signal[]): Promise<Since> {
    const since = new Since(prometheus, signals, await prometheus.now());
    await sleep(prometheus.settled * 1_000);
    for (const { bad, total, by } of signals)
      for (const counter of [bad, total])
        if (!since.#before.has(counter))
          since.#before.set(counter, await prometheus.counts(counter, by, since.#start));
    return since;
  }

  /** Strata of each signal, at the latest moment that is settled. */
  async strata(): Promise<Map<Signal, Stratum[]>> {
    const settled = (await this.#prometheus.now()) - this.#prometheus.settled;
    // Not before the start, where every counter would seem to have begun anew.
    const moment = Math.max(settled, this.#start);
    const all = new Map<Signal, Stratum[]>();
    for (const signal of this.#signals) all.set(signal, await this.#of(signal, moment));
    return all;
  }

  async #of({ bad, total, by, inverse }: Signal, moment: number): Promise<Stratum[]> {
    const [some, every] = [await this.#grown(bad, by, moment), await this.#grown(total, by, moment)];
    const strata = new Map<string, Stratum>();
    for (const [key, count] of every) {
      const [, track, name] = JSON.parse(key) as [string, "canary" | "stable", string];
      const empty = { canary: { bad: 0, total: 0 }, stable: { bad: 0, total: 0 } };
      const stratum = strata.get(name) ?? empty;
      strata.set(name, stratum);
      stratum[track].total += count;
      const found = some.get(key) ?? 0;
      stratum[track].bad += Math.max(0, inverse ? count - found : Math.min(found, count));
    }
    return [...strata.values()];
  }

  async #grown(counter: string, by: string, moment: number): Promise<Map<string, number>> {
    const before = this.#before.get(counter);
    const grown = new Map<string, number>();
    for (const [key, value] of await this.#prometheus.counts(counter, by, moment)) {
      const stood = before?.get(key) ?? 0;
      // Less than before: another process has taken the place, and has counted from 0.
      grown.set(key, value >= stood ? value - stood : value);
    }
    return grown;
  }
}

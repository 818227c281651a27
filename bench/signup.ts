/** A rush on one activity: how many are decided a second, against the usual way and through REST. */
import { parseArgs } from "node:util";
import type { Bench } from "./run.ts";
import { contests } from "./signup/engine.ts";
import type { Contest } from "./signup/engine.ts";
import { restScenes } from "./signup/rest.ts";
import type { Scene } from "./signup/rest.ts";
import { machine, paceOf, quantile, restTable, table } from "./signup/report.ts";
import { place } from "./support/placement.ts";
import { Processes } from "./support/processes.ts";

const TIMES = 3;
const PACE = 2_000;
const P99 = 500;
const ALL_DECIDED = 15;

const CONTEXT = `For comparison, as their makers publish them and not measured here: pretix sells 300 to 400 tickets a minute
on one event (its documentation on scaling); alf.io answered 204 requests a second (its own load test).`;

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

function optionsOf(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      people: { type: "string", default: "20000" },
      connections: { type: "string", default: "2000" },
      capacity: { type: "string", default: "500" },
      profile: { type: "string" },
    },
  });
  const number = (name: "people" | "connections" | "capacity", max: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw new Error(`--${name} is "${values[name]}" but takes a whole number from 1 to ${max}.`);
  };
  return {
    people: number("people", 1_000_000),
    connections: number("connections", 60_000),
    capacity: number("capacity", 1_000_000),
    profile: values.profile,
  };
}

async function run(args: string[]): Promise<void> {
  const options = optionsOf(args);
  const { prefix, text } = place();
  const processes = new Processes(prefix);
  const onSignal = (): void => process.exit(130);
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    const scenes = await restScenes(processes, options, tell);
    console.log(
      [
        "## A rush on one activity",
        `${machine()}; ${text}`,
        `### Through REST\n\n${options.people} people at once over ${options.connections} connections, ${options.capacity} places; everyone follows Retry-After.`,
        restTable(scenes),
        goals(scenes),
        CONTEXT,
      ].join("\n\n"),
    );
    await processes.stop();
    const stores = await contests(tell);
    console.log(
      [
        `\n### At the store alone\n\nDecisions a second on one activity: our batches, and the usual way of one conditional update and one insert for each request; median (lowest–highest) of interleaved rounds.`,
        storeTable(stores),
      ].join("\n\n"),
    );
  } finally {
    await processes.stop();
  }
}

function storeTable(all: Contest[]): string {
  const shown = ({ median, min, max }: Contest["ours"], digits = 0): string =>
    `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
  return table(
    ["store", "people", "ours", "usual", "ours / usual", `goal ≥ ${TIMES}`],
    all.map(({ store, people, ours, usual, ratio }) => [
      store,
      people,
      shown(ours),
      shown(usual),
      shown(ratio, 1),
      ratio.median >= TIMES ? "pass" : "**fail**",
    ]),
  );
}

function goals(scenes: Scene[]): string {
  const rows = scenes.flatMap((scene) => {
    const { name, outcome } = scene;
    const other = [...outcome.statuses].filter(([status]) => status >= 500 && status !== 503);
    const row = (what: string, value: number, goal: string, met: boolean) => [
      `${what}, ${name}`,
      value.toFixed(1),
      goal,
      met ? "pass" : "**fail**",
    ];
    const p99 = quantile(outcome.decided, 0.99);
    const wrong = other.reduce((sum, [, count]) => sum + count, 0);
    return [
      row("decisions a second", paceOf(scene), `≥ ${PACE}`, paceOf(scene) >= PACE),
      row("p99 of what was decided (ms)", p99, `≤ ${P99}`, p99 <= P99),
      row(
        "seconds until everyone is decided",
        outcome.seconds,
        `≤ ${ALL_DECIDED}`,
        outcome.seconds <= ALL_DECIDED,
      ),
      row("5xx other than 503", wrong, "0", wrong === 0),
    ];
  });
  return table(["what", "measured", "goal", ""], rows);
}

export default {
  title: "a rush on one activity, against the usual way and through REST",
  run,
} satisfies Bench;

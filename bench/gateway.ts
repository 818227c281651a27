/** The way of a request through the gateway, against what it is built on and against others. */
import { parseArgs } from "node:util";
import { DOMAINS } from "../moleculer.config.ts";
import { inOneProcess, overNats, traceSink } from "./gateway/contenders.ts";
import { json, markdown } from "./support/report.ts";
import type { Goal, Report } from "./support/report.ts";
import { withRealDomains } from "./gateway/real.ts";
import { idleFederation, idleNode, timeToReady } from "./gateway/start.ts";
import type { Bench } from "./run.ts";
import { place } from "./support/placement.ts";
import { Processes } from "./support/processes.ts";
import { measure, ratio, spread } from "./support/rounds.ts";
import type { Result } from "./support/rounds.ts";

interface Options {
  rounds: number;
  seconds: number;
}

const NO_GOAL = Infinity;
const STARTS = 5;

function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: "string", default: "7" }, seconds: { type: "string", default: "4" } },
  });
  const number = (name: keyof Options, max: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw new Error(`--${name} is "${values[name]}" but takes a whole number from 1 to ${max}.`);
  };
  return { rounds: number("rounds", 100), seconds: number("seconds", 60) };
}

async function run(args: string[]): Promise<void> {
  const options = optionsOf(args);
  const { prefix, text } = place();
  const processes = new Processes(prefix);
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  // What was started ends with this process, whatever ends it.
  const onSignal = (): void => process.exit(130);
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const traces = await traceSink();
  const report: Report = {
    title: "The gateway",
    how: `${options.rounds} rounds of ${options.seconds} s in turn, 64 connections; ${text}`,
    tables: [],
    goals: [],
    left: [],
  };
  try {
    await bus(report, processes, traces.url, options, tell);
    await alone(report, processes, traces.url, options, tell);
    await starts(report, processes, tell).catch((error: Error) => report.left.push(error.message));
  } finally {
    await processes.stop();
    traces.server.close();
    traces.server.closeAllConnections();
  }
  console.log(`${markdown(report)}\n\n${json(report)}`);
}

async function bus(
  report: Report,
  processes: Processes,
  traces: string,
  options: Options,
  tell: (line: string) => void,
): Promise<void> {
  tell("Over NATS");
  const contenders = [...(await overNats(processes, traces)), await withRealDomains(processes, traces)];
  const results = await measure(contenders, options, tell);
  await processes.stop();
  const [ours, bare, stock, nest] = results as [Result, Result, Result, Result];
  report.tables.push({ title: "GET /clubs/:id, gateway → NATS → service", results });
  report.goals.push(
    { name: "ours with everything on / moleculer-web bare", value: ratio(ours, bare), goal: 1.5 },
    {
      name: "ours with everything on / moleculer-web with Moleculer's own",
      value: ratio(ours, stock),
      goal: 1 / 3,
    },
    { name: "ours with everything on / NestJS bare", value: ratio(ours, nest), goal: NO_GOAL, reach: 1.2 },
  );
}

async function alone(
  report: Report,
  processes: Processes,
  traces: string,
  options: Options,
  tell: (line: string) => void,
): Promise<void> {
  tell("In one process");
  const results = await measure(await inOneProcess(processes, traces), options, tell);
  await processes.stop();
  const named = (name: string): Result => results.find((each) => each.name === name) as Result;
  report.tables.push({ title: "In one process, without NATS", results });
  report.goals.push(
    {
      name: "POST with validation, ours with everything on / Fastify",
      value: ratio(named("POST, Club Alliance, everything on"), named("POST, Fastify")),
      goal: 1.5,
    },
    {
      name: "300 routes / 1 route",
      value: ratio(named("GET, Club Alliance with 300 routes"), named("GET, Club Alliance with 1 route")),
      goal: 1.1,
    },
  );
}

async function starts(report: Report, processes: Processes, tell: (line: string) => void): Promise<void> {
  tell("Start and memory");
  const times: number[] = [];
  for (let n = 0; n < STARTS; n += 1) times.push(await timeToReady());
  report.goals.push({
    name: "`npm start` until ready",
    value: spread(times),
    goal: 5_000,
    reach: 2_000,
    unit: "ms",
  });
  const federation = await idleFederation(processes);
  await processes.stop();
  report.goals.push(memory("resident memory of the whole federation in one process, idle", federation, 250));
  for (const domain of DOMAINS) {
    const node = await idleNode(processes, domain);
    await processes.stop();
    report.goals.push(memory(`resident memory of a node of ${domain}, idle`, node, 150));
  }
}

function memory(name: string, value: number, goal: number): Goal {
  return { name, value: spread([value]), goal, unit: "MB" };
}

export default {
  title: "the way of a request through the gateway, its start and its memory",
  needsPeers: true,
  run,
} satisfies Bench;

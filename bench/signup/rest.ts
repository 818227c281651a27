/** The rush through REST: what people who all come at once are answered, how soon, and what it does to others. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Processes } from "../support/processes.ts";
import { cpuOf, memoryOf } from "../support/processes.ts";
import { readBeside } from "./beside.ts";
import type { Beside } from "./beside.ts";
import { rush } from "./crowd.ts";
import type { Outcome } from "./crowd.ts";
import { people, startStage } from "./stage.ts";

/** Compiles what the rush runs through, as a server that has been up for a day has. */
const WARM_UP_PEOPLE = 2_000;
const QUIET = 3_000;
/** After the rush, until memory is looked at again (milliseconds). */
const SETTLES = 10_000;
const SAMPLE = 50;

export interface RestOptions {
  people: number;
  connections: number;
  capacity: number;
  profile?: string | undefined;
}

export interface Scene {
  name: string;
  outcome: Outcome;
  quiet: Beside;
  beside: Beside;
  /** Seconds of the CPU that the process took meanwhile. */
  cpu: number;
  /** Megabytes: before, the highest during the rush, and some time after it. */
  memory: { before: number; peak: number; after: number };
}

/** Each with a process of its own, so that no token is known from the scene before. */
export async function restScenes(
  processes: Processes,
  { people: count, connections, capacity, profile }: RestOptions,
  tell: (line: string) => void,
): Promise<Scene[]> {
  tell(`signing ${count} tokens`);
  const tokens = people(count);
  const others = people(WARM_UP_PEOPLE);
  const scenes: Scene[] = [];
  for (const waitlist of [true, false]) {
    const name = waitlist ? "with a waitlist" : "without";
    tell(`through REST, ${name}`);
    const stage = await startStage(processes, profile);
    const { port, pid } = stage;
    await rush({ port, path: await stage.activity(capacity, waitlist), tokens: others, connections });
    const path = await stage.activity(capacity, waitlist);
    const endQuiet = await readBeside(port);
    await sleep(QUIET);
    const quiet = await endQuiet();
    const memory = watchMemory(pid);
    const endBeside = await readBeside(port);
    const cpuBefore = cpuOf(pid);
    const outcome = await rush({ port, path, tokens, connections });
    const cpu = (cpuOf(pid) - cpuBefore) / 1e6;
    const beside = await endBeside();
    await sleep(SETTLES);
    scenes.push({ name, outcome, quiet, beside, cpu, memory: memory() });
    stage.close();
    await processes.stop();
  }
  return scenes;
}

function watchMemory(pid: number): () => Scene["memory"] {
  const before = memoryOf(pid);
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, memoryOf(pid))), SAMPLE);
  return () => {
    clearInterval(timer);
    return { before, peak, after: memoryOf(pid) };
  };
}

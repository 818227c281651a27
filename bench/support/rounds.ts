/** Contenders measured in turn, round after round, so that what else the machine does meets all of them alike. */
import { load } from "./load.ts";
import type { Shot } from "./load.ts";
import { cpuOf } from "./processes.ts";

export interface Contender {
  name: string;
  shot: Shot;
  /** The processes whose CPU time counts, by what they are. */
  pids: Record<string, number>;
}

/** CPU microseconds per request in each round: all processes together, and each. */
export interface Result {
  name: string;
  rounds: number[];
  shares: Record<string, number[]>;
}

export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Until the compiler has settled: what a contender takes falls by a third within ten seconds of load. */
const WARM_UP_SECONDS = 15;
/** Before it counts, after each pause: meanwhile the engine has given up memory, and sometimes code. */
const RUN_IN_SECONDS = 3;

/** Measures all contenders `rounds` times for `seconds`, once they are warm. */
export async function measure(
  contenders: Contender[],
  { rounds, seconds }: { rounds: number; seconds: number },
  tell: (text: string) => void,
): Promise<Result[]> {
  const results = contenders.map(({ name, pids }): Result => {
    const shares = Object.fromEntries(Object.keys(pids).map((part) => [part, [] as number[]]));
    return { name, rounds: [], shares };
  });
  for (const { name, shot } of contenders) {
    tell(`warming up: ${name}`);
    await load(shot, WARM_UP_SECONDS);
  }
  for (let round = 1; round <= rounds; round += 1) {
    tell(`round ${round} of ${rounds}`);
    for (const [index, contender] of contenders.entries())
      add(results[index] as Result, await once(contender, seconds));
  }
  return results;
}

async function once({ shot, pids }: Contender, seconds: number): Promise<Record<string, number>> {
  await load(shot, RUN_IN_SECONDS);
  const before = Object.values(pids).map(cpuOf);
  const requests = await load(shot, seconds);
  return Object.fromEntries(
    Object.entries(pids).map(([part, pid], index) => [
      part,
      (cpuOf(pid) - (before[index] as number)) / requests,
    ]),
  );
}

function add(result: Result, shares: Record<string, number>): void {
  for (const [part, share] of Object.entries(shares)) result.shares[part]?.push(share);
  result.rounds.push(Object.values(shares).reduce((sum, each) => sum + each, 0));
}

export function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] as number;
  const half = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(half)) + at(Math.ceil(half))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  };
}

/** How many times as much one takes as the other, round by round. */
export function ratio(one: Result, other: Result): Spread {
  return spread(one.rounds.map((value, round) => value / (other.rounds[round] as number)));
}

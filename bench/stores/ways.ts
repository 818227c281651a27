/** Ways to read, measured in turn in this process: what its CPU spends on one read, the server's not counted. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Result } from "../support/rounds.ts";

export interface Way {
  name: string;
  /** One read; `n` counts up, for reads of other keys. */
  read(n: number): Promise<unknown>;
  /** From a cache. */
  cached?: boolean;
}

export interface Store {
  title: string;
  /** The driver's way first. */
  byKey: Way[];
  lists: Way[];
  stop(): Promise<void>;
}

const AT_ONCE = 32;
const WARM_UP_READS = 5_000;

/** CPU microseconds per read of each way, `rounds` times in turn, `reads` each time. */
export async function measureWays(
  ways: Way[],
  { rounds, reads }: { rounds: number; reads: number },
  tell: (text: string) => void,
): Promise<Result[]> {
  for (const way of ways) await run(way, Math.min(reads, WARM_UP_READS));
  const results = ways.map(({ name }): Result => ({ name, rounds: [], shares: {} }));
  for (let round = 1; round <= rounds; round += 1) {
    tell(`round ${round} of ${rounds}`);
    for (const [index, way] of ways.entries()) {
      await sleep(50);
      await run(way, Math.ceil(reads / 10));
      const before = process.cpuUsage();
      await run(way, reads);
      const { user, system } = process.cpuUsage(before);
      results[index]?.rounds.push((user + system) / reads);
    }
  }
  return results;
}

async function run(way: Way, reads: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < reads) await way.read(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

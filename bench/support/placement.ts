/** Which CPU does what: everything under test on one, the load on another, so that neither takes the other's time. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Placement {
  /** Put before a command that is under test. */
  prefix: string[];
  /** For the report. */
  text: string;
}

/** Moves this process, which makes the load, to its CPU. */
export function place(): Placement {
  const cpus = allowed();
  const [first, last] = [cpus[0], cpus.at(-1)];
  if (first === last)
    return { prefix: [], text: "one CPU for everything: the load disturbs what is measured" };
  try {
    execFileSync("taskset", ["-a", "-c", "-p", `${last}`, `${process.pid}`], { stdio: "ignore" });
  } catch {
    return { prefix: [], text: "taskset not found: nothing is pinned" };
  }
  return { prefix: ["taskset", "-c", `${first}`], text: `under test: CPU ${first}; load: CPU ${last}` };
}

/** The CPUs that this process may use. */
function allowed(): number[] {
  const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [from = 0, to = from] = range.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, n) => from + n);
  });
}

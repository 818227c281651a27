/** The figures of the rush as tables, and against the goals. */
import { cpus } from "node:os";
import type { Scene } from "./rest.ts";

export type Cell = string | number;

export function table(head: Cell[], rows: Cell[][]): string {
  const line = (cells: Cell[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** What is on this machine. */
export function machine(): string {
  return `Node ${process.version}, ${cpus()[0]?.model ?? "unknown CPU"}`;
}

/** @param part 0 to 1 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}

const round = (value: number, digits = 0): string => value.toFixed(digits);
const counts = (all: Map<number, number>): string =>
  [...all]
    .toSorted(([a], [b]) => a - b)
    .map(([key, count]) => `${key}: ${count}`)
    .join(", ");

/** Decisions a second until everyone was decided. */
export const paceOf = ({ outcome }: Scene): number => outcome.decided.length / outcome.seconds;

export function restTable(scenes: Scene[]): string {
  const row = (what: string, of: (scene: Scene) => Cell): Cell[] => [what, ...scenes.map(of)];
  return table(
    ["", ...scenes.map(({ name }) => name)],
    [
      row("answers by status", ({ outcome }) => counts(outcome.statuses)),
      row("decisions a second", (scene) => round(paceOf(scene))),
      row("in each second", ({ outcome }) => Array.from(outcome.perSecond, (each) => each ?? 0).join(" ")),
      row("seconds until everyone is decided", ({ outcome }) => round(outcome.seconds, 1)),
      row("CPU of the process (seconds)", ({ cpu }) => round(cpu, 1)),
      row("decided: p50, p99, max (ms)", ({ outcome }) => times(outcome.decided)),
      row("told to come again: p50, p99, max (ms)", ({ outcome }) => times(outcome.refused)),
      row("Retry-After (seconds: how often)", ({ outcome }) => counts(outcome.retryAfter)),
      row("GET /clubs before: p50, p99, max (ms)", ({ quiet }) => times(quiet.times)),
      row("GET /clubs beside: p50, p99, max (ms)", ({ beside }) => times(beside.times)),
      row(
        "GET /clubs refused beside",
        ({ beside }) => `${beside.refused} of ${beside.refused + beside.times.length}`,
      ),
      row("memory before, peak, after (MB)", ({ memory: { before, peak, after } }) =>
        [before, peak, after].map((each) => round(each)).join(", "),
      ),
    ],
  );
}

function times(values: readonly number[]): string {
  return [0.5, 0.99, 1].map((part) => round(quantile(values, part))).join(", ");
}

/** The results as Markdown, and as one line of JSON. */
import { cpus } from "node:os";
import type { Result, Spread } from "./rounds.ts";
import { spread } from "./rounds.ts";

export interface Goal {
  name: string;
  value: Spread;
  /** What it must not exceed. */
  goal: number;
  /** A goal to reach for, which nobody promised. */
  reach?: number;
  unit?: string;
}

export interface Report {
  title: string;
  /** How it was measured: a clause. */
  how: string;
  tables: { title: string; results: Result[] }[];
  goals: Goal[];
  /** What could not be measured, and why. */
  left: string[];
  /** What was measured beside the goals. */
  notes?: string[];
}

export function markdown({ title, how, tables, goals, left, notes = [] }: Report): string {
  const parts = [
    `## ${title}`,
    `Node ${process.version}, ${cpus()[0]?.model ?? "unknown CPU"}; ${how}. CPU microseconds each, user and system: median (lowest–highest round).`,
    ...tables.map(({ title: heading, results }) => `### ${heading}\n\n${table(results)}`),
    `### Goals\n\n${goalTable(goals)}`,
    ...notes,
    ...left.map((each) => `Not measured: ${each}`),
  ];
  return parts.join("\n\n");
}

function table(results: Result[]): string {
  const parts = [...new Set(results.flatMap(({ shares }) => Object.keys(shares)))];
  const columns = parts.length > 1 ? parts : [];
  const rows = results.map(({ name, rounds, shares }) => [
    name,
    range(spread(rounds), 1),
    ...columns.map((part) => (shares[part] ? spread(shares[part]).median.toFixed(1) : "")),
  ]);
  return lines(["way", "CPU µs each", ...columns], rows);
}

function goalTable(goals: Goal[]): string {
  const rows = goals.map(({ name, value, goal, reach, unit = "×" }) => {
    const digits = unit === "×" ? 2 : 0;
    const show = (number: number): string => `${number.toFixed(digits)} ${unit}`;
    return [
      name,
      `${range(value, digits)} ${unit}`,
      Number.isFinite(goal) ? `≤ ${show(goal)} ${verdict(value, goal)}` : "",
      reach === undefined ? "" : `≤ ${show(reach)} ${verdict(value, reach)}`,
    ];
  });
  return lines(["what", "measured", "goal", "reach"], rows);
}

function verdict(value: Spread, goal: number): string {
  return value.median <= goal ? "pass" : "**fail**";
}

function range({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function lines(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function json({ title, how, tables, goals, left, notes }: Report): string {
  const results = tables.flatMap(({ results }) =>
    results.map(({ name, rounds, shares }) => ({
      name,
      cpuMicroseconds: spread(rounds),
      shares: Object.fromEntries(Object.entries(shares).map(([part, values]) => [part, spread(values)])),
    })),
  );
  const judged = goals.map(({ name, value, goal, reach, unit = "×" }) => ({
    name,
    unit,
    ...value,
    ...(Number.isFinite(goal) && { goal, pass: value.median <= goal }),
    ...(reach !== undefined && { reach, reached: value.median <= reach }),
  }));
  return JSON.stringify({
    title,
    node: process.version,
    cpu: cpus()[0]?.model,
    how,
    results,
    goals: judged,
    left,
    notes,
  });
}

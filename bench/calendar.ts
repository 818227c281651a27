/** What a page of the calendar takes over 10,000 activities, near and far, and what the index of them holds. */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { ScheduleIndex } from "../services/activities/schedule-index.ts";
import type { Scheduled } from "../services/activities/schedule-index.ts";
import { activity, YEAR } from "./calendar/activities.ts";
import type { Bench } from "./run.ts";

const DAY = 86_400_000;
const ACTIVITIES = 10_000;
/** Milliseconds that 95 of 100 pages of any window may take. */
const GOAL = 50;
const LIMITS = [20, 100, 1000];
const WINDOWS = [
  { name: "a day", days: 1, from: YEAR + 250 * DAY },
  { name: "a week", days: 7, from: YEAR + 250 * DAY },
  { name: "a month", days: 31, from: YEAR + 250 * DAY },
  { name: "366 days", days: 366, from: YEAR + 100 * DAY },
  { name: "next year", days: 366, from: Date.UTC(2027, 0, 1) },
  { name: "the year 2100", days: 366, from: Date.UTC(2100, 0, 1) },
  { name: "a day in 9990", days: 1, from: Date.UTC(9990, 5, 1) },
];

type Index = ScheduleIndex<Scheduled>;
type Window = (typeof WINDOWS)[number];

/** How pages are asked: moved on each time, the same again, after a change, and the one after a page. */
const WAYS = ["another window", "again", "after a change", "the next page"] as const;
type Way = (typeof WAYS)[number];

async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { pages: { type: "string", default: "60" } } });
  const pages = Number(values.pages);
  if (!Number.isInteger(pages) || pages < 20) throw new Error("--pages takes a whole number from 20 on.");
  const index = filled();
  const rows = WINDOWS.flatMap((window) =>
    LIMITS.flatMap((limit) =>
      WAYS.map((way) => [window.name, limit, way, ...measured(index, window, limit, way, pages)]),
    ),
  );
  console.log(
    `Node ${process.version}, ${cpus()[0]?.model ?? "unknown CPU"}; ${pages} pages each; milliseconds.\n`,
  );
  console.log(table(["window", "limit", "asked", "p50", "p95", "max"], rows));
  const worst = Math.max(...rows.map((row) => Number(row[4])));
  console.log(
    `\nGoal: p95 of each at most ${GOAL} ms: ${worst <= GOAL ? "pass" : "**fail**"} (the highest is ${worst} ms).`,
  );
  console.log(`With what was asked since, the heap is ${megabytes(heap())} MB.`);
}

function filled(): Index {
  const activities = Array.from({ length: ACTIVITIES }, (_, number) => activity(number));
  const before = heap();
  const index: Index = new ScheduleIndex();
  const each = activities.map((one) => timed(() => index.put(one)));
  const total = each.reduce((sum, one) => sum + one, 0);
  console.log(
    `Filled with ${ACTIVITIES} activities in ${total.toFixed(0)} ms (the longest put ${Math.max(...each).toFixed(1)} ms); ` +
      `the index takes ${megabytes(heap() - before)} MB beside them.`,
  );
  return index;
}

function measured(index: Index, window: Window, limit: number, way: Way, pages: number): string[] {
  const times = Array.from({ length: pages }, (_, turn) => {
    const from = window.from + (way === "again" ? 0 : (turn % 20) * DAY);
    const asked = { from, to: from + window.days * DAY, limit };
    if (way === "after a change") index.put(activity((turn * 997) % ACTIVITIES, turn + 2));
    const last = way === "the next page" ? index.page(asked).at(-1) : undefined;
    const after = last && { ...last.occurrence, id: last.activity.id };
    return timed(() => index.page({ ...asked, after }));
  }).toSorted((a, b) => a - b);
  return [0.5, 0.95, 1].map((part) => (times[Math.ceil(part * pages) - 1] ?? 0).toFixed(2));
}

function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** Bytes, after a collection where the engine lets us ask for one (--expose-gc). */
function heap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const megabytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1);

function table(head: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export default { title: "pages of the calendar over 10,000 activities", run } satisfies Bench;

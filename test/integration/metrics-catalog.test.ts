/** The whole federation: every metric of the catalogue is there, and the page; and there are only so many series. */
import { readFileSync } from "node:fs";
import { BACKUPS, METRICS } from "../../lib/metrics-catalog.ts";
import type { Metric } from "../../lib/metrics-catalog.ts";
import { newId } from "../../lib/ids.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { startFederation } from "../support/federation.ts";
import type { Federation } from "../support/federation.ts";
import { scrape } from "../support/metrics.ts";
import type { Samples } from "../support/metrics.ts";

/** There with servers alone: test/servers/metrics.test.ts. */
const WITH_QUEUE = "club_alliance_queue_waiting";
const SILENT = [
  "club_alliance_replica_lag_seconds",
  // Nothing has happened that nobody expected.
  "club_alliance_unexpected_errors_total",
];
const PAGE = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
const CATALOG = Object.entries<Metric>(METRICS);

let federation: Federation;

beforeAll(async () => {
  federation = await startFederation();
}, 60_000);
afterAll(async () => federation?.stop());

const metrics = () => scrape(federation.broker);
/** Names with their types. */
const families = ({ text }: Samples): Map<string, string> =>
  new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name as string, type as string]),
  );

test("what there is is in the catalogue, and what is in the catalogue is there", async () => {
  await federation.call("GET", "/clubs");
  const seen = await metrics();
  const own = [...families(seen)].filter(([name]) => name.startsWith("club_alliance_"));
  const expected = CATALOG.filter(([name, { by }]) => by !== BACKUPS && name !== WITH_QUEUE);
  expect(Object.fromEntries(own)).toEqual(
    Object.fromEntries(expected.map(([name, { type }]) => [name, type])),
  );
  for (const [name, { type, labels }] of expected) {
    const found = seen.of(type === "histogram" ? `${name}_count` : name);
    expect([name, found.length > 0]).toEqual([name, !SILENT.includes(name)]);
    for (const sample of found)
      expect([name, Object.keys(sample.labels).toSorted()]).toEqual([name, labels.toSorted()]);
  }
});

test("the page has a row of each, as the catalogue says, and of each of Node's that it names", async () => {
  const rows = PAGE.split("\n")
    .filter((line) => line.startsWith("| `club_alliance_"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const expected = CATALOG.map(([name, { type, labels, help, by }]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", "),
    help,
    by,
  ]);
  const sorted = (table: string[][]): string[] => table.map((row) => row.join(" | ")).toSorted();
  expect(sorted(rows)).toEqual(sorted(expected));
  const known = families(await metrics());
  const named = [...PAGE.matchAll(/`((?:nodejs|process)_\w+)`/g)].map(([, name]) => name as string);
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test("a call of every route, and of others, makes no series that a second one would not find", async () => {
  const { contracts, ports } = runtimeOf(federation.broker);
  const routes = [...contracts.values()].flatMap(({ rest }) => rest ?? []);
  const gateways = ["api", "admin-api"].map((name) => `http://127.0.0.1:${ports.get(name)}`);
  const call = async (rest: string): Promise<void> => {
    const [method, path] = rest.split(" ") as [string, string];
    const target = `${path.replaceAll(/:\w+/g, () => newId())}?page=${newId()}`;
    for (const url of gateways)
      await fetch(`${url}${target}`, { method, signal: AbortSignal.timeout(10_000) }).then((answer) =>
        answer.arrayBuffer(),
      );
  };
  const all = [...routes, "GET /nowhere/:id", "DELETE /nowhere/:id"];
  const series = async (): Promise<string[]> => {
    // In eight lines: some answers take a while.
    const waiting = [...all];
    const work = async (): Promise<void> => {
      for (let rest = waiting.pop(); rest; rest = waiting.pop()) await call(rest);
    };
    await Promise.all(Array.from({ length: 8 }, work));
    return (await metrics()).of("club_alliance_http_requests_total").map(({ labels }) => {
      const { gateway, route, priority, status } = labels;
      return `${gateway} ${route} ${priority} ${status}`;
    });
  };
  const first = await series();
  expect(first.length).toBeGreaterThan(routes.length);
  expect((await series()).toSorted()).toEqual(first.toSorted());
  const known = new Set([...routes, "unknown"]);
  const templates = first.map((each) => /^\S+ (.*) (?:high|normal|low) \dxx$/.exec(each)?.[1]);
  expect(templates.filter((each) => !known.has(each ?? ""))).toEqual([]);
}, 60_000);

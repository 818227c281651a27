/** The tables of docs/capacity.md. */
import { planFor, SIZES } from "./model.ts";
import type { Change, Measured, Plan, Route } from "./model.ts";

const number = (value: number, digits = 0): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const row = (cells: string[]): string => `| ${cells.join(" | ")} |`;
const table = (head: string[], rows: string[][]): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

/** Everything that is computed, as Markdown. */
export function tables(measured: Measured): string {
  const plans = SIZES.map((students) => planFor(students, measured));
  const head = ["", ...plans.map(({ students }) => `${number(students)} students`)];
  const line = (title: string, value: (plan: Plan) => string): string[] => [title, ...plans.map(value)];
  const domains = plans[0]?.nodes.map(({ domain }) => domain) ?? [];
  const nodesOf = (plan: Plan, domain: string): string => {
    const found = plan.nodes.find((each) => each.domain === domain);
    return found ? `${number(found.nodes)} (${number(found.cores, 2)})` : "";
  };
  const sum = (plan: Plan): number => plan.nodes.reduce((all, { nodes }) => all + nodes, 0);
  return [
    "### Measured",
    measuredTable(measured),
    "### Load",
    table(head, [
      line("requests a second, the evening's busiest minute", ({ peak }) => number(peak)),
      line("beside it at the fair: requests of sign-ups a second, its first two minutes", ({ fair }) =>
        number(fair),
      ),
      line("open streams", ({ streams }) => number(streams)),
    ]),
    "### Nodes of each domain, and the cores that they use at the fair",
    table(head, [
      ...domains.map((domain) => line(domain, (plan) => nodesOf(plan, domain))),
      line("**all nodes**", (plan) => number(sum(plan))),
      line("their memory at 1 GiB each (GiB)", (plan) => number(sum(plan))),
    ]),
    "### Servers",
    table(head, [
      line("NATS: cores, all servers together", ({ natsCores }) => number(natsCores, 2)),
      line("gateways: memory of open streams (MB, all together)", ({ streamMegabytes }) =>
        number(streamMegabytes),
      ),
      line("stored in a year, three copies with indices (GB)", ({ gigabytesAYear }) =>
        number(gigabytesAYear),
      ),
    ]),
    "### What gives way first: need against what one of it takes",
    ...plans.map(
      ({ students, parts }) =>
        `${number(students)} students:\n\n${table(
          ["part", "need / limit", "need", "limit", "from"],
          parts.map(({ name, need, limit, unit, from }) => [
            name,
            `${number((need / limit) * 100)} %`,
            `${number(need)} ${unit}`,
            number(limit),
            from,
          ]),
        )}`,
    ),
  ].join("\n\n");
}

function measuredTable({ machine, cpuMicroseconds, bytes, kilobytesPerStream }: Measured): string {
  const rows = (Object.keys(cpuMicroseconds) as Route[]).map((route) => [
    route,
    number(cpuMicroseconds[route]),
    route in bytes ? number(bytes[route as Change]) : "",
  ]);
  return `${machine}; an open stream takes ${number(kilobytesPerStream)} kB.\n\n${table(
    ["request", "CPU µs, with all that follows", "bytes stored"],
    rows,
  )}`;
}

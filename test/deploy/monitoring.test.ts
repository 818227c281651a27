/** The check of monitoring finds what is broken in a copy of the files, and nothing in the files themselves. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { dashboardFiles, DASHBOARDS_FOLDER } from "../../scripts/deploy/dashboards.ts";
import { DOMAINS, ROOT } from "../../scripts/deploy/facts.ts";
import {
  adapterFaults,
  dashboardFaults,
  ruleFaults,
  rulesOf,
  runbookFaults,
  staleFaults,
} from "../../scripts/deploy/monitoring/files.ts";
import { bytesOf, composeAmounts, limitFaults } from "../../scripts/deploy/monitoring/limits.ts";
import { collectorFaults, logFaults, shortened } from "../../scripts/deploy/monitoring/logs.ts";
import type { LogFiles } from "../../scripts/deploy/monitoring/logs.ts";
import { alertmanagerFaults, filesOf, prometheusFaults } from "../../scripts/deploy/monitoring/programs.ts";
import { record, seriesOf } from "../../scripts/deploy/monitoring/series.ts";
import { askedBy } from "../../scripts/deploy/promql.ts";
import { describeWith } from "../support/servers/index.ts";

const read = (name: string): string => readFileSync(path.join(ROOT, "monitoring", name), "utf8");

/** Without a node: these of Node.js' own are enough. */
const series = seriesOf([
  { name: "nodejs_eventloop_lag_p99_seconds", type: "gauge", labels: [] },
  { name: "nodejs_heap_size_used_bytes", type: "gauge", labels: [] },
  { name: "nodejs_gc_duration_seconds", type: "histogram", labels: ["kind"] },
  { name: "process_resident_memory_bytes", type: "gauge", labels: [] },
  { name: "process_cpu_seconds_total", type: "counter", labels: [] },
]);
const ruleFiles = new Map(
  ["recording.yml", "slo.yml", "alerts.yml"].map((name) => [name, read(`prometheus/rules/${name}`)]),
);
ruleFiles.set("compose.yml", read("prometheus/limits/compose.yml"));
const rules = [...ruleFiles.values()].flatMap(rulesOf);
record(series, rules);
const pages = [...filesOf(path.join(ROOT, "docs", "runbooks")).keys()];
const alerts = ruleFiles.get("alerts.yml") as string;
/** A copy of the alerts with something else in it. */
function alertsWith(from: string, to: string): string[] {
  expect(alerts).toContain(from);
  return ruleFaults("alerts.yml", rulesOf(alerts.replace(from, to)), series);
}

test("rules, dashboards and pages are right as they are", () => {
  expect([...ruleFiles].flatMap(([name, text]) => ruleFaults(name, rulesOf(text), series))).toEqual([]);
  expect(runbookFaults(rules, pages)).toEqual([]);
  const dashboards = filesOf(DASHBOARDS_FOLDER);
  expect(dashboardFaults(dashboards, series, pages)).toEqual([]);
  expect(staleFaults("monitoring/grafana/dashboards", dashboardFiles(), dashboards)).toEqual([]);
});

test("a metric that nobody tells", () => {
  expect(alertsWith("club_alliance_dead_letters", "club_alliance_dead_leters")).toEqual([
    "alerts.yml: DeadLetters asks for club_alliance_dead_leters, which nobody tells.",
  ]);
});

test("labels that a metric does not have", () => {
  expect(alertsWith("club_alliance_circuits{job=", "club_alliance_circuits{status=")).toEqual([
    "alerts.yml: CircuitOpen asks for club_alliance_circuits by status, a label that it does not have.",
  ]);
  expect(alertsWith("max by (saga)", "max by (sagas)")).toEqual([
    "alerts.yml: SagaStuck groups by sagas, a label that nothing in it has.",
  ]);
});

test("an expression that cannot be read", () => {
  expect(
    alertsWith("max by (domain) (club_alliance_dead_letters)", "max by domain (club_alliance_dead_letters"),
  ).toEqual([expect.stringMatching(/^alerts\.yml: DeadLetters: ".*" cannot be read\.$/)]);
});

test("alerts without what whoever is woken needs", () => {
  expect(alertsWith("severity: none", "severity: critical")).toEqual([
    "alerts.yml: Watchdog has no severity: page, ticket or none.",
  ]);
  expect(alertsWith("/Watchdog.md", "/watchdog.md")).toEqual([
    "alerts.yml: Watchdog does not lead to its page: {{ $externalLabels.runbooks }}/Watchdog.md.",
  ]);
  expect(alertsWith("summary: Alerts are evaluated and sent", "title: Alerts")).toEqual([
    "alerts.yml: Watchdog has no summary.",
  ]);
});

test("an alert without a page and a page without an alert", () => {
  const others = [...pages.filter((page) => page !== "NodeDown.md"), "NodeUp.md"];
  expect(runbookFaults(rules, others)).toEqual([
    "The alert NodeDown has no docs/runbooks/NodeDown.md.",
    "docs/runbooks/NodeUp.md belongs to no alert.",
  ]);
});

test("dashboards that were changed by hand, are missing or are too many", () => {
  const made = dashboardFiles();
  const found = new Map(made).set("club-alliance-slo.json", "{}").set("mine.json", "{}");
  found.delete("club-alliance-queues.json");
  expect(staleFaults("d", made, found).map((fault) => fault.split(" ")[0])).toEqual([
    "d/club-alliance-queues.json",
    "d/club-alliance-slo.json",
    "d/mine.json",
  ]);
});

test("dashboards that ask for what is not there, or have the uid of another", () => {
  const [[name, text]] = [...dashboardFiles()] as [[string, string]];
  const other = text.replace("club_alliance_streams_open", "club_alliance_streams_closed");
  expect(dashboardFaults(new Map([[name, other]]), series, pages)).toEqual([
    `${name}: In flight and streams asks for club_alliance_streams_closed, which nobody tells.`,
  ]);
  expect(
    dashboardFaults(
      new Map([
        ["a", text],
        ["b", text],
      ]),
      series,
      pages,
    ),
  ).toEqual(["b has the uid of a: club-alliance-overview."]);
  expect(dashboardFaults(new Map([[name, text]]), series, [])).toContainEqual(
    `${name}: Failed leads to docs/runbooks/AvailabilityBudgetBurn.md, which is not there.`,
  );
});

test("the adapter of autoscalers", () => {
  const adapter = "rules: { external: [{ seriesQuery: 'club_alliance_requests{job=\"x\"}' }] }";
  expect(adapterFaults("adapter", adapter, series)).toEqual([
    "adapter asks for club_alliance_requests, which nobody tells.",
  ]);
});

test("what an expression asks for", () => {
  expect(askedBy('sum by (a) (rate(m{b="1"}[$__rate_interval])) / on (c) group_left (d) n{e=~"$f"}')).toEqual(
    {
      metrics: [
        { name: "m", labels: ["b"] },
        { name: "n", labels: ["e"] },
      ],
      grouped: ["a", "c", "d"],
      readable: true,
    },
  );
});

test("memory that is not what the rules count with", () => {
  const compose = "services: { users: { deploy: { resources: { limits: { memory: 1G } } } }, mysql: {} }";
  const limits = read("prometheus/limits/compose.yml");
  expect(limitFaults("compose", compose, limits, composeAmounts(DOMAINS))).toEqual([
    "compose gives users 1G of memory; its rules in limits/ say 536870912 bytes.",
  ]);
  expect(limitFaults("compose", "services: {}", limits, composeAmounts(DOMAINS))).toEqual([
    "compose: no node with a limit of memory was found.",
  ]);
  expect(bytesOf("512Mi")).toBe(536_870_912);
});

describe("the way of the logs", () => {
  const files: LogFiles = {
    filebeat: read("filebeat/filebeat.yml"),
    pipeline: read("logstash/pipeline.conf"),
    template: read("elasticsearch/index-template.json"),
    policy: read("elasticsearch/ilm-policy.json"),
    objects: read("kibana/data-view.ndjson"),
  };

  test("is right as it is", () => expect(logFaults(files)).toEqual([]));

  test.each([
    [
      "filebeat",
      "logstash:5044",
      "logstash:5045",
      "filebeat.yml does not send to port 5044, where pipeline.conf listens.",
    ],
    [
      "pipeline",
      '=> "route"',
      '=> "path"',
      "pipeline.conf makes the field path, which index-template.json does not map.",
    ],
    ["policy", '"13d"', '"90d"', "ilm-policy.json keeps lines for 91 days instead of 14."],
    ["objects", '"route"', '"url"', 'data-view.ndjson shows url in "One request", which is no field.'],
    [
      "pipeline",
      String.raw`\.\d+$", "\1.0"`,
      String.raw`\.\d+$", "\1.1"`,
      "pipeline.conf makes 203.0.113.1 of 203.0.113.77: more than its network.",
    ],
  ] as const)("%s with %s changed", (file, from, to, fault) => {
    expect(files[file]).toContain(from);
    expect(logFaults({ ...files, [file]: files[file].replace(from, to) })).toContainEqual(fault);
  });

  test("keeps no address of anybody", () => {
    expect(shortened(files.pipeline, "198.51.100.23")).toBe("198.51.100.0");
    expect(shortened(files.pipeline, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff")).toBe("2001:db8::");
  });
});

test("a collector whose pipeline names what it does not have", () => {
  const collector = read("otel-collector.yml");
  expect(collectorFaults(collector)).toEqual([]);
  expect(collectorFaults(collector.replace("exporters: [otlp]", "exporters: [zipkin]"))).toEqual([
    "otel-collector.yml: the pipeline traces names zipkin, which is none of its exporters.",
  ]);
  expect(collectorFaults(collector.replace("0.0.0.0:4318", "0.0.0.0:4317"))).toEqual([
    "otel-collector.yml does not listen on 4318.",
  ]);
});

test("the watchdog's alert goes out at each turn of its group", () => {
  const { route } = parse(read("alertmanager/alertmanager.yml")) as {
    route: { routes: { receiver: string; group_interval: string; repeat_interval: string }[] };
  };
  const watchdog = route.routes.find(({ receiver }) => receiver === "watchdog");
  // What was sent within the interval of a repeat is not sent again, so that must be shorter than from turn to turn.
  expect(watchdog).toMatchObject({ group_interval: "1m", repeat_interval: "30s" });
});

describeWith(["prometheus", "alertmanager"], "the programs' own checks", () => {
  test.each(["prometheus.yml", "prometheus.kubernetes.yml"])("%s", async (name) => {
    const text = read(`prometheus/${name}`);
    expect(await prometheusFaults(name, text)).toEqual([]);
    expect(
      await prometheusFaults(name, text.replace("evaluation_interval: 15s", "evaluation_interval: soon")),
    ).toEqual([expect.stringContaining("not a valid duration")]);
  });

  test("alertmanager.yml", async () => {
    const text = read("alertmanager/alertmanager.yml");
    expect(await alertmanagerFaults("alertmanager.yml", text)).toEqual([]);
    expect(
      await alertmanagerFaults("alertmanager.yml", text.replace("receiver: page", "receiver: pages")),
    ).toEqual([expect.stringContaining('undefined receiver "pages"')]);
  });
});

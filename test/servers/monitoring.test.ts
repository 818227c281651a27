/**
 * Prometheus scrapes a running cluster by the rules of monitoring/, and a node that is killed is told to whoever waits at
 * Alertmanager; when it is back, that too. Only times are shorter than in monitoring/: a second for what takes minutes.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse, stringify } from "yaml";
import { generateKeySet } from "../../lib/keys.ts";
import { askedBy } from "../../scripts/deploy/promql.ts";
import { olderWebhooks } from "../../scripts/deploy/monitoring/programs.ts";
import type { Rule } from "../../scripts/deploy/monitoring/files.ts";
import { renamed } from "../../scripts/deploy/monitoring/logs.ts";
import { ROOT } from "../../scripts/deploy/facts.ts";
import { eventually } from "../support/eventually.ts";
import { launch, ready } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { describeWith, startNats } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startAlertmanager, startPrometheus } from "../support/servers/prometheus.ts";

const MONITORING = path.join(ROOT, "monitoring");
const NODES = ["gateway", "users", "clubs", "clubs"];
const PATIENCE = 90_000;

interface RuleFile {
  groups: { name: string; interval?: string; rules: (Rule & { for?: string })[] }[];
}

/** The files of rules, with a second for every `for` and every interval. Expressions stay as they are. */
function quickRules(folder: string): void {
  const rules = path.join(MONITORING, "prometheus", "rules");
  for (const name of readdirSync(rules)) {
    const file = parse(readFileSync(path.join(rules, name), "utf8")) as RuleFile;
    for (const group of file.groups) {
      delete group.interval;
      for (const rule of group.rules) if (rule.for) rule.for = "1s";
    }
    writeFileSync(path.join(folder, name), stringify(file));
  }
}

/** prometheus.yml with these nodes in place of the names of Compose, and no servers but Alertmanager. */
function quickConfig(folder: string, nodes: readonly ClusterNode[], alertmanager: string): string {
  const config = parse(readFileSync(path.join(MONITORING, "prometheus", "prometheus.yml"), "utf8"));
  config.global = {
    ...config.global,
    scrape_interval: "1s",
    scrape_timeout: "1s",
    evaluation_interval: "1s",
  };
  config.rule_files = [`${folder}/*.yml`, path.join(MONITORING, "prometheus", "limits", "compose.yml")];
  config.alerting.alertmanagers = [{ static_configs: [{ targets: [new URL(alertmanager).host] }] }];
  const [job] = config.scrape_configs.filter(
    ({ job_name }: { job_name: string }) => job_name === "club-alliance",
  );
  const { dns_sd_configs: _names, relabel_configs, ...rest } = job;
  const targets = nodes.map(({ domain, health }) => ({
    targets: [new URL(health).host],
    labels: { __meta_dns_name: domain },
  }));
  config.scrape_configs = [{ ...rest, relabel_configs, static_configs: targets }];
  return stringify(config);
}

/** alertmanager.yml that waits for nothing, with one receiver of ours for all. */
function quickAlerts(hook: string): string {
  const config = parse(
    olderWebhooks(readFileSync(path.join(MONITORING, "alertmanager", "alertmanager.yml"), "utf8"), hook),
  );
  const quick = { group_wait: "1s", group_interval: "1s", repeat_interval: "1h" };
  config.route = { ...config.route, ...quick };
  for (const route of config.route.routes) Object.assign(route, quick);
  return stringify(config);
}

interface Told {
  receiver: string;
  alerts: {
    status: "firing" | "resolved";
    labels: Record<string, string>;
    annotations: Record<string, string>;
  }[];
}

describeWith(["nats", "prometheus", "alertmanager"], "monitoring of a cluster", () => {
  const told: Told[] = [];
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-monitoring-"));
  let nats: Server;
  let hook: HttpServer;
  let alertmanager: Server;
  let prometheus: Server;
  let env: Record<string, string>;
  const nodes: ClusterNode[] = [];

  async function start(domain: string, own: Record<string, string> = {}): Promise<ClusterNode> {
    const node = launch("scripts/node.ts", domain, {
      ...env,
      DATA_DIR: mkdtempSync(path.join(folder, domain)),
      ...own,
    });
    nodes.push(node);
    // A gateway waits for domains that are not here before it says that it is ready; it works all the same.
    await (domain === "gateway" ? eventually(async () => node.health || undefined, PATIENCE) : ready(node));
    return node;
  }

  beforeAll(async () => {
    hook = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        told.push(JSON.parse(body) as Told);
        response.end();
      });
    });
    await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
    const hookUrl = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
    [nats, alertmanager] = await Promise.all([startNats(), startAlertmanager(quickAlerts(hookUrl))]);
    env = {
      PATH: process.env["PATH"] ?? "",
      NATS_URL: nats.url,
      NAMESPACE: "test-monitoring",
      HOST: "127.0.0.1",
      PORT: "0",
      HEALTH_PORT: "0",
      ALLOW_EMBEDDED: "1",
      LOG_FORMAT: "json",
      JWT_KEYS: "",
    };
    // One after the other: each has a minute to get ready, on a busy machine too.
    for (const domain of NODES)
      await start(domain, domain === "users" ? { JWT_KEYS: JSON.stringify(generateKeySet()) } : {});
    quickRules(folder);
    prometheus = await startPrometheus(quickConfig(folder, nodes, alertmanager.url));
  }, 240_000);

  afterAll(async () => {
    await prometheus?.stop();
    for (const node of nodes) node.kill("SIGKILL");
    await Promise.all(nodes.map(({ exited }) => exited));
    await alertmanager?.stop();
    await nats?.stop();
    hook?.closeAllConnections();
    hook?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function api<T>(what: string): Promise<T> {
    const answer = await fetch(`${prometheus.url}/api/v1/${what}`);
    const { data, error } = (await answer.json()) as { data: T; error?: string };
    if (error) throw new Error(error);
    return data;
  }

  interface Sample {
    metric: Record<string, string>;
    value: [number, string];
  }
  const query = async (expr: string): Promise<Sample[]> =>
    (await api<{ result: Sample[] }>(`query?query=${encodeURIComponent(expr)}`)).result;

  const firing = (
    alertname: string,
    where: (labels: Record<string, string>) => boolean = () => true,
  ): Told["alerts"] =>
    told
      .flatMap(({ alerts }) => alerts)
      .filter(({ labels }) => labels["alertname"] === alertname && where(labels));

  test("all nodes are scraped, with the labels that rules go by", async () => {
    const up = await eventually(async () => {
      const samples = await query('up{job="club-alliance"} == 1');
      return samples.length === NODES.length ? samples : undefined;
    }, PATIENCE);
    expect(up.map(({ metric }) => String(metric["domain"])).toSorted()).toEqual(NODES.toSorted());
    expect(new Set(up.map(({ metric }) => metric["track"]))).toEqual(new Set(["stable"]));
  });

  test("requests make the recorded series of gateways and actions", async () => {
    const gateway = nodes.find(({ domain }) => domain === "gateway") as ClusterNode;
    const recorded = await eventually(async () => {
      for (let n = 0; n < 5; n += 1) await (await fetch(`${gateway.url}/clubs`)).text();
      const [rate] = await query('sum(club_alliance:http_requests:rate5m{gateway="public"}) > 0');
      const [calls] = await query('sum(club_alliance:action_calls:rate5m{domain="clubs"}) > 0');
      const [slo] = await query(
        'club_alliance:slo_all:rate1m{slo="availability"} > 0 or club_alliance:slo_all:rate1m{slo="availability-low"} > 0',
      );
      return rate && calls && slo;
    }, PATIENCE);
    expect(Number(recorded.value[1])).toBeGreaterThan(0);
  }, 120_000);

  test("every rule is evaluated without an error", async () => {
    const { groups } = await eventually(async () => {
      const all = await api<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>(
        "rules",
      );
      return all.groups.flatMap(({ rules }) => rules).some(({ health }) => health === "unknown")
        ? undefined
        : all;
    }, PATIENCE);
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(50);
    expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
  }, 120_000);

  test("what the rules ask of the nodes is told by them", async () => {
    const names = await api<string[]>("label/__name__/values");
    const asked = new Set(
      readdirSync(folder)
        .filter((file) => file.endsWith(".yml"))
        .flatMap((file) => (parse(readFileSync(path.join(folder, file), "utf8")) as RuleFile).groups)
        .flatMap(({ rules }) => rules.flatMap(({ expr }) => askedBy(expr).metrics.map(({ name }) => name))),
    );
    for (const name of [
      "club_alliance_http_requests_total",
      "club_alliance_http_request_duration_seconds_bucket",
      "club_alliance_action_calls_total",
      "club_alliance_store_up",
      "club_alliance_outbox_oldest_seconds",
      "club_alliance_sagas_oldest_seconds",
      "nodejs_eventloop_lag_p99_seconds",
      "process_resident_memory_bytes",
    ]) {
      expect(asked).toContain(name);
      expect(names).toContain(name);
    }
  });

  test("a killed node is told, and that it is back", async () => {
    const [victim] = nodes.filter(({ domain }) => domain === "clubs") as [ClusterNode];
    const { host: instance, port } = new URL(victim.health);
    const ofVictim = (): Told["alerts"] => firing("NodeDown", (labels) => labels["instance"] === instance);
    // Nothing has been said of it while it ran, though the watchdog shows that alerts arrive.
    await eventually(async () => firing("Watchdog")[0], PATIENCE);
    expect(ofVictim()).toEqual([]);
    expect(firing("DomainMissing", ({ domain }) => domain === "clubs")).toEqual([]);

    victim.kill("SIGKILL");
    await victim.exited;
    const down = await eventually(async () => ofVictim()[0], PATIENCE);
    expect(down).toMatchObject({ status: "firing", labels: { severity: "ticket", domain: "clubs" } });
    expect(down.annotations["summary"]).toBe(`A node of clubs is down (${instance})`);
    expect(down.annotations["runbook_url"]).toBe("docs/runbooks/NodeDown.md");
    expect(down.labels).not.toHaveProperty("runbooks");
    expect(told.find(({ alerts }) => alerts.includes(down))?.receiver).toBe("ticket");
    // The other one is there.
    expect(firing("DomainMissing", ({ domain }) => domain === "clubs")).toEqual([]);

    await start("clubs", { HEALTH_PORT: port });
    await eventually(async () => ofVictim().find(({ status }) => status === "resolved"), PATIENCE);
  }, 240_000);

  test("the lines of their logs are those that Filebeat takes and Logstash knows", () => {
    const { "filebeat.inputs": inputs } = parse(
      readFileSync(path.join(MONITORING, "filebeat", "filebeat.yml"), "utf8"),
    );
    const taken = new RegExp(inputs[0].include_lines[0] as string);
    const lines = nodes.flatMap(({ log }) => log).filter((line) => taken.test(line));
    const known = new Set(
      renamed(readFileSync(path.join(MONITORING, "logstash", "pipeline.conf"), "utf8")).map(([from]) => from),
    );
    const requests = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => msg === "Request");
    expect(requests.length).toBeGreaterThan(0);
    for (const { level, time, ...fields } of requests) {
      expect(typeof level).toBe("number");
      expect(Date.parse(time as string)).not.toBeNaN();
      for (const field of Object.keys(fields)) expect(known).toContain(field);
    }
  });
});

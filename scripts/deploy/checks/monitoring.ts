/** Monitoring asks for what there is, and says what to do about it. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { dashboardFiles, DASHBOARDS_FOLDER } from "../dashboards.ts";
import { DOMAINS, ROOT } from "../facts.ts";
import type { Check } from "../facts.ts";
import {
  adapterFaults,
  dashboardFaults,
  ruleFaults,
  rulesOf,
  runbookFaults,
  staleFaults,
} from "../monitoring/files.ts";
import { composeAmounts, kubernetesAmounts, limitFaults } from "../monitoring/limits.ts";
import type { Amounts } from "../monitoring/limits.ts";
import { collectorFaults, logFaults } from "../monitoring/logs.ts";
import { alertmanagerFaults, filesOf, prometheusFaults, rulesFaults } from "../monitoring/programs.ts";
import { record, scrape, seriesOf, strangers } from "../monitoring/series.ts";

const PROMETHEUS = path.join(ROOT, "monitoring", "prometheus");
const ADAPTER = "deploy/k8s/prometheus-adapter.values.yaml";

function read(name: string): string {
  return readFileSync(path.join(ROOT, name), "utf8");
}

function limits(manifest: string, rules: string, amounts: Amounts): string[] {
  return limitFaults(manifest, read(manifest), read(`monitoring/prometheus/limits/${rules}`), amounts);
}

const check: Check = {
  title: "rules, dashboards and logs name what there is, and alerts lead to their pages",
  async run() {
    const scraped = await scrape();
    const files = new Map([
      ...filesOf(path.join(PROMETHEUS, "rules")),
      ...filesOf(path.join(PROMETHEUS, "limits")),
    ]);
    const rules = [...files.values()].flatMap(rulesOf);
    const series = seriesOf(scraped);
    record(series, rules);
    const pages = [...filesOf(path.join(ROOT, "docs", "runbooks")).keys()];
    const dashboards = filesOf(DASHBOARDS_FOLDER);
    return [
      ...strangers(scraped),
      ...[...files].flatMap(([name, text]) => ruleFaults(name, rulesOf(text), series)),
      ...runbookFaults(rules, pages),
      ...dashboardFaults(dashboards, series, pages),
      ...staleFaults("monitoring/grafana/dashboards", dashboardFiles(), dashboards),
      ...adapterFaults(ADAPTER, read(ADAPTER), series),
      ...limits("docker-compose.yml", "compose.yml", composeAmounts(DOMAINS)),
      ...limits("k8s.yaml", "kubernetes.yml", kubernetesAmounts(DOMAINS)),
      ...logFaults({
        filebeat: read("monitoring/filebeat/filebeat.yml"),
        pipeline: read("monitoring/logstash/pipeline.conf"),
        template: read("monitoring/elasticsearch/index-template.json"),
        policy: read("monitoring/elasticsearch/ilm-policy.json"),
        objects: read("monitoring/kibana/data-view.ndjson"),
      }),
      ...collectorFaults(read("monitoring/otel-collector.yml")),
      ...(await prometheusFaults("prometheus.yml", read("monitoring/prometheus/prometheus.yml"))),
      ...(await prometheusFaults(
        "prometheus.kubernetes.yml",
        read("monitoring/prometheus/prometheus.kubernetes.yml"),
      )),
      ...(await rulesFaults(PROMETHEUS)),
      ...(await alertmanagerFaults("alertmanager.yml", read("monitoring/alertmanager/alertmanager.yml"))),
    ];
  },
};

export default check;

/** Which series there are, with their labels: what rules and dashboards may ask for. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { METRICS } from "../../../lib/metrics-catalog.ts";
import type { Metric } from "../../../lib/metrics-catalog.ts";
import { readSettings } from "../../../lib/settings.ts";
import { runtimeOf } from "../../../mixins/runtime.ts";
import { createNode } from "../../../moleculer.config.ts";
import { askedBy } from "../promql.ts";
import type { Rule } from "./files.ts";

/** Name → labels. */
export type Series = Map<string, Set<string>>;

/** What Prometheus itself puts on whatever it scrapes of the nodes (monitoring/prometheus/prometheus*.yml). */
const OF_TARGETS = ["job", "instance", "domain", "track", "version"];

/**
 * Of other programs, as their documentation or source names them. Nobody here can run them all: keep it short.
 * - Prometheus: https://prometheus.io/docs/concepts/jobs_instances/, …/configuration/alerting_rules/
 * - Traefik 3: https://doc.traefik.io/traefik/observability/metrics/overview/
 * - nats-io/prometheus-nats-exporter with -varz and -jsz=all: collector/collector.go, collector/jsz.go
 * - prometheus/mysqld_exporter: collector/global_status.go, global_variables.go
 * - PD, TiDB: https://docs.pingcap.com/tidb/stable/grafana-pd-dashboard, …/grafana-tidb-dashboard
 * - percona/mongodb_exporter without --compatible-mode: REFERENCE.md
 * - oliver006/redis_exporter: exporter/metrics.go
 * - prometheus-community/elasticsearch_exporter: README.md
 * - prometheus/node_exporter: collector/filesystem_common.go
 */
const OF_OTHERS: Record<string, string[]> = {
  up: [],
  ALERTS: ["alertname", "alertstate", "severity"],
  traefik_tls_certs_not_after: ["cn", "sans", "serial"],
  gnatsd_varz_connections: ["server_id"],
  gnatsd_varz_slow_consumers: ["server_id"],
  jetstream_consumer_num_pending: ["consumer_name", "stream_name", "server_id"],
  mysql_global_status_threads_connected: [],
  mysql_global_variables_max_connections: [],
  tidb_server_connections: [],
  pd_cluster_status: ["type"],
  mongodb_ss_connections: ["conn_type"],
  redis_memory_used_bytes: [],
  elasticsearch_jvm_memory_used_bytes: ["area", "name", "cluster"],
  elasticsearch_cluster_health_status: ["color", "cluster"],
  node_filesystem_avail_bytes: ["device", "fstype", "mountpoint"],
  node_filesystem_size_bytes: ["device", "fstype", "mountpoint"],
};

/** A metric with the series that it is made of. */
function put(series: Series, name: string, type: string, labels: readonly string[]): void {
  const all = [...labels, ...OF_TARGETS];
  if (type === "histogram" || type === "summary") {
    series.set(`${name}_sum`, new Set(all));
    series.set(`${name}_count`, new Set(all));
  }
  if (type === "histogram") series.set(`${name}_bucket`, new Set([...all, "le"]));
  else series.set(name, new Set(type === "summary" ? [...all, "quantile"] : all));
}

/** All that is in the catalogue, what other programs tell, and what Node.js' own metrics are in `scraped`. */
export function seriesOf(scraped: readonly Scraped[]): Series {
  const series: Series = new Map();
  for (const [name, { type, labels }] of Object.entries<Metric>(METRICS)) put(series, name, type, labels);
  for (const [name, labels] of Object.entries(OF_OTHERS)) put(series, name, "gauge", labels);
  for (const { name, type, labels } of scraped) if (!series.has(name)) put(series, name, type, labels);
  return series;
}

/** Adds what rules record: at most the labels of what each is made of, and those it is given. */
export function record(series: Series, rules: readonly Rule[]): void {
  for (const { record: name, expr, labels } of rules) {
    if (!name) continue;
    const known = series.get(name) ?? new Set(Object.keys(labels ?? {}));
    for (const metric of askedBy(expr).metrics)
      for (const label of series.get(metric.name) ?? []) known.add(label);
    series.set(name, known);
  }
}

export interface Scraped {
  name: string;
  type: string;
  labels: string[];
}

/** What /metrics tells of a node of all domains, embedded, in a folder of its own. */
export async function scrape(): Promise<Scraped[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-metrics-"));
  const node = await createNode(
    readSettings({
      DATA_DIR: folder,
      PORT: "0",
      ADMIN_PORT: "0",
      HEALTH_PORT: "0",
      HOST: "127.0.0.1",
      LOG_LEVEL: "fatal",
      ADMIN_EMAIL: "metrics@club-alliance.example",
      ADMIN_PASSWORD: "nobody signs in here",
    }),
  );
  try {
    await node.start();
    const { metrics, ports } = runtimeOf(node);
    const answer = await fetch(`http://127.0.0.1:${ports.get("health")}/metrics`);
    if (!answer.ok) throw new Error(`/metrics answers ${answer.status}`);
    const types = [...(await answer.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    return types.map(([, name, type]) => ({
      name: name as string,
      type: type as string,
      labels: labelsOf(metrics.getSingleMetric(name as string)),
    }));
  } finally {
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** prom-client keeps them with the metric and does not say so in its types. */
function labelsOf(metric: unknown): string[] {
  return (metric as { labelNames?: string[] } | undefined)?.labelNames ?? [];
}

/** Metrics of the project's own that a node tells and the catalogue does not know. */
export function strangers(scraped: readonly Scraped[]): string[] {
  return scraped
    .filter(({ name }) => name.startsWith("club_alliance_") && !Object.hasOwn(METRICS, name))
    .map(({ name }) => `A node tells ${name}, which is not in lib/metrics-catalog.ts.`);
}

/** What is wrong with an expression, `where` it stands. */
export function faultsOf(where: string, expression: string, series: Series): string[] {
  const { metrics, grouped, readable } = askedBy(expression);
  if (!readable) return [`${where}: "${expression}" cannot be read.`];
  const faults = metrics.flatMap(({ name, labels }) => {
    const known = series.get(name);
    if (!known) return [`${where} asks for ${name}, which nobody tells.`];
    return labels
      .filter((label) => !known.has(label))
      .map((label) => `${where} asks for ${name} by ${label}, a label that it does not have.`);
  });
  const all = new Set(metrics.flatMap(({ name }) => [...(series.get(name) ?? [])]));
  return [
    ...faults,
    ...grouped
      .filter((label) => all.size > 0 && !all.has(label))
      .map((label) => `${where} groups by ${label}, a label that nothing in it has.`),
  ];
}

/** Ports that something in the Compose file, Traefik's or Prometheus' configuration asks, against who listens there. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { portsOf, ROOT } from "../facts.ts";
import { nodesOf } from "./nodes.ts";
import type { Compose, Service } from "./read.ts";

/** What servers of others listen on where their command does not say it: their images' own ports. */
const OF_IMAGES: Record<string, number[]> = {
  mysql: [3306],
  mongo: [27_017],
  redis: [6379],
  elasticsearch: [9200],
  "nginx-unprivileged": [8080],
  nats: [4222, 6222, 8222],
  rabbitmq: [5672],
  prometheus: [9090],
  alertmanager: [9093],
  pushgateway: [9091],
  grafana: [3000],
  jaeger: [16_686, 4317, 4318],
  "opentelemetry-collector-contrib": [4317, 4318, 13_133],
  "prometheus-nats-exporter": [7777],
  "mysqld-exporter": [9104],
  "node-exporter": [9100],
  "club-alliance-mongodb-exporter": [9216],
  redis_exporter: [9121],
  "elasticsearch-exporter": [9114],
  kibana: [5601],
  logstash: [9600, 5044],
  traefik: [8080, 8443, 8444, 8082],
  pd: [2379, 2380],
  tikv: [20_160, 20_180],
  tidb: [4000, 10_080],
  versitygw: [7070],
  etcd: [2379],
};

/** The ports by every name that a service has. */
function listening(compose: Compose): Map<string, Set<number>> {
  const ports = new Map<string, Set<number>>();
  const nodes = new Set(nodesOf(compose).map(([name]) => name));
  for (const [name, service] of Object.entries(compose.services)) {
    const own = nodes.has(name) ? Object.values(portsOf(service.command ?? [])) : imagePorts(service);
    for (const each of [name, ...aliasesOf(service)])
      ports.set(each, new Set([...(ports.get(each) ?? []), ...own]));
  }
  return ports;
}

const imagePorts = ({ image = "" }: Service): number[] =>
  OF_IMAGES[(image.split("/").at(-1) as string).split(":")[0] as string] ?? [];

const aliasesOf = ({ networks }: Service): string[] =>
  networks && !Array.isArray(networks) ? Object.values(networks).flatMap((each) => each?.aliases ?? []) : [];

/** @param files texts of Traefik's and Prometheus' configuration; the project's own without */
export function portProblems(compose: Compose, files = configurations()): string[] {
  const listens = listening(compose);
  const asked = [
    ...Object.entries(files).flatMap(([file, text]) =>
      targetsOf(text).map((target) => ({ where: file, ...target })),
    ),
    ...dnsTargets(files["monitoring/prometheus/prometheus.yml"] ?? ""),
    ...Object.entries(compose.services).flatMap(([name, service]) => ownTargets(name, service)),
  ];
  return asked.flatMap(({ where, host, port }) => {
    const known = listens.get(host);
    if (!known) return `${where} asks ${host}:${port}, and there is no service ${host}.`;
    return known.has(port) ? [] : `${where} asks ${host}:${port}, where nothing listens.`;
  });
}

interface Target {
  where: string;
  host: string;
  port: number;
}

/** host:port in URLs and lists of targets. */
function targetsOf(text: string): { host: string; port: number }[] {
  const code = text.replaceAll(/^\s*#.*$/gm, "");
  return [...code.matchAll(/(?<![\w.:/-])(?:https?:\/\/)?([a-z][a-z0-9-]*):(\d{2,5})\b(?!:)/g)]
    .map(([, host, port]) => ({ host: host as string, port: Number(port) }))
    .filter(({ host }) => host !== "localhost");
}

function dnsTargets(text: string): Target[] {
  const { scrape_configs: jobs = [] } = (parse(text) ?? {}) as {
    scrape_configs?: { dns_sd_configs?: { names: string[]; port: number }[] }[];
  };
  return jobs.flatMap(({ dns_sd_configs: found = [] }) =>
    found.flatMap(({ names, port }) =>
      names.map((host) => ({ where: "monitoring/prometheus/prometheus.yml", host, port })),
    ),
  );
}

/** What a service's health check and command ask: its own ports, and other services by name. */
function ownTargets(name: string, { healthcheck, command = [], environment = {} }: Service): Target[] {
  const test = (healthcheck?.test ?? []).join(" ");
  const own = [...test.matchAll(/127\.0\.0\.1[:/](\d{2,5})/g)].map(([, port]) => ({
    where: `docker-compose.yml: the health check of ${name}`,
    host: name,
    port: Number(port),
  }));
  const others = targetsOf(
    [...command, ...Object.values(environment).map(String)].join(" , ").replaceAll(/[=,]/g, " "),
  );
  return [...own, ...others.map((target) => ({ where: `docker-compose.yml: ${name}`, ...target }))];
}

function configurations(): Record<string, string> {
  return Object.fromEntries(
    ["deploy/traefik/dynamic.yml", "monitoring/prometheus/prometheus.yml", "deploy/nginx/cdn.conf"].map(
      (file) => [file, readFileSync(path.join(ROOT, file), "utf8")],
    ),
  );
}

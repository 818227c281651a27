/** What Prometheus' and Alertmanager's own programs say of the configuration. Debian's are older than those that run. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse, stringify } from "yaml";
import { runProgram } from "../facts.ts";

/** Runs `program` on a copy of the file, since what the old program does not know is taken out of it. */
async function checked(program: string, args: string[], name: string, text: string): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-check-"));
  try {
    const file = path.join(folder, path.basename(name));
    writeFileSync(file, text);
    const { code, output } = await runProgram(program, [...args, file]);
    return code === 0 ? [] : [`${program} on ${name}: ${output.trim().replaceAll(folder, "")}`];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Scrape {
  job_name: string;
  kubernetes_sd_configs?: { role?: string }[];
  static_configs?: unknown[];
}

/** promtool on prometheus.yml. Debian's is built without Kubernetes, so its pods are looked at here, and taken out. */
export async function prometheusFaults(name: string, text: string): Promise<string[]> {
  const config = parse(text) as { scrape_configs: Scrape[] };
  const faults = config.scrape_configs.flatMap(({ job_name, kubernetes_sd_configs = [] }) =>
    kubernetes_sd_configs
      .filter(
        ({ role }) =>
          !["pod", "node", "service", "endpoints", "endpointslice", "ingress"].includes(role ?? ""),
      )
      .map(() => `${name}: ${job_name} looks for no role that Kubernetes has.`),
  );
  for (const scrape of config.scrape_configs) delete scrape.kubernetes_sd_configs;
  return [
    ...faults,
    ...(await checked("promtool", ["check", "config", "--syntax-only"], name, stringify(config))),
  ];
}

/** promtool on files of rules, and on what they are expected to do. */
export async function rulesFaults(folder: string): Promise<string[]> {
  const inside = (name: string): string[] =>
    readdirSync(path.join(folder, name)).map((file) => path.join(folder, name, file));
  const runs = [
    ["check", "rules", ...inside("rules"), ...inside("limits")],
    ...inside("tests").map((file) => ["test", "rules", file]),
  ];
  const outcomes = await Promise.all(runs.map((args) => runProgram("promtool", args)));
  return outcomes.flatMap(({ code, output }) => (code === 0 ? [] : [`promtool: ${output.trim()}`]));
}

/** amtool on alertmanager.yml. Before 0.26 a webhook's address could not be in a file, so it is put in its place. */
export async function alertmanagerFaults(name: string, text: string): Promise<string[]> {
  return checked("amtool", ["check-config"], name, olderWebhooks(text, "http://127.0.0.1:9/"));
}

/** alertmanager.yml with webhooks at `url` instead of those in files, by the name of the receiver. */
export function olderWebhooks(text: string, url: string): string {
  return text.replaceAll(
    /url_file: \/run\/secrets\/alert_(\w+)_url/g,
    (_, receiver: string) => `url: ${url}${receiver}`,
  );
}

/** Files of a folder by their names. */
export function filesOf(folder: string): Map<string, string> {
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), "utf8")]));
}

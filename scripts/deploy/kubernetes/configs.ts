/** Files of monitoring/ as pods find them: ConfigMaps, made of the files that are there. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../facts.ts";
import { MONITORING_NAMESPACE } from "./needs.ts";
import type { Manifest } from "./parts.ts";

const FOLDER = path.join(ROOT, "monitoring");

/** ConfigMap → path in the pod → file of monitoring/. */
export const CONFIGS: Record<string, Record<string, string>> = {
  prometheus: {
    "prometheus.yml": "prometheus/prometheus.kubernetes.yml",
    ...allOf("prometheus/rules", "rules"),
    "limits/kubernetes.yml": "prometheus/limits/kubernetes.yml",
  },
  alertmanager: { "alertmanager.yml": "alertmanager/alertmanager.yml" },
  "grafana-provisioning": {
    ...allOf("grafana/provisioning/datasources", "datasources"),
    ...allOf("grafana/provisioning/dashboards", "dashboards"),
  },
  "grafana-dashboards": allOf("grafana/dashboards", "."),
  "otel-collector": { "otel-collector.yml": "otel-collector.yml" },
};

function allOf(folder: string, as: string): Record<string, string> {
  const files = readdirSync(path.join(FOLDER, folder)).toSorted();
  return Object.fromEntries(files.map((file) => [path.posix.join(as, file), `${folder}/${file}`]));
}

/** Keys of ConfigMaps have no slashes. */
const keyOf = (place: string): string => place.replaceAll("/", ".");

export function configManifests(): Manifest[] {
  return Object.entries(CONFIGS).map(([name, files]) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: MONITORING_NAMESPACE },
    data: Object.fromEntries(
      Object.entries(files).map(([place, file]) => [
        keyOf(place),
        readFileSync(path.join(FOLDER, file), "utf8"),
      ]),
    ),
  }));
}

/** The volume in which a ConfigMap's files have their places again. */
export function configVolume(name: string): object {
  const items = Object.keys(CONFIGS[name] ?? {}).map((place) => ({ key: keyOf(place), path: place }));
  return { name, configMap: { name, items } };
}

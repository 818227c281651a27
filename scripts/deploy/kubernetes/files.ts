/** The files that are made, as text. */
import { format } from "prettier";
import { stringify } from "yaml";
import { edgeSection } from "./edge.ts";
import { DATA_NAMESPACE, MONITORING_NAMESPACE } from "./needs.ts";
import { monitoringSections } from "./monitoring.ts";
import { networkSection } from "./network.ts";
import type { Section } from "./parts.ts";
import { adapterRules } from "./scaling.ts";
import { namesSection, storesSection } from "./stores.ts";
import { backupSection, commonSections, domainSections, migrationSection, namespaceOf } from "./workloads.ts";

const MADE = "Made by `npm run kubernetes` of scripts/deploy/kubernetes/: change that, not this.";

/** Path from the project's folder → what is to stand there. */
export async function madeFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  files.set(
    "k8s.yaml",
    await textOf("The federation on Kubernetes: docs/kubernetes.md.", [
      ...commonSections(),
      migrationSection(),
      ...domainSections(),
      edgeSection(),
      networkSection(),
      backupSection(),
    ]),
  );
  files.set(
    "deploy/k8s/data.yaml",
    await textOf("The namespace of the stores, and who may reach them.", [
      // Operators' pods need what the restricted level refuses.
      { title: "The namespace.", manifests: [namespaceOf(DATA_NAMESPACE, "baseline")] },
      namesSection(),
      storesSection(),
    ]),
  );
  files.set(
    "deploy/k8s/monitoring.yaml",
    await textOf("Prometheus, Alertmanager, Grafana and traces.", monitoringSections()),
  );
  files.set(
    "deploy/k8s/prometheus-adapter.values.yaml",
    await format(
      `# Values of the chart prometheus-adapter: what the autoscalers of k8s.yaml look at.\n# ${MADE}\n${stringify(
        {
          prometheus: { url: `http://prometheus.${MONITORING_NAMESPACE}.svc`, port: 9090 },
          replicas: 2,
          rules: { default: false, external: adapterRules() },
        },
      )}`,
      { parser: "yaml", printWidth: 110 },
    ),
  );
  return files;
}

async function textOf(title: string, sections: Section[]): Promise<string> {
  const parts = sections.flatMap(({ title: heading, manifests }) =>
    manifests.map((manifest, index) => {
      const body = stringify(manifest, { aliasDuplicateObjects: false, lineWidth: 0 });
      return index === 0 ? `# ${heading}\n${body}` : body;
    }),
  );
  return format(`# ${title}\n# ${MADE}\n---\n${parts.join("---\n")}`, { parser: "yaml", printWidth: 110 });
}

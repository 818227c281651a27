/**
 * `npm run dashboards`: writes monitoring/grafana/dashboards/*.json from the descriptions in dashboards/. Never edit the
 * files: `npm run verify:deploy` fails where they are not what this makes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { databases } from "./dashboards/databases.ts";
import { objectives } from "./dashboards/objectives.ts";
import { overview } from "./dashboards/overview.ts";
import { queues } from "./dashboards/queues.ts";
import { service } from "./dashboards/service.ts";
import { signUp } from "./dashboards/sign-up.ts";
import { ROOT } from "./facts.ts";

export const DASHBOARDS_FOLDER = path.join(ROOT, "monitoring", "grafana", "dashboards");

/** Name of the file → its text. */
export function dashboardFiles(): Map<string, string> {
  return new Map(
    [overview, service, queues, databases, signUp, objectives].map((make) => {
      const dashboard = make().build();
      for (const [index, panel] of (dashboard.panels ?? []).entries()) panel.id = index + 1;
      return [`${dashboard.uid}.json`, `${JSON.stringify(dashboard, null, 2)}\n`];
    }),
  );
}

if (import.meta.main) {
  mkdirSync(DASHBOARDS_FOLDER, { recursive: true });
  for (const [name, text] of dashboardFiles()) writeFileSync(path.join(DASHBOARDS_FOLDER, name), text);
}

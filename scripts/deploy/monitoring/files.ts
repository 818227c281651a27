/** The files of monitoring/, read and held against each other and the code; each function returns what is wrong. */
import { parse } from "yaml";
import { faultsOf } from "./series.ts";
import type { Series } from "./series.ts";

export interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

interface RuleFile {
  groups: { name: string; rules: Rule[] }[];
}

/** The rules of a file. */
export function rulesOf(text: string): Rule[] {
  return (parse(text) as RuleFile).groups.flatMap(({ rules }) => rules);
}

/** Expressions ask for what there is; an alert says how urgent it is, what it is, what to do first and where more is. */
export function ruleFaults(file: string, rules: readonly Rule[], series: Series): string[] {
  return rules.flatMap((rule) => {
    const where = `${file}: ${rule.record ?? rule.alert}`;
    const faults = faultsOf(where, rule.expr, series);
    return rule.alert ? [...faults, ...alertFaults(where, rule)] : faults;
  });
}

function alertFaults(where: string, { alert, labels = {}, annotations = {} }: Rule): string[] {
  const runbook = `{{ $externalLabels.runbooks }}/${alert}.md`;
  return [
    ...(["page", "ticket", "none"].includes(labels["severity"] ?? "")
      ? []
      : [`${where} has no severity: page, ticket or none.`]),
    ...["summary", "description"]
      .filter((name) => !annotations[name])
      .map((name) => `${where} has no ${name}.`),
    ...(annotations["runbook_url"] === runbook ? [] : [`${where} does not lead to its page: ${runbook}.`]),
  ];
}

/** Each alert has a page and each page an alert. */
export function runbookFaults(rules: readonly Rule[], pages: readonly string[]): string[] {
  const alerts = new Set(rules.flatMap(({ alert }) => alert ?? []));
  const written = new Set(pages.map((page) => page.replace(/\.md$/, "")));
  return [
    ...[...alerts]
      .filter((alert) => !written.has(alert))
      .map((alert) => `The alert ${alert} has no docs/runbooks/${alert}.md.`),
    ...[...written]
      .filter((page) => !alerts.has(page))
      .map((page) => `docs/runbooks/${page}.md belongs to no alert.`),
  ];
}

interface Panel {
  id?: number;
  type: string;
  title?: string;
  description?: string;
  targets?: { expr?: string }[];
}

interface Dashboard {
  uid?: string;
  title?: string;
  panels?: Panel[];
  templating?: { list?: { type: string; query?: unknown }[] };
}

/** Dashboards have ids of their own, ask for what there is, and name pages that there are. */
export function dashboardFaults(
  files: ReadonlyMap<string, string>,
  series: Series,
  pages: readonly string[],
): string[] {
  const uids = new Map<string, string>();
  return [...files].flatMap(([file, text]) => {
    const dashboard = JSON.parse(text) as Dashboard;
    const { uid = "", panels = [] } = dashboard;
    const faults = uids.has(uid) ? [`${file} has the uid of ${uids.get(uid)}: ${uid}.`] : [];
    uids.set(uid, file);
    if (uid === "" || uid.length > 40) faults.push(`${file} has no uid of 1 to 40 characters.`);
    const ids = panels.map(({ id }) => id);
    if (ids.includes(undefined) || new Set(ids).size !== ids.length)
      faults.push(`${file} has panels without an id of their own.`);
    return [
      ...faults,
      ...panels.flatMap((panel) => panelFaults(`${file}: ${panel.title}`, panel, series, pages)),
      ...variablesOf(dashboard).flatMap((expr) => faultsOf(`${file}: variables`, expr, series)),
    ];
  });
}

function panelFaults(where: string, panel: Panel, series: Series, pages: readonly string[]): string[] {
  if (panel.type === "row") return [];
  const targets = panel.targets ?? [];
  const page = /docs\/runbooks\/(\S+)/.exec(panel.description ?? "")?.[1];
  return [
    ...(panel.title ? [] : [`${where} has no title.`]),
    ...(targets.length > 0 ? [] : [`${where} asks for nothing.`]),
    ...(page && !pages.includes(page)
      ? [`${where} leads to docs/runbooks/${page}, which is not there.`]
      : []),
    ...targets.flatMap(({ expr = "" }) => faultsOf(where, expr, series)),
  ];
}

/** `label_values(metric, label)` of Grafana, as an expression. */
function variablesOf({ templating }: Dashboard): string[] {
  return (templating?.list ?? []).flatMap(({ type, query }) => {
    if (type !== "query" || typeof query !== "string") return [];
    const [, metric, label] = /^label_values\((.+),\s*(\w+)\)$/.exec(query) ?? [];
    return metric ? [`count by (${label}) (${metric})`] : [query];
  });
}

/** Files that are not what they are made from, are missing, or are too many. */
export function staleFaults(
  folder: string,
  made: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] {
  const names = new Set([...made.keys(), ...found.keys()]);
  return [...names]
    .filter((name) => made.get(name) !== found.get(name))
    .map((name) => `${folder}/${name} is not what scripts/deploy/dashboards.ts makes: npm run dashboards.`);
}

/** Counters that prometheus-adapter makes rates of, for autoscalers. */
export function adapterFaults(file: string, text: string, series: Series): string[] {
  const { rules = {} } = parse(text) as { rules?: { external?: { seriesQuery: string }[] } };
  return (rules.external ?? []).flatMap(({ seriesQuery }) => faultsOf(file, seriesQuery, series));
}

/** The way of a node's log lines: Filebeat, Logstash, Elasticsearch, Kibana; each names what the one before it gives. */
import { parse } from "yaml";

/** Days for which lines are kept: docs/monitoring.md, docs/privacy.md. */
const DAYS = 14;
const INDEX = "logs-club_alliance-";

export interface LogFiles {
  filebeat: string;
  pipeline: string;
  template: string;
  policy: string;
  /** Kibana's saved objects, a line each. */
  objects: string;
}

/** What is wrong on the way of the lines. */
export function logFaults(files: LogFiles): string[] {
  const { filebeat, pipeline, template, policy, objects } = files;
  const fields = fieldsOf(template);
  return [
    ...portFaults(filebeat, pipeline),
    ...renamed(pipeline)
      .filter(([, to]) => !fields.has(to))
      .map(([, to]) => `pipeline.conf makes the field ${to}, which index-template.json does not map.`),
    ...[...fields]
      .filter((field) => !MADE_OTHERWISE.has(field) && !renamed(pipeline).some(([, to]) => to === field))
      .map((field) => `index-template.json maps ${field}, which pipeline.conf does not make.`),
    ...addressFaults(pipeline),
    ...policyFaults(policy, template),
    ...objects
      .trim()
      .split("\n")
      .flatMap((line) => objectFaults(line, fields)),
  ];
}

/** By the date, the dictionary of levels, the output, and the rest of a line. */
const MADE_OTHERWISE = new Set(["@timestamp", "data_stream", "level", "data"]);

function fieldsOf(template: string): Set<string> {
  const { mappings } = (
    JSON.parse(template) as { template: { mappings: { properties: Record<string, unknown> } } }
  ).template;
  return new Set(Object.keys(mappings.properties));
}

/** Fields of a node's line, and how they are called afterwards. */
export function renamed(pipeline: string): [string, string][] {
  return [...pipeline.matchAll(/"\[data\]\[(\w+)\]" => "(\w+)"/g)].map(([, from, to]) => [
    from as string,
    to as string,
  ]);
}

function portFaults(filebeat: string, pipeline: string): string[] {
  const { "output.logstash": output } = parse(filebeat) as { "output.logstash"?: { hosts?: string[] } };
  const port = /beats \{\s*port => (\d+)/.exec(pipeline)?.[1];
  return output?.hosts?.every((host) => host.endsWith(`:${port}`))
    ? []
    : [`filebeat.yml does not send to port ${port}, where pipeline.conf listens.`];
}

/** What the pipeline makes of an address. */
export function shortened(pipeline: string, address: string): string {
  const pairs = pipeline.matchAll(/"\[data\]\[address\]", "([^"]+)", "([^"]+)"/g);
  return [...pairs].reduce(
    (text, [, pattern, by]) =>
      text.replace(new RegExp(pattern as string, "u"), (by as string).replace("\\1", "$1")),
    address,
  );
}

/** No whole address of a person may be kept. */
function addressFaults(pipeline: string): string[] {
  const samples = {
    "203.0.113.77": "203.0.113.0",
    "2001:db8:12:34::77": "2001:db8::",
    "2001:db8::7": "2001:db8::",
  };
  return Object.entries(samples)
    .filter(([address, network]) => shortened(pipeline, address) !== network)
    .map(
      ([address]) =>
        `pipeline.conf makes ${shortened(pipeline, address)} of ${address}: more than its network.`,
    );
}

function policyFaults(policy: string, template: string): string[] {
  const { phases } = (
    JSON.parse(policy) as {
      policy: {
        phases: { hot: { actions: { rollover: { max_age: string } } }; delete: { min_age: string } };
      };
    }
  ).policy;
  // An index is deleted so long after it was closed, and its oldest line is as old as the index was then.
  const days = Number.parseInt(phases.hot.actions.rollover.max_age) + Number.parseInt(phases.delete.min_age);
  const { index_patterns: patterns } = JSON.parse(template) as { index_patterns: string[] };
  return [
    ...(days === DAYS ? [] : [`ilm-policy.json keeps lines for ${days} days instead of ${DAYS}.`]),
    ...(patterns.join() === `${INDEX}*`
      ? []
      : [`index-template.json is for ${patterns.join()}, not ${INDEX}*.`]),
  ];
}

interface SavedObject {
  type: string;
  attributes: { title: string; columns?: string[]; timeFieldName?: string };
}

function objectFaults(line: string, fields: ReadonlySet<string>): string[] {
  const { type, attributes } = JSON.parse(line) as SavedObject;
  if (type === "index-pattern")
    return attributes.title === `${INDEX}*` ? [] : [`data-view.ndjson looks at ${attributes.title}.`];
  return (attributes.columns ?? [])
    .filter((column) => !fields.has(column))
    .map((column) => `data-view.ndjson shows ${column} in "${attributes.title}", which is no field.`);
}

interface Collector {
  receivers: Record<string, { protocols?: { http?: { endpoint?: string } } }>;
  processors: Record<string, unknown>;
  exporters: Record<string, unknown>;
  extensions: Record<string, unknown>;
  service: {
    extensions: string[];
    pipelines: Record<string, Record<"receivers" | "processors" | "exporters", string[]>>;
  };
}

/** The collector takes OTLP over HTTP on 4318, and its pipelines name parts that there are. */
export function collectorFaults(text: string): string[] {
  const config = parse(text) as Collector;
  const endpoint = config.receivers["otlp"]?.protocols?.http?.endpoint ?? "";
  const parts = Object.entries(config.service.pipelines).flatMap(([name, pipeline]) =>
    (["receivers", "processors", "exporters"] as const).flatMap((kind) =>
      pipeline[kind]
        .filter((part) => !Object.hasOwn(config[kind], part))
        .map(
          (part) => `otel-collector.yml: the pipeline ${name} names ${part}, which is none of its ${kind}.`,
        ),
    ),
  );
  return endpoint.endsWith(":4318") ? parts : ["otel-collector.yml does not listen on 4318.", ...parts];
}

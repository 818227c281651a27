/** What a PromQL expression asks for, read by Prometheus' own grammar. */
import { parser } from "@prometheus-io/lezer-promql";

export interface Asked {
  /** Metrics with the labels by which they are chosen. */
  metrics: { name: string; labels: string[] }[];
  /** Labels by which is grouped or matched. */
  grouped: string[];
  /** Whether it can be read at all. */
  readable: boolean;
}

/** What an expression asks for; Grafana's variables may stand in it where a time or a value of a label does. */
export function askedBy(expression: string): Asked {
  const text = expression.replaceAll(/\$__(?:rate_)?interval|\$__range/g, "5m");
  const asked: Asked = { metrics: [], grouped: [], readable: true };
  let grouping = false;
  parser.parse(text).iterate({
    enter(node) {
      const what = text.slice(node.from, node.to);
      if (node.type.isError) asked.readable = false;
      if (node.name === "VectorSelector") asked.metrics.push({ name: "", labels: [] });
      if (node.name === "GroupingLabels") grouping = true;
      const metric = asked.metrics.at(-1);
      if (node.name === "Identifier" && metric) metric.name = what;
      if (node.name === "LabelName") (grouping ? asked.grouped : metric?.labels)?.push(what);
    },
    leave(node) {
      if (node.name === "GroupingLabels") grouping = false;
    },
  });
  return asked;
}

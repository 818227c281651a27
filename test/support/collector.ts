/** A collector of traces, as OTLP over HTTP with JSON describes it. */
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  traceId: string;
  id: string;
  parent: string | undefined;
  name: string;
  kind: "INTERNAL" | "SERVER" | "CLIENT" | "PRODUCER" | "CONSUMER";
  /** Milliseconds since 1970. */
  start: number;
  end: number;
  failed: boolean;
  attributes: Record<string, unknown>;
  /** Attributes of the node that it comes from. */
  resource: Record<string, unknown>;
}

export interface Collector {
  url: string;
  spans: Received[];
  /** Bodies, as they came. */
  bodies: string[];
  requests: { method?: string; url?: string; headers: IncomingHttpHeaders }[];
  /** What it answers; null: nothing, for as long as it stands. */
  status: number | null;
  stop(): void;
}

// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
const KINDS = ["INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"] as const;
const ERROR = 2;

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}
interface Sent {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: SentSpan[] }[];
  }[];
}
interface SentSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code: number };
  attributes: Attribute[];
}

export async function startCollector(): Promise<Collector> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      collector.requests.push({ method, url, headers });
      if (collector.status === null) return;
      collector.bodies.push(body);
      if (collector.status < 300) collector.spans.push(...spansOf(JSON.parse(body) as Sent));
      response.writeHead(collector.status, { "Content-Type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    bodies: [],
    requests: [],
    status: 200,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
  return collector;
}

function spansOf({ resourceSpans }: Sent): Received[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map((span) => receivedOf(span, valuesOf(resource.attributes)))),
  );
}

function receivedOf(span: SentSpan, resource: Record<string, unknown>): Received {
  return {
    traceId: span.traceId,
    id: span.spanId,
    parent: span.parentSpanId || undefined,
    name: span.name,
    kind: KINDS[span.kind] as Received["kind"],
    start: Number(span.startTimeUnixNano) / 1e6,
    end: Number(span.endTimeUnixNano) / 1e6,
    failed: span.status.code === ERROR,
    attributes: valuesOf(span.attributes),
    resource,
  };
}

function valuesOf(attributes: Attribute[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [[kind, content] = ["", null]] = Object.entries(value);
      return [key, kind === "intValue" ? Number(content) : content];
    }),
  );
}

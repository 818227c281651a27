/** A Sentry that takes envelopes: https://develop.sentry.dev/sdk/data-model/envelopes/. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface SentryEvent {
  event_id: string;
  level: string;
  release: string;
  tags: Record<string, string>;
  contexts?: { trace?: { trace_id: string; span_id: string } };
  exception: {
    values: {
      type: string;
      value: string;
      mechanism: { handled: boolean };
      stacktrace: { frames: Record<string, unknown>[] };
    }[];
  };
}

export interface TestSentry {
  dsn: string;
  events: SentryEvent[];
  /** Whole envelopes, as they came. */
  bodies: string[];
  paths: string[];
  /** What it answers; null: nothing, for as long as it stands. */
  status: number | null;
  stop(): void;
}

export async function startSentry(): Promise<TestSentry> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      sentry.paths.push(request.url ?? "");
      sentry.bodies.push(body);
      if (sentry.status === null) return;
      const [, item, payload] = body.split("\n") as [string, string, string];
      if ((JSON.parse(item) as { type: string }).type === "event")
        sentry.events.push(JSON.parse(payload) as SentryEvent);
      response.writeHead(sentry.status, { "Content-Type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sentry: TestSentry = {
    dsn: `http://a0b1c2d3@127.0.0.1:${(server.address() as AddressInfo).port}/42`,
    events: [],
    bodies: [],
    paths: [],
    status: 200,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
  return sentry;
}

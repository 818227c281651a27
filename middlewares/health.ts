/** For operators, on a port of its own: liveness, readiness, metrics. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Middleware, ServiceBroker } from "moleculer";
import { collectDefaultMetrics } from "prom-client";
import { SettingsError } from "../lib/settings.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { takesNoMore } from "./drain.ts";

export function health(runtime: Runtime): Middleware {
  let server: Server | null = null;
  return {
    name: "Health",
    async starting() {
      runtime.readiness.block("node", "starting");
      collectDefaultMetrics({ register: runtime.metrics });
      server = createServer((request, response) => void answer(runtime, request.url ?? "/", response));
      runtime.ports.set(
        "health",
        await listen(server, runtime.settings.healthPort, runtime.settings.host, "HEALTH_PORT"),
      );
    },
    async started() {
      // Told to stop or to drain while it still started, it does not become ready any more.
      if (!takesNoMore(runtime)) runtime.readiness.clear("node");
    },
    async stopped(_broker: ServiceBroker) {
      server?.closeAllConnections();
      server?.close();
    },
  };
}

/**
 * Listens on `port` (0: a free one) and returns the port taken; a port in use is a SettingsError whose sentence
 * names the variable.
 */
export function listen(server: Server, port: number, host: string, variable: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE")
        reject(
          new SettingsError(
            `Port ${port} is in use: stop what listens there or set ${variable} to another port (0 takes a free one).`,
          ),
        );
      else if (error.code === "EACCES")
        reject(
          new SettingsError(
            `Port ${port} may not be opened by this user: set ${variable} to a port above 1023.`,
          ),
        );
      else reject(error);
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

async function answer(
  runtime: Runtime,
  url: string,
  response: import("node:http").ServerResponse,
): Promise<void> {
  const send = (status: number, type: string, body: string): void => {
    response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
  };
  const path = url.split("?")[0];
  if (path === "/health/live") return send(200, "application/json", '{"status":"live"}');
  if (path === "/health/ready") {
    const { ready, reasons } = runtime.readiness;
    return send(
      ready ? 200 : 503,
      "application/json",
      JSON.stringify(ready ? { status: "ready" } : { status: "not ready", reasons }),
    );
  }
  if (path === "/metrics")
    return runtime.metrics.metrics().then(
      (text) => send(200, runtime.metrics.contentType, text),
      (error: unknown) => send(500, "text/plain", `The metrics cannot be read: ${String(error)}\n`),
    );
  send(404, "text/plain", "Not found: /health/live, /health/ready and /metrics are here.\n");
}

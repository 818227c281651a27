/**
 * moleculer-web → NATS → moleculer. `gateway` or `service`, or `local` for both in one process without NATS; then
 * `bare`, with everything off, or `stock`, with what Moleculer itself brings: metrics, a trace and log lines of every
 * request, circuit breaker and retry.
 */
import { ServiceBroker } from "moleculer";
import ApiGateway from "moleculer-web";
import { club } from "./club.ts";

const [role, kind, metricsPort] = process.argv.slice(2);
const bare = kind === "bare";

const common = {
  nodeID: `${role}-${process.pid}`,
  namespace: kind,
  transporter: role === "local" ? null : process.env.NATS_URL,
};
const stock = {
  logger: { type: "Console", options: { level: "info", formatter: "full", colors: false } },
  metrics: { enabled: true, reporter: { type: "Prometheus", options: { port: Number(metricsPort) } } },
  tracing: {
    enabled: true,
    exporter: { type: "Zipkin", options: { baseURL: process.env.TRACING_URL, interval: 2 } },
  },
  circuitBreaker: { enabled: true },
  retryPolicy: { enabled: true },
  requestTimeout: 10_000,
};
const nothing = {
  logger: false,
  metrics: false,
  tracing: false,
  internalServices: false,
  // The validator is a middleware among them, and the POST is there for its sake.
  internalMiddlewares: role === "local",
};

const broker = new ServiceBroker({ ...common, ...(bare ? nothing : stock) });

if (role !== "service")
  broker.createService({
    name: "api",
    mixins: [ApiGateway],
    settings: {
      port: Number(process.env.PORT),
      ip: "127.0.0.1",
      ...(bare && { logRequest: null, logResponse: null, log4XXResponses: false }),
      routes: [
        {
          path: "/",
          mappingPolicy: "restrict",
          bodyParsers: role === "local" ? { json: true } : false,
          aliases: {
            "GET /clubs/:id": "clubs.get",
            ...(role === "local" && { "POST /clubs": "clubs.create" }),
          },
        },
      ],
    },
  });

if (role !== "gateway")
  broker.createService({
    name: "clubs",
    actions: {
      get: () => club,
      create: {
        params: {
          $$strict: true,
          name: { type: "string", min: 2, max: 120 },
          summary: { type: "string", min: 1, max: 300 },
          description: { type: "string", max: 20_000, optional: true },
          category: { type: "string", max: 50, pattern: /^[a-z0-9]+(-[a-z0-9]+)*$/ },
          tags: { type: "array", max: 10, items: { type: "string", min: 1, max: 30 }, optional: true },
        },
        handler(ctx) {
          ctx.meta.$statusCode = 201;
          return { ...club, ...ctx.params };
        },
      },
    },
  });

await broker.start();
console.log("ready");

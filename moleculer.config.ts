/** The broker of a node, from its settings; and the making of a node with its services. */
import { readdirSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ServiceBroker } from "moleculer";
import type { BrokerOptions, Middleware, ServiceSchema } from "moleculer";
import { Registry } from "prom-client";
import { Verifier } from "./lib/tokens.ts";
import type { JwkSet } from "./lib/keys.ts";
import { LiveSettings } from "./lib/live-settings.ts";
import { natsOptions } from "./lib/nats.ts";
import { checkNode, readEnvironment, readSettings } from "./lib/settings.ts";
import type { Settings } from "./lib/settings.ts";
import { audit, auditRefusals } from "./middlewares/audit.ts";
import { authorize } from "./middlewares/authorize.ts";
import { bodies } from "./middlewares/bodies.ts";
import { bus, TrustingRoundRobin } from "./middlewares/bus.ts";
import { cacherOf } from "./middlewares/cacher.ts";
import { consumers } from "./middlewares/consumers.ts";
import { drain } from "./middlewares/drain.ts";
import { errors, isFailure, isWorthRepeating } from "./middlewares/errors.ts";
import { PatientEtcd3 } from "./middlewares/etcd.ts";
import { health } from "./middlewares/health.ts";
import { idempotency } from "./middlewares/idempotency.ts";
import { line } from "./middlewares/line.ts";
import { loggerOf } from "./middlewares/logger.ts";
import { metrics } from "./middlewares/metrics.ts";
import { moderate } from "./middlewares/moderate.ts";
import { registerOwners } from "./middlewares/owners.ts";
import { Nats } from "./middlewares/nats.ts";
import { nodeMetrics } from "./middlewares/node-metrics.ts";
import { passport } from "./middlewares/passport.ts";
import { sentry } from "./middlewares/sentry.ts";
import { timeout } from "./middlewares/timeout.ts";
import { tracing } from "./middlewares/tracing.ts";
import { validate } from "./middlewares/validate.ts";
import { Readiness, setRuntime } from "./mixins/runtime.ts";
import type { Runtime } from "./mixins/runtime.ts";
import { actionContracts } from "./services/contracts.ts";
import node from "./services/node.service.ts";

/** The folders of services/, each a domain that a node may run. */
export const DOMAINS = readdirSync(path.join(import.meta.dirname, "services"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .toSorted();

registerOwners();

/** Options of a broker; `middlewares` is listed by hand, the first is innermost. */
export function brokerOptions(runtime: Runtime): BrokerOptions {
  const { settings, domains } = runtime;
  const name = domains.length === DOMAINS.length ? "all" : domains.join("+") || "repl";
  return {
    // The domain is a token of its own in NATS' subjects, so that permissions can name it.
    nodeID: `${name}.${hostname().replaceAll(".", "-")}~${process.pid}`,
    namespace: settings.namespace,
    logger: loggerOf(settings),
    transporter: settings.natsUrl ? new Nats(natsOptions(settings.natsUrl)) : undefined,
    registry: {
      discoverer:
        settings.discoverer === "local"
          ? "Local"
          : new PatientEtcd3(settings.discoverer.replace("etcd3://", "http://")),
      strategy: TrustingRoundRobin,
      // The strategies see to it: one prefers this node, the other must not.
      preferLocal: false,
      stopDelay: 200,
    },
    heartbeatInterval: 1,
    heartbeatTimeout: 3,
    requestTimeout: 10_000,
    retryPolicy: { enabled: false, retries: 2, delay: 50, maxDelay: 500, factor: 2, check: isWorthRepeating },
    circuitBreaker: {
      enabled: true,
      threshold: 0.5,
      minRequestCount: 10,
      windowTime: 10,
      halfOpenTime: 2_000,
      check: isFailure,
    },
    bulkhead: { enabled: true, concurrency: 200, maxQueueSize: 1_000 },
    tracking: { enabled: true, shutdownTimeout: 5_000 },
    cacher: cacherOf(settings),
    validator: false,
    internalServices: false,
    internalMiddlewares: false,
    skipProcessEventRegistration: true,
    contextParamsCloning: false,
    maxCallLevel: 20,
    middlewares: middlewaresOf(runtime),
  };
}

function middlewaresOf(runtime: Runtime): Middleware[] {
  const { contracts } = runtime;
  const { inside, outside } = line(runtime);
  return [
    { name: "Runtime", created: (made: ServiceBroker) => runtime.bind(made) },
    "ActionHook",
    audit(contracts),
    moderate(contracts),
    idempotency(contracts),
    inside,
    "Bulkhead",
    outside,
    "Cacher",
    validate(contracts),
    authorize(runtime),
    auditRefusals(contracts),
    errors(runtime),
    metrics(runtime),
    "ContextTracker",
    timeout(),
    bodies(contracts),
    bus(runtime.readiness),
    "CircuitBreaker",
    "Retry",
    "ErrorHandler",
    ...(runtime.settings.sentryDsn ? [sentry(runtime, runtime.settings.sentryDsn)] : []),
    ...(runtime.settings.tracingUrl ? [tracing(runtime, runtime.settings.tracingUrl)] : []),
    passport(),
    nodeMetrics(runtime),
    health(runtime),
    consumers(runtime),
    drain(runtime),
  ] as Middleware[];
}

/** The runtime of a node; it ties itself to the broker that is made with its options. */
export function newRuntime(settings: Settings, domains: readonly string[]): Runtime {
  checkNode(settings, [...domains]);
  let broker: ServiceBroker | null = null;
  const runtime: Runtime = {
    settings,
    domains,
    contracts: actionContracts,
    readiness: new Readiness(),
    metrics: new Registry(),
    verifier: new Verifier("public", async () => (await broker?.call("auth.keys")) as JwkSet),
    adminVerifier: new Verifier("admin", async () => (await broker?.call("adminAuth.keys")) as JwkSet),
    live: new LiveSettings(settings),
    queue: null,
    drains: [],
    probes: new Map(),
    ports: new Map(),
    bind(made) {
      broker = made;
      setRuntime(made, runtime);
    },
  };
  return runtime;
}

/**
 * Makes a node with the services of the domains named; it is not started. Throws a SettingsError when settings and
 * domains do not fit, and an Error when a service does not load (an action without an access rule).
 */
export async function createNode(
  settings: Settings,
  domains: readonly string[] = DOMAINS,
): Promise<ServiceBroker> {
  const broker = new ServiceBroker(brokerOptions(newRuntime(settings, domains)));
  broker.createService(node);
  for (const domain of domains) for (const schema of await servicesOf(domain)) broker.createService(schema);
  return broker;
}

async function servicesOf(domain: string): Promise<ServiceSchema[]> {
  const folder = path.join(import.meta.dirname, "services", domain);
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(".service.ts"))
    .toSorted();
  return Promise.all(
    files.map(
      async (file) =>
        ((await import(pathToFileURL(path.join(folder, file)).href)) as { default: ServiceSchema }).default,
    ),
  );
}

/** For moleculer-runner (`moleculer-runner --config moleculer.config.ts services/users/*.service.ts`). */
export default function options(): BrokerOptions {
  const named = process.argv.flatMap((argument) => /services\/([a-z-]+)/.exec(argument)?.[1] ?? []);
  const domains = DOMAINS.filter((domain) => named.includes(domain));
  return brokerOptions(newRuntime(readSettings(readEnvironment()), domains));
}

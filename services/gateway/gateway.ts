/** A gateway's parts, from the runtime of its node. */
import type { Server } from "node:http";
import type { Logger, ServiceBroker } from "moleculer";
import type { AppError } from "../../lib/errors.ts";
import type { Verifier } from "../../lib/tokens.ts";
import type { LiveSettings } from "../../lib/live-settings.ts";
import { tell } from "../../lib/metrics.ts";
import { explain } from "../../middlewares/errors.ts";
import { takesNoMore } from "../../middlewares/drain.ts";
import { listen } from "../../middlewares/health.ts";
import { traceRequest } from "../../middlewares/tracing.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import { Addresses } from "./address.ts";
import { docsPages } from "./docs.ts";
import { drain, socketsOf } from "./drain.ts";
import { Exchange } from "./exchange.ts";
import type { GatewayRequest, GatewayResponse } from "./exchange.ts";
import { openLimits } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { Overload } from "./overload.ts";
import type { Thresholds } from "./overload.ts";
import { Recorder } from "./recorder.ts";
import type { GatewayLabel } from "./recorder.ts";
import { Revocations } from "./revocations.ts";
import type { Revoked } from "./revocations.ts";
import { Routes } from "./routes.ts";
import type { Page } from "./routes.ts";
import { makeServer } from "./server.ts";
import type { Streams } from "./streams.ts";
import { Turns } from "./turns.ts";

/** How long the first readiness waits for the services that are routed to. */
const WAIT_MS = 30_000;
const POLL_MS = 100;
const LOGGED = new Set(["trace", "debug", "info"]);

export interface GatewayOptions {
  name: string;
  /** As metrics name it. */
  label: GatewayLabel;
  /** Of which paths. */
  serves: (path: string) => boolean;
  port: number;
  /** The setting that names the port. */
  portVariable: string;
  /** Of the tokens that it takes. */
  verifier: Verifier;
  /** The action that names sessions which have ended. */
  revocations: string;
  thresholds?: Thresholds;
  /** Beside those that every gateway has. */
  pages?: Page[];
  /** Where it has a page for them. */
  streams?: Streams;
  /** Whom it turns away, whatever they ask for. */
  bars?: (exchange: Exchange) => AppError | null;
}

export class Gateway {
  readonly log: Logger;
  readonly routes: Routes;
  readonly verifier: Verifier;
  readonly live: LiveSettings;
  readonly addresses: Addresses;
  readonly overload: Overload;
  readonly limits: Limits;
  readonly revocations: Revocations;
  readonly origins: ReadonlySet<string>;
  readonly vary: string;
  readonly turns = new Turns();
  readonly streams: Streams | null;
  readonly recorder: Recorder;
  draining = false;
  readonly #runtime: Runtime;
  readonly #broker: ServiceBroker;
  readonly #options: GatewayOptions;
  readonly #closeLimits: () => void;
  #server: Server | null = null;
  #waiting: NodeJS.Timeout | undefined;
  #untell: (() => void)[] = [];

  constructor(broker: ServiceBroker, runtime: Runtime, log: Logger, options: GatewayOptions) {
    const { settings, contracts, readiness } = runtime;
    this.#broker = broker;
    this.#runtime = runtime;
    this.#options = options;
    this.log = log;
    const pages = [...docsPages(contracts, options.serves), ...(options.pages ?? [])];
    this.routes = new Routes(contracts, options.serves, pages);
    this.streams = options.streams ?? null;
    this.verifier = options.verifier;
    this.live = runtime.live;
    this.addresses = new Addresses(settings.trustedProxies, settings.campusNetworks);
    this.overload = new Overload(options.thresholds);
    ({ limits: this.limits, close: this.#closeLimits } = openLimits(runtime, log));
    this.origins = new Set(settings.corsOrigins);
    this.vary = `Authorization, Accept-Language${this.origins.size > 0 ? ", Origin" : ""}`;
    const told = LOGGED.has(settings.logLevel) ? log : null;
    this.recorder = new Recorder(runtime.metrics, options.label, told);
    this.revocations = new Revocations({
      pull: (since) => this.#pull(since),
      revoked: (sid) => this.streams?.endSession(sid),
      ready: () => readiness.clear(`${options.name}: sessions`),
      warn: (text) => log.warn(text),
    });
  }

  /** Counts a request in until its answer is out, and sets what every answer carries. */
  begin(req: GatewayRequest, res: GatewayResponse): Exchange {
    this.overload.inFlight += 1;
    res.once("close", ended);
    return new Exchange(this, req, res);
  }

  /** Why nothing is answered to whoever asks from there; null: it is. */
  bars(exchange: Exchange): AppError | null {
    return this.#options.bars?.(exchange) ?? null;
  }

  /** The refusal for what went wrong; here what is unexpected is the gateway's own fault, since actions explain theirs. */
  explain({ operation, requestId }: Exchange, error: unknown): AppError {
    const action = operation?.label ?? "unknown";
    return explain(error, this.#runtime, this.log, { action, requestId, node: this.#broker.nodeID });
  }

  end(exchange: Exchange): void {
    exchange.over = true;
    exchange.lane?.leave(exchange);
    if (!exchange.streams) this.#count(exchange);
  }

  /** The answer is a stream: that it stays open is no load, and says nothing of how long answers take. */
  streaming(exchange: Exchange): void {
    exchange.streams = true;
    this.#count(exchange);
  }

  #count(exchange: Exchange): void {
    this.overload.inFlight -= 1;
    this.#trace(exchange, this.recorder.record(exchange));
  }

  #trace({ requestId, req, operation, startedAt: begin }: Exchange, status: number): void {
    const route = operation?.path ?? null;
    traceRequest(this.#runtime, { requestId, method: req.method ?? "_OTHER", route, status, begin });
  }

  /**
   * Listens; ready when the services that it routes to are there, or after 30 s with what there is. On a node that was
   * told to stop while it started it stays closed.
   */
  async start(handle: (req: GatewayRequest, res: GatewayResponse) => void): Promise<void> {
    const { settings, readiness, ports, drains } = this.#runtime;
    const { name, port, portVariable } = this.#options;
    readiness.block(`${name}: sessions`, "the revoked sessions are not known yet");
    readiness.block(`${name}: services`, "waits for the services that it routes to");
    // The handler adds what its types name to node's own objects.
    const server = makeServer((req, res) => handle(req as GatewayRequest, res as GatewayResponse));
    this.#server = server;
    const sockets = socketsOf(server);
    if (takesNoMore(this.#runtime)) return;
    ports.set(name, await listen(server, port, settings.host, portVariable));
    // The drains were run while the port was being opened.
    if (takesNoMore(this.#runtime)) return void server.close();
    drains.push(() => {
      this.draining = true;
      this.streams?.drain();
      // In a cluster a balancer stands before it, which may connect at any moment until its next probe.
      return drain(server, sockets, settings.natsUrl !== null);
    });
    this.#tell();
    this.overload.start();
    this.revocations.start();
    this.streams?.start();
    this.#wait(Date.now() + WAIT_MS);
  }

  #tell(): void {
    const { metrics } = this.#runtime;
    const { streams, overload } = this;
    const labels = { gateway: this.#options.label };
    this.#untell = [
      tell(metrics, "club_alliance_http_in_flight", () => [{ value: overload.inFlight, labels }]),
    ];
    if (streams)
      this.#untell.push(tell(metrics, "club_alliance_streams_open", () => [{ value: streams.size }]));
  }

  stop(): void {
    clearTimeout(this.#waiting);
    for (const each of this.#untell) each();
    this.revocations.stop();
    this.streams?.stop();
    this.overload.stop();
    this.#closeLimits();
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  #wait(until: number): void {
    const missing = this.#missing();
    if (missing.length > 0 && Date.now() < until) {
      this.#waiting = setTimeout(() => this.#wait(until), POLL_MS).unref();
      return;
    }
    if (missing.length > 0) this.log.warn("Ready without some services", { missing });
    this.#runtime.readiness.clear(`${this.#options.name}: services`);
  }

  #missing(): string[] {
    const { actions } = this.#broker.registry;
    const names = this.routes.operations.flatMap(({ action }) => action ?? []);
    return names.filter((name) => !actions.isAvailable(name));
  }

  async #pull(since: number): Promise<Revoked | null> {
    // Asked beforehand, since the broker warns at each call of what is not there.
    const { revocations } = this.#options;
    if (!this.#broker.registry.actions.isAvailable(revocations)) return null;
    return this.#broker.call<Revoked, { since: number }>(revocations, { since });
  }
}

/** One function for all responses, and not a closure for each. */
function ended(this: GatewayResponse): void {
  this.exchange.gateway.end(this.exchange);
}

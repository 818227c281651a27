/** One line of the log and the metrics of each request: templates of paths, never what was in them. */
import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import type { Logger } from "moleculer";
import type { Exchange } from "./exchange.ts";

/** The client went away before it was answered; nginx's number for it. */
const CLIENT_GONE = 499;
const UNKNOWN = "unknown";

interface Series {
  /** By the first digit of the status. */
  requests: (Counter.Internal | undefined)[];
  seconds: Histogram.Internal<"route">;
}

export class Recorder {
  readonly #requests: Counter;
  readonly #seconds: Histogram<"route">;
  /** Bound once for each route: looking labels up costs more than counting. */
  readonly #series = new Map<string, Series>();
  readonly #log: Logger | null;

  /** Without `log` nothing is logged. */
  constructor(registry: Registry, log: Logger | null) {
    this.#log = log;
    const { requests, seconds } = metricsOf(registry);
    this.#requests = requests;
    this.#seconds = seconds;
  }

  /** After the answer was sent, or the client went away; of a stream when it has begun. */
  record(exchange: Exchange): void {
    const { operation, res } = exchange;
    const route = operation?.label ?? UNKNOWN;
    const status = res.writableFinished || exchange.streams ? res.statusCode : CLIENT_GONE;
    const ms = performance.now() - exchange.startedAt;
    const series = this.#seriesOf(route);
    const digit = Math.floor(status / 100);
    const counter = (series.requests[digit] ??= this.#requests.labels({ route, status: `${digit}xx` }));
    counter.inc();
    series.seconds.observe(ms / 1000);
    this.#log?.info("Request", {
      method: exchange.req.method,
      route: operation?.path ?? UNKNOWN,
      status,
      ms: Math.round(ms * 10) / 10,
      requestId: exchange.requestId,
      user: exchange.user,
      address: exchange.address.text,
      bytes: exchange.bytes,
    });
  }

  #seriesOf(route: string): Series {
    let series = this.#series.get(route);
    if (!series)
      this.#series.set(route, (series = { requests: [], seconds: this.#seconds.labels({ route }) }));
    return series;
  }
}

const shared = new WeakMap<Registry, { requests: Counter; seconds: Histogram<"route"> }>();

/** The gateways of one process share the metrics. */
function metricsOf(registry: Registry): { requests: Counter; seconds: Histogram<"route"> } {
  let metrics = shared.get(registry);
  if (!metrics) shared.set(registry, (metrics = makeMetrics(registry)));
  return metrics;
}

function makeMetrics(registry: Registry): { requests: Counter; seconds: Histogram<"route"> } {
  return {
    requests: new Counter({
      name: "club_alliance_http_requests_total",
      help: "Requests by route and class of status",
      labelNames: ["route", "status"],
      registers: [registry],
    }),
    seconds: new Histogram({
      name: "club_alliance_http_request_duration_seconds",
      help: "From the head of a request until it is answered",
      labelNames: ["route"],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
      registers: [registry],
    }),
  };
}

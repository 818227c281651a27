/** One line of the log and the metrics of each request: templates of paths, never what was in them. */
import type { Counter, Histogram, Registry } from "prom-client";
import type { Logger } from "moleculer";
import { counterOf, histogramOf } from "../../lib/metrics.ts";
import type { Exchange } from "./exchange.ts";
import type { Limits } from "./limits.ts";
import { THRESHOLDS } from "./overload.ts";
import type { Priority } from "./overload.ts";
import type { Operation } from "./routes.ts";

/** The client went away before it was answered; nginx's number for it. */
const CLIENT_GONE = 499;
const UNKNOWN = "unknown";
/** First digit of statuses that are our fault. */
const FAILED = 5;
/** What nobody serves is no measure of what is served. */
const PRIORITY_OF_UNKNOWN: Priority = "low";

export type GatewayLabel = "public" | "admin";
export type LimitName = keyof Pick<Limits, "anonymous" | "user" | "auth">;

interface Series {
  labels: { gateway: GatewayLabel; route: string; priority: Priority };
  /** By the first digit of the status. */
  requests: (Counter.Internal | undefined)[];
  seconds: Histogram.Internal<string>;
}

export class Recorder {
  readonly #gateway: GatewayLabel;
  readonly #requests: Counter;
  readonly #seconds: Histogram;
  readonly #shed: Record<Priority, Counter.Internal>;
  readonly #limited: Record<LimitName, Counter.Internal>;
  /** Bound once for each route: looking labels up costs more than counting. */
  readonly #series = new Map<string, Series>();
  readonly #log: Logger | null;

  /** Without `log` nothing is logged. The gateways of one process share the metrics. */
  constructor(registry: Registry, gateway: GatewayLabel, log: Logger | null) {
    this.#gateway = gateway;
    this.#log = log;
    this.#requests = counterOf(registry, "club_alliance_http_requests_total");
    this.#seconds = histogramOf(registry, "club_alliance_http_request_duration_seconds");
    const shed = counterOf(registry, "club_alliance_http_shed_total");
    this.#shed = each(Object.keys(THRESHOLDS) as Priority[], (priority) =>
      begun(shed.labels({ gateway, priority })),
    );
    const limited = counterOf(registry, "club_alliance_http_limited_total");
    this.#limited = each(["anonymous", "user", "auth"], (limit) => begun(limited.labels({ gateway, limit })));
  }

  /**
   * After the answer was sent, or the client went away; of a stream when it has begun. Returns the status that is counted.
   */
  record(exchange: Exchange): number {
    const { operation, res } = exchange;
    const status = res.writableFinished || exchange.streams ? res.statusCode : CLIENT_GONE;
    const ms = performance.now() - exchange.startedAt;
    const series = this.#seriesOf(operation);
    const digit = Math.floor(status / 100);
    const counter = (series.requests[digit] ??= this.#requests.labels({
      ...series.labels,
      status: `${digit}xx`,
    }));
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
    return status;
  }

  /** A request was refused since there are too many. */
  shed({ priority }: Operation): void {
    this.#shed[priority].inc();
  }

  /** One was refused since it is beyond a limit. */
  limited(limit: LimitName): void {
    this.#limited[limit].inc();
  }

  #seriesOf(operation: Operation | null): Series {
    const route = operation?.label ?? UNKNOWN;
    let series = this.#series.get(route);
    if (!series) {
      const priority = operation?.priority ?? PRIORITY_OF_UNKNOWN;
      const labels = { gateway: this.#gateway, route, priority };
      const requests: Series["requests"] = [];
      requests[FAILED] = begun(this.#requests.labels({ ...labels, status: `${FAILED}xx` }));
      this.#series.set(route, (series = { labels, requests, seconds: this.#seconds.labels(labels) }));
    }
    return series;
  }
}

function each<K extends string, V>(keys: readonly K[], of: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, of(key)])) as Record<K, V>;
}

/** From 0 on, so that the first one shows as a rise. */
function begun(counter: Counter.Internal): Counter.Internal {
  counter.inc(0);
  return counter;
}

/** Spans, made, kept in batches and sent by OpenTelemetry's SDK, as OTLP over HTTP. Loaded only where they are sent. */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import type { Attributes, Tracer } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { IdGenerator, ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "moleculer";
import { VERSION } from "../lib/version.ts";
import type { SpanOfRequest } from "./tracing.ts";

/** Milliseconds. */
const EVERY = 2_000;
const UPLOAD = 5_000;
const STOP = 2_000;
/** Spans that wait to be sent; what comes on top of them is left out. */
const MAX_WAITING = 4_096;
/** How far the clock may have been set before spans follow it. */
const CLOCK_SET = 100;

export class Spans {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  readonly #ids = new GivenIds();
  #sinceEpoch = performance.timeOrigin;

  /**
   * @param url of the collector, without `/v1/traces`
   * @param resource what all spans of the node have in common
   */
  constructor(url: string, resource: Attributes, log: Logger) {
    const exporter = new OTLPTraceExporter({
      url: `${url.replace(/\/+$/, "")}/v1/traces`,
      timeoutMillis: UPLOAD,
    });
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({ ...resource, "service.version": VERSION }),
      // It is decided before a span is made.
      sampler: new AlwaysOnSampler(),
      idGenerator: this.#ids,
      spanProcessors: [
        new BatchSpanProcessor({
          exporter: new WatchedExporter(exporter, log),
          scheduledDelayMillis: EVERY,
          exportTimeoutMillis: 2 * UPLOAD,
          maxQueueSize: MAX_WAITING,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer("club-alliance", VERSION);
  }

  /** Takes a span that has ended now. */
  add({ traceId, id, parent, name, kind, begin, attributes, error }: SpanOfRequest): void {
    this.#ids.give(traceId, id);
    const above = parent
      ? trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: parent, traceFlags: TraceFlags.SAMPLED })
      : ROOT_CONTEXT;
    const { start, end } = this.#times(begin);
    const span = this.#tracer.startSpan(
      name,
      {
        kind: SpanKind[kind],
        startTime: start,
        attributes: error ? { ...attributes, "error.type": error.type } : attributes,
      },
      above,
    );
    if (error?.ours) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(end);
  }

  /** Sends what is left, if it is taken in time. */
  async stop(): Promise<void> {
    await Promise.race([this.#provider.shutdown().catch(() => undefined), sleep(STOP, null, { ref: false })]);
  }

  /** Milliseconds since 1970, finer than Date has them, from those of performance.now(). */
  #times(begin: number): { start: number; end: number } {
    const now = performance.now();
    const sinceEpoch = Date.now() - now;
    if (Math.abs(sinceEpoch - this.#sinceEpoch) > CLOCK_SET) this.#sinceEpoch = sinceEpoch;
    return { start: this.#sinceEpoch + begin, end: this.#sinceEpoch + now };
  }
}

/** The ids follow from those of the request: lib/traces.ts. */
class GivenIds implements IdGenerator {
  #traceId = "";
  #spanId = "";

  give(traceId: string, spanId: string): void {
    this.#traceId = traceId;
    this.#spanId = spanId;
  }

  generateTraceId(): string {
    return this.#traceId;
  }

  generateSpanId(): string {
    return this.#spanId;
  }
}

type Done = Parameters<SpanExporter["export"]>[1];

/** Says once in the log that spans cannot be sent, and once that they can again. */
class WatchedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #log: Logger;
  #failing = false;

  constructor(exporter: SpanExporter, log: Logger) {
    this.#exporter = exporter;
    this.#log = log;
  }

  export(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      const failed = result.error !== undefined;
      if (failed && !this.#failing)
        this.#log.warn("Traces cannot be sent: is TRACING_URL right?", { problem: result.error?.message });
      if (!failed && this.#failing) this.#log.info("Traces are sent again");
      this.#failing = failed;
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }
}

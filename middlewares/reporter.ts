/**
 * Reports to Sentry. The parts of Sentry's own client that read an address and a stack, and write and send an envelope,
 * without the client, which would add what it finds out about host, process and request: an event holds what is named here.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  createEventEnvelope,
  createStackParser,
  createTransport,
  getEnvelopeEndpointWithUrlEncodedAuth,
  makeDsn,
  uuid4,
} from "@sentry/core";
import type { DsnComponents, Event, StackFrame, Transport, TransportMakeRequestResponse } from "@sentry/core";
import { nodeStackLineParser } from "@sentry/core/server";
import { LRUCache } from "lru-cache";
import type { Logger } from "moleculer";
import { framesOf, scrub } from "../lib/scrub.ts";
import { isSampled, rootSpanOf, traceIdOf } from "../lib/traces.ts";
import { VERSION } from "../lib/version.ts";

/** The same error is reported no sooner again (milliseconds). */
const SAME = 60_000;
const HOUR = 3_600_000;
const MAX_AN_HOUR = 100;
/** Reports under way; what comes on top of them is left out. */
const MAX_WAITING = 20;
const UPLOAD = 5_000;
const MAX_FRAMES = 50;

const ROOT = path.join(import.meta.dirname, "..");

export interface Report {
  level: "error" | "fatal";
  action?: string;
  requestId?: string | undefined;
}

export class Reporter {
  readonly #dsn: DsnComponents;
  readonly #node: string;
  readonly #log: Logger;
  readonly #transport: Transport;
  readonly #parse = createStackParser(nodeStackLineParser());
  readonly #seen = new LRUCache<string, true>({ max: 500, ttl: SAME });
  #hour = 0;
  #reported = 0;
  #failing = false;

  constructor(dsn: string, node: string, log: Logger) {
    const read = makeDsn(dsn);
    if (!read) throw new Error("SENTRY_DSN is no address of a Sentry project.");
    this.#dsn = read;
    this.#node = node;
    this.#log = log;
    const url = getEnvelopeEndpointWithUrlEncodedAuth(read);
    this.#transport = createTransport(
      { bufferSize: MAX_WAITING, recordDroppedEvent: () => undefined },
      ({ body }) => post(url, body),
    );
  }

  /** Never throws, and waits for nobody. What was reported a minute ago, or is too much for an hour, is left out. */
  report(thrown: unknown, report: Report): void {
    const event = this.#eventOf(thrown, report);
    const [exception] = event.exception?.values ?? [];
    const { filename, lineno } = exception?.stacktrace?.frames?.at(-1) ?? {};
    if (!this.#may(`${exception?.type} ${exception?.value} ${filename}:${lineno}`)) return;
    this.#transport.send(createEventEnvelope(event, this.#dsn)).then(
      ({ statusCode = 200 }) => this.#tell(statusCode < 400 ? null : `status ${statusCode}`),
      (failure: unknown) => this.#tell(String((failure as { cause?: unknown }).cause ?? failure)),
    );
  }

  /** Waits until what was reported is out, at most so many milliseconds. */
  async flush(ms: number): Promise<void> {
    await this.#transport.flush(ms);
  }

  #may(same: string): boolean {
    const hour = Math.floor(Date.now() / HOUR);
    if (hour !== this.#hour) [this.#hour, this.#reported] = [hour, 0];
    if (this.#reported >= MAX_AN_HOUR || this.#seen.has(same)) return false;
    this.#seen.set(same, true);
    this.#reported += 1;
    return true;
  }

  #tell(problem: string | null): void {
    if (problem !== null && !this.#failing)
      this.#log.warn("Sentry takes no reports: is SENTRY_DSN right?", { problem });
    this.#failing = problem !== null;
  }

  #eventOf(error: unknown, { level, action, requestId }: Report): Event {
    const known = error instanceof Error;
    const frames = this.#parse(framesOf(error).slice(0, MAX_FRAMES).join("\n")).map(frameOf);
    return {
      event_id: uuid4(),
      timestamp: Date.now() / 1_000,
      platform: "node",
      level,
      release: `club-alliance@${VERSION}`,
      tags: { node: this.#node, ...(action && { action }), ...(requestId && { request_id: requestId }) },
      ...(requestId &&
        isSampled(requestId) && {
          contexts: { trace: { trace_id: traceIdOf(requestId), span_id: rootSpanOf(requestId) } },
        }),
      exception: {
        values: [
          {
            type: known ? scrub(error.name) : typeof error,
            value: scrub(known ? error.message : String(error)),
            stacktrace: { frames },
            mechanism: { type: "generic", handled: level === "error" },
          },
        ],
      },
    };
  }
}

/** Where in the code, and nothing of what was there. */
function frameOf({ filename = "", function: name, lineno, colno }: StackFrame): StackFrame {
  const file = filename.startsWith("file://") ? fileURLToPath(filename) : filename;
  const relative = path.relative(ROOT, file);
  const outside = !path.isAbsolute(file) || relative.startsWith("..");
  const ours = !outside && !relative.startsWith("node_modules");
  return { filename: outside ? path.basename(file) : relative, function: name, lineno, colno, in_app: ours };
}

async function post(url: string, body: string | Uint8Array): Promise<TransportMakeRequestResponse> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/x-sentry-envelope" },
    // The types of fetch leave out views of memory that could be shared, which an envelope never is.
    body: body as string | Uint8Array<ArrayBuffer>,
    signal: AbortSignal.timeout(UPLOAD),
  });
  await answer.arrayBuffer();
  const headers = {
    "x-sentry-rate-limits": answer.headers.get("x-sentry-rate-limits"),
    "retry-after": answer.headers.get("retry-after"),
  };
  return { statusCode: answer.status, headers };
}

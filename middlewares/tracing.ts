/**
 * Traces of one request in ten, in Zipkin's format (v2): a span for each action, on the node that runs it. Other requests
 * cost a look at a flag; Moleculer's own tracing makes the spans of all, whether they are kept or not. Never params.
 */
import { hash } from "node:crypto";
import type { Logger, Middleware, ServiceBroker } from "moleculer";
import type { Ctx } from "../lib/implement.ts";
import { asMiddleware } from "./middleware.ts";

const RATE = 0.1;
const EVERY_MS = 2_000;
const UPLOAD_MS = 5_000;
/** Spans that wait to be sent; what comes on top of them is left out. */
const MAX_SPANS = 20_000;

/** What Moleculer carries to the calls within, also to other nodes. */
type Traced = Ctx & { tracing?: boolean | null; parentID?: string | null };

interface Span {
  traceId: string;
  id: string;
  parentId?: string;
  name: string;
  kind: "SERVER";
  /** Microseconds since 1970. */
  timestamp: number;
  /** Microseconds. */
  duration: number;
  localEndpoint: { serviceName: string };
  tags: { node: string; requestId: string; error?: string };
}

/**
 * @param url of the collector, without `/api/v2/spans`
 * @param rate share of the requests, 0 to 1; decided where a request begins
 */
export function tracing(url: string, rate = RATE): Middleware {
  const queue = new Queue(`${url.replace(/\/+$/, "")}/api/v2/spans`);
  return asMiddleware({
    name: "Tracing",
    started: async (broker: ServiceBroker) => queue.start(broker.logger),
    stopped: () => queue.stop(),
    localAction(next, action) {
      const service = action.name.slice(0, action.name.lastIndexOf("."));
      const traced = async (ctx: Traced): Promise<unknown> => {
        const timestamp = Date.now() * 1_000;
        const begin = performance.now();
        let failure: string | undefined;
        try {
          return await next(ctx);
        } catch (error) {
          failure = (error as { type?: string }).type ?? "error";
          throw error;
        } finally {
          const requestId = String(ctx.requestID);
          queue.add({
            traceId: traceIdOf(requestId),
            id: spanIdOf(ctx.id),
            ...(ctx.parentID && { parentId: spanIdOf(ctx.parentID) }),
            name: action.name,
            kind: "SERVER",
            timestamp,
            duration: Math.max(1, Math.round((performance.now() - begin) * 1_000)),
            localEndpoint: { serviceName: service },
            tags: { node: ctx.broker.nodeID, requestId, ...(failure && { error: failure }) },
          });
        }
      };
      return (ctx: Traced) => {
        ctx.tracing ??= Math.random() < rate;
        return ctx.tracing ? traced(ctx) : next(ctx);
      };
    },
  });
}

class Queue {
  readonly #url: string;
  #spans: Span[] = [];
  #timer: NodeJS.Timeout | undefined;
  #log: Logger | undefined;
  #failing = false;

  constructor(url: string) {
    this.#url = url;
  }

  add(span: Span): void {
    if (this.#spans.length < MAX_SPANS) this.#spans.push(span);
  }

  start(log: Logger): void {
    this.#log = log;
    this.#timer = setInterval(() => void this.#send(), EVERY_MS).unref();
  }

  /** Sends what is left. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#send();
  }

  /** Never rejects: what cannot be sent is left out, and the log says so once. */
  async #send(): Promise<void> {
    if (this.#spans.length === 0) return;
    const body = JSON.stringify(this.#spans);
    this.#spans = [];
    const problem = await this.#post(body);
    if (problem !== null && !this.#failing)
      this.#log?.warn("Traces cannot be sent: is TRACING_URL right?", { problem });
    if (problem === null && this.#failing) this.#log?.info("Traces are sent again");
    this.#failing = problem !== null;
  }

  async #post(body: string): Promise<string | null> {
    try {
      const answer = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
        signal: AbortSignal.timeout(UPLOAD_MS),
      });
      await answer.arrayBuffer();
      return answer.ok ? null : `status ${answer.status}`;
    } catch (error) {
      return String((error as { cause?: unknown }).cause ?? error);
    }
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** 32 hexadecimal digits. A request may come with an id of any form. */
function traceIdOf(requestId: string): string {
  return UUID.test(requestId) ? requestId.replaceAll("-", "") : hash("md5", requestId);
}

/** 16 hexadecimal digits, of the random ones of the context's id. */
function spanIdOf(id: string): string {
  return id.replaceAll("-", "").slice(-16);
}

/**
 * Traces of one request in ten, in OpenTelemetry's form: a span for the request at the gateway, for each call to another
 * node, for each action on the node that runs it, and for each message. Other requests cost a look at a flag. Which ids
 * spans have, and whose children they are, follows from ids that travel anyway (lib/traces.ts). Never params.
 */
import type { Attributes, SpanKind } from "@opentelemetry/api";
import type { Middleware, ServiceBroker } from "moleculer";
import type { Envelope } from "../lib/declare.ts";
import { isAppError } from "../lib/errors.ts";
import type { Ctx } from "../lib/implement.ts";
import { clientSpanOf, edgeSpanOf, isSampled, rootSpanOf, spanIdOf, traceIdOf } from "../lib/traces.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { isFailure } from "./errors.ts";
import { asMiddleware } from "./middleware.ts";
import type { Handler } from "./middleware.ts";
import type { Spans } from "./spans.ts";

/** What Moleculer carries to the calls within, also to other nodes. */
type Traced = Ctx & { tracing?: boolean | null; parentID?: string | null };

/** A span that ends now. */
export interface SpanOfRequest {
  traceId: string;
  id: string;
  parent: string | undefined;
  name: string;
  kind: keyof typeof SpanKind;
  /** By performance.now(). */
  begin: number;
  attributes: Attributes;
  /** What came of it, where it is no success; `ours`: the fault is not the caller's. */
  error?: { type: string; ours: boolean } | undefined;
}

const open = new WeakMap<Runtime, Spans>();

/** @param url of the collector, without `/v1/traces` */
export function tracing(runtime: Runtime, url: string): Middleware {
  const consumes = (action: string): boolean => Boolean(runtime.contracts.get(action)?.consumes);
  const sampled = (ctx: Traced): boolean => (ctx.tracing ??= isSampled(String(ctx.requestID)));

  const around = (next: Handler, name: string, kindOf: (ctx: Traced) => Kind | null): Handler => {
    const traced = async (ctx: Traced): Promise<unknown> => {
      const spans = open.get(runtime);
      const kind = spans && kindOf(ctx);
      if (!kind) return next(ctx);
      const begin = performance.now();
      let error: SpanOfRequest["error"];
      try {
        return await next(ctx);
      } catch (thrown) {
        error = errorOf(thrown);
        throw thrown;
      } finally {
        spans.add({
          ...placeOf(ctx, kind),
          name,
          kind,
          begin,
          attributes: attributesOf(ctx, name, kind),
          error,
        });
      }
    };
    return (ctx: Traced) => (sampled(ctx) ? traced(ctx) : next(ctx));
  };

  return asMiddleware({
    name: "Tracing",
    async starting(broker: ServiceBroker) {
      // Loaded only here: the packages take memory and time to start.
      const { Spans } = await import("./spans.ts");
      open.set(runtime, new Spans(url, resourceOf(runtime, broker), broker.logger));
    },
    async stopped() {
      await open.get(runtime)?.stop();
    },
    localAction(next, action) {
      if (action.visibility === "private") return withinRequest(next, sampled);
      const own = consumes(action.name) ? "CONSUMER" : "INTERNAL";
      return around(next, action.name, (ctx) => (own === "INTERNAL" && isRemote(ctx) ? "SERVER" : own));
    },
    remoteAction(next, action) {
      // A message has its span from whoever publishes it.
      return around(next, action.name, () => (consumes(action.name) ? null : "CLIENT"));
    },
  });
}

type Kind = "INTERNAL" | "SERVER" | "CLIENT" | "CONSUMER";

/** moleculer-web's way in: its span is the request's, which the gateway makes when it has answered. */
function withinRequest(next: Handler, sampled: (ctx: Traced) => boolean): Handler {
  return (ctx: Traced) => {
    if (sampled(ctx)) ctx.id = rootSpanOf(String(ctx.requestID));
    return next(ctx);
  };
}

const isRemote = (ctx: Traced): boolean => ctx.nodeID !== ctx.broker.nodeID;

/** Where a span of a call stands in its trace. */
function placeOf(ctx: Traced, kind: Kind): Pick<SpanOfRequest, "traceId" | "id" | "parent"> {
  const requestId = String(ctx.requestID);
  const id = kind === "CLIENT" ? clientSpanOf(ctx.id) : spanIdOf(ctx.id);
  const parent = kind === "SERVER" ? clientSpanOf(ctx.id) : callerOf(ctx, kind, requestId);
  return { traceId: traceIdOf(requestId), id, parent: parent === id ? undefined : parent };
}

/** What begins by itself, as steps of sagas do, hangs below the request that it is done for. */
function callerOf(ctx: Traced, kind: Kind, requestId: string): string {
  if (ctx.parentID) return spanIdOf(ctx.parentID);
  return kind === "CONSUMER" ? spanIdOf(messageOf(ctx).id) : rootSpanOf(requestId);
}

function attributesOf(ctx: Traced, action: string, kind: Kind): Attributes {
  const request = { "club_alliance.request_id": String(ctx.requestID) };
  if (kind !== "CONSUMER") return { ...request, "rpc.system.name": "moleculer", "rpc.method": action };
  const { id, type } = messageOf(ctx);
  return {
    ...request,
    "messaging.system.name": "club_alliance",
    "messaging.operation.type": "process",
    "messaging.operation.name": action,
    "messaging.destination.name": type,
    "messaging.message.id": id,
  };
}

/** It may be anything yet: nothing is validated out here. */
function messageOf({ params }: Traced): { id: string; type: string } {
  const { id, type } = (params ?? {}) as Partial<Envelope>;
  return { id: String(id), type: String(type) };
}

function errorOf(thrown: unknown): SpanOfRequest["error"] {
  const { type, name } = (thrown ?? {}) as { type?: string; name?: string };
  return { type: isAppError(thrown) ? thrown.type : (type ?? name ?? "_OTHER"), ours: isFailure(thrown) };
}

function resourceOf({ settings, domains }: Runtime, { nodeID }: ServiceBroker): Attributes {
  return {
    "service.name": domains.length === 1 ? domains[0] : "club-alliance",
    "service.namespace": settings.namespace,
    "service.instance.id": nodeID,
  };
}

/** What a gateway has answered. */
export interface Answered {
  requestId: string;
  method: string;
  /** The template of the path; null where nothing is served there. */
  route: string | null;
  status: number;
  /** By performance.now(). */
  begin: number;
}

/** The span of a request that a gateway has answered, if it is traced. */
export function traceRequest(runtime: Runtime, answered: Answered): void {
  const spans = open.get(runtime);
  const { requestId, method, route, status, begin } = answered;
  if (!spans || !isSampled(requestId)) return;
  spans.add({
    traceId: traceIdOf(requestId),
    id: rootSpanOf(requestId),
    parent: edgeSpanOf(requestId),
    name: route ? `${method} ${route}` : method,
    kind: "SERVER",
    begin,
    attributes: {
      "club_alliance.request_id": requestId,
      "http.request.method": method,
      ...(route && { "http.route": route }),
      "http.response.status_code": status,
    },
    error: status < 500 ? undefined : { type: String(status), ours: true },
  });
}

/**
 * The span of a message that the queue, or without one its consumers, have taken for the first time.
 * @param begin by performance.now(), when it was handed over
 */
export function traceMessage(runtime: Runtime, envelope: Envelope, begin: number): void {
  const spans = open.get(runtime);
  const requestId = requestIdOf(envelope);
  if (!spans || !isSampled(requestId)) return;
  const id = spanIdOf(envelope.id);
  const parent = rootSpanOf(requestId);
  spans.add({
    traceId: traceIdOf(requestId),
    id,
    parent: parent === id ? undefined : parent,
    name: `send ${envelope.type}`,
    kind: "PRODUCER",
    begin,
    attributes: {
      "club_alliance.request_id": requestId,
      "messaging.system.name": "club_alliance",
      "messaging.operation.type": "send",
      "messaging.operation.name": "send",
      "messaging.destination.name": envelope.type,
      "messaging.message.id": envelope.id,
      "club_alliance.outbox_ms": Math.max(0, Date.now() - envelope.at),
    },
  });
}

/** The id under which a message is followed: that of the request that told it, or its own where nobody asked for it. */
export function requestIdOf({ requestId, id }: Envelope): string {
  return requestId ?? id;
}

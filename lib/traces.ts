/**
 * The ids of traces. All of them, and whether a request is traced, follow from the id that the request carries through
 * every node and every message: so a consumer that is told of a change minutes later decides as the gateway did, and its
 * spans find their place in the same trace. Nothing is stored for it.
 */
import { hash } from "node:crypto";

/** Share of the requests that are traced. */
const RATE = 0.1;
/** Of 2^48: the last twelve digits of a trace id are random ones in every form of it. */
const DIGITS = 12;
const THRESHOLD = (1 - RATE) * 16 ** DIGITS;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** No client can send such an id: `~` is none of the characters that the gateways take in one. */
const FROM_EDGE = /^([0-9a-f]{32})~([0-9a-f]{16})~0([01])$/;
/** https://www.w3.org/TR/trace-context/#traceparent-header; later versions may carry more behind the flags. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
const ZEROS = /^0+$/;

/** The id of a request that the edge has begun a trace for, by its `traceparent`; null where that is none. */
export function requestIdOfEdge(traceparent: string): string | null {
  const [, trace, span, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (!trace || !span || !flags || ZEROS.test(trace) || ZEROS.test(span)) return null;
  return `${trace}~${span}~0${parseInt(flags, 16) & 1}`;
}

/** 32 hexadecimal digits. A request may come with an id of any form. */
export function traceIdOf(requestId: string): string {
  if (UUID.test(requestId)) return requestId.replaceAll("-", "");
  return FROM_EDGE.exec(requestId)?.[1] ?? hash("md5", requestId);
}

/**
 * Whether a request is traced: the edge has said so, or its trace id is among the one in ten that are, the same on every
 * node. As W3C's consistent sampling does, it looks whether the random digits of the id reach a threshold.
 */
export function isSampled(requestId: string): boolean {
  if (UUID.test(requestId)) return isChosen(requestId);
  const edge = FROM_EDGE.exec(requestId)?.[3];
  return edge === undefined ? isChosen(traceIdOf(requestId)) : edge === "1";
}

const isChosen = (id: string): boolean => parseInt(id.slice(-DIGITS), 16) >= THRESHOLD;

/** 16 hexadecimal digits, of the random ones of the id of a context or a message. */
export function spanIdOf(id: string): string {
  return id.replaceAll("-", "").slice(-16);
}

/** The span of a whole request, below which everything else hangs. */
export function rootSpanOf(requestId: string): string {
  return FROM_EDGE.test(requestId) ? hash("md5", requestId).slice(-16) : spanIdOf(traceIdOf(requestId));
}

/** The edge's own span, which the request's is a child of. */
export function edgeSpanOf(requestId: string): string | undefined {
  return FROM_EDGE.exec(requestId)?.[2];
}

/**
 * The caller's span of a call to another node, by the id of the call's context, which both know. The variant's digit of a
 * UUID (8 to b) is told apart by it.
 */
export function clientSpanOf(id: string): string {
  const span = spanIdOf(id);
  return `${parseInt(span.slice(0, 1), 16) & 3}${span.slice(1)}`;
}

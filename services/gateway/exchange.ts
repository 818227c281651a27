/** One request and its answer. */
import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import type { Readable } from "node:stream";
import type { Context } from "moleculer";
import type { Language } from "../../lib/declare.ts";
import { requestIdOfEdge } from "../../lib/traces.ts";
import type { Address } from "./address.ts";
import { addCors } from "./cors.ts";
import type { Gateway } from "./gateway.ts";
import type { Lane } from "./lane.ts";
import { languageOf } from "./language.ts";
import type { Operation } from "./routes.ts";

/** A request as moleculer-web hands it on. */
export type GatewayRequest = IncomingMessage & {
  exchange: Exchange;
  $ctx: Context;
  $params: { params: Record<string, string> };
};
export type GatewayResponse = ServerResponse & { exchange: Exchange };

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'";
const A_YEAR = "max-age=31536000";

export class Exchange {
  readonly gateway: Gateway;
  readonly req: GatewayRequest;
  readonly res: GatewayResponse;
  readonly startedAt = performance.now();
  readonly requestId: string;
  readonly language: Language;
  readonly address: Address;
  /** As it came, without a slash at the end. */
  readonly path: string;
  readonly query: string;
  operation: Operation | null = null;
  /** The caller and their token, once it is verified. */
  user: string | null = null;
  passport: string | null = null;
  /** The id of the caller's session. */
  session: string | null = null;
  /** Where it stands in line, on a route that has one. */
  lane: Lane | null = null;
  /** Answered, or given up by the client. */
  over = false;
  /** A stream that has begun: it is counted and recorded already, and goes on. */
  streams = false;
  /** Of the body that was sent. */
  bytes = 0;

  /** Sets what every answer carries, whatever comes of the request. */
  constructor(gateway: Gateway, req: GatewayRequest, res: GatewayResponse) {
    this.gateway = gateway;
    this.req = req;
    this.res = res;
    req.exchange = this;
    res.exchange = this;
    const { headers } = req;
    const url = req.url as string;
    const mark = url.indexOf("?");
    const path = mark < 0 ? url : url.slice(0, mark);
    this.path = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
    this.query = mark < 0 ? "" : url.slice(mark + 1);
    const peer = gateway.addresses.peer(req.socket.remoteAddress);
    this.requestId = requestIdOf(headers, peer.trusted);
    this.language = languageOf(headers["accept-language"]);
    this.address = gateway.addresses.client(peer, joined(headers["x-forwarded-for"]));
    res.setHeader("X-Request-Id", this.requestId);
    res.setHeader("X-Content-Type-Options", "nosniff");
    res.setHeader("Content-Security-Policy", CONTENT_POLICY);
    res.setHeader("Referrer-Policy", "no-referrer");
    res.setHeader("Vary", gateway.vary);
    if (peer.trusted && isHttps(headers["x-forwarded-proto"]))
      res.setHeader("Strict-Transport-Security", A_YEAR);
    if (headers.origin) addCors(this, headers.origin);
  }

  /** Ends the request; to a HEAD without the body. */
  send(status: number, type?: string, body?: string | Buffer): void {
    const { req, res } = this;
    if (res.headersSent) return;
    res.statusCode = status;
    if (this.gateway.draining) res.setHeader("Connection", "close");
    if (type === undefined || body === undefined) {
      if (status !== 204 && status !== 304) res.setHeader("Content-Length", 0);
      res.end();
      return;
    }
    const length = Buffer.byteLength(body);
    res.setHeader("Content-Type", type);
    res.setHeader("Content-Length", length);
    if (req.method === "HEAD") {
      res.end();
    } else {
      this.bytes = length;
      res.end(body);
    }
  }

  /** Ends the request with a body as it comes; where it breaks off the connection does, so that nobody takes it for whole. */
  stream(status: number, type: string, body: Readable): void {
    const { req, res } = this;
    if (res.headersSent || req.method === "HEAD") {
      body.destroy();
      this.send(status);
      return;
    }
    res.statusCode = status;
    if (this.gateway.draining) res.setHeader("Connection", "close");
    res.setHeader("Content-Type", type);
    body.on("data", (chunk: Buffer | string) => {
      this.bytes += Buffer.byteLength(chunk);
    });
    pipeline(body, res, () => undefined);
  }
}

/** The client's; or that of the trace which a trusted proxy has begun; or a new one. */
function requestIdOf({ "x-request-id": given, traceparent }: IncomingHttpHeaders, trusted: boolean): string {
  if (typeof given === "string" && REQUEST_ID.test(given)) return given;
  const ofEdge = trusted && typeof traceparent === "string" ? requestIdOfEdge(traceparent) : null;
  return ofEdge ?? randomUUID();
}

function joined(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(",") : header;
}

/** The hop nearest to us stands last. */
function isHttps(forwardedProto: string | string[] | undefined): boolean {
  return joined(forwardedProto)?.split(",").at(-1)?.trim().toLowerCase() === "https";
}

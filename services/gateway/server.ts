/** The HTTP server of a gateway: the limits of a connection, and an answer to what is not HTTP. */
import { createServer, STATUS_CODES } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { AppError, problemOf } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";

/** Longer than a balancer keeps a connection (60 s is usual), so that it is never the server that closes an idle one. */
const KEEP_ALIVE_MS = 75_000;
/**
 * For the whole of a request to arrive. `headersTimeout` is no higher: node (24) would swap the two, and it counts
 * from the first byte of a request, so that idle connections are not its business.
 */
const REQUEST_MS = 30_000;
/** After which a connection ends on which nothing moves. Streams of events write more often. */
const STILL_MS = 60_000;
/**
 * Answers that one connection may wait for. Node hands out requests that came together at once, however many; browsers
 * and balancers wait for one answer before they ask again.
 */
const MOST_OPEN = 16;

/** A connection, and how many answers it waits for. */
type Connection = Socket & { open?: number };

export function makeServer(handle: (req: IncomingMessage, res: ServerResponse) => void): Server {
  const server = createServer((req, res) => {
    if (takes(req.socket, res)) handle(req, res);
  });
  server.timeout = STILL_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  server.on("timeout", endStill);
  server.on("clientError", refuseRaw);
  return server;
}

/**
 * Counts a request, or ends its connection where it has too many. Otherwise somebody who reads nothing would keep all
 * that they have asked for in flight, until the gateway serves nobody.
 */
function takes(connection: Connection, res: ServerResponse): boolean {
  // Node goes on with what it has read before the end.
  if (connection.destroyed) return false;
  connection.open ??= 0;
  if (connection.open >= MOST_OPEN) {
    connection.destroy();
    return false;
  }
  connection.open += 1;
  // By then neither the request nor the answer may know its connection any more.
  res.once("close", () => {
    connection.open = (connection.open ?? 0) - 1;
  });
  return true;
}

/** Whoever waits for an action that takes its time has nothing to read yet, and goes on waiting. */
function endStill(this: Server, connection: Connection): void {
  const waits = (connection.open ?? 0) > 0 && connection.writableLength === 0;
  if (waits) connection.setTimeout(this.timeout);
  else connection.destroy();
}

/** Where there is no request to answer, the connection still gets a proper last word. */
function refuseRaw(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status = statusOf(error.code);
  const requestId = newId();
  const body = JSON.stringify({ ...problemOf(new AppError("BAD_REQUEST"), "en", requestId), status });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    "X-Content-Type-Options: nosniff",
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy: no-referrer",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

function statusOf(code: string | undefined): number {
  if (code === "HPE_HEADER_OVERFLOW") return 431;
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400;
}

/** The HTTP server of a gateway: its time limits, and an answer to what is not HTTP. */
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

export function makeServer(handle: (req: IncomingMessage, res: ServerResponse) => void): Server {
  const server = createServer(handle);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  server.on("clientError", refuseRaw);
  return server;
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

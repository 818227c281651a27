/** The end of an HTTP server without a failed request. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds that it goes on taking requests once it is not ready: longer than the probe of a balancer. */
export const GRACE_MS = 1_000;
/** Milliseconds after which connections are cut. */
export const WATCHDOG_MS = 10_000;
/** Milliseconds after the close that a connection may still bring the request which it was opened for. */
const SILENT_MS = 3_000;
const POLL_MS = 50;

/** The connections of a server; asked for before it listens. */
export function socketsOf(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}

/**
 * Resolves when the server is closed. Meanwhile its answers must carry `Connection: close`, so that clients let go of
 * their connections. Without a balancer, and where nobody is connected, there is nobody to wait for.
 */
export async function drain(server: Server, sockets: ReadonlySet<Socket>, balanced: boolean): Promise<void> {
  if (!server.listening) return;
  if (balanced || (await connectionsOf(server)) > 0) await sleep(GRACE_MS);
  await new Promise<void>((resolve) => {
    const watchdog = setTimeout(() => server.closeAllConnections(), WATCHDOG_MS);
    // A connection may become idle only later, after an answer that was begun before the drain.
    const idle = setInterval(() => server.closeIdleConnections(), POLL_MS);
    // Those that browsers open in advance are not idle to node: it waits for a request.
    const silent = setTimeout(() => closeSilent(sockets), SILENT_MS);
    server.close(() => {
      clearTimeout(watchdog);
      clearInterval(idle);
      clearTimeout(silent);
      resolve();
    });
  });
}

/** From which no byte has come. A request of which some has is waited for. */
function closeSilent(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}

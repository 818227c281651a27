/** The end of an HTTP server without a failed request. */
import type { Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds that it goes on taking requests once it is not ready: longer than the probe of a balancer. */
export const GRACE_MS = 1_000;
/** Milliseconds after which connections are cut. */
export const WATCHDOG_MS = 10_000;
const POLL_MS = 50;

/**
 * Resolves when the server is closed. Meanwhile its answers must carry `Connection: close`, so that clients let go of
 * their connections. Without a balancer, and where nobody is connected, there is nobody to wait for.
 */
export async function drain(server: Server, balanced: boolean): Promise<void> {
  if (!server.listening) return;
  if (balanced || (await connectionsOf(server)) > 0) await sleep(GRACE_MS);
  await new Promise<void>((resolve) => {
    const watchdog = setTimeout(() => server.closeAllConnections(), WATCHDOG_MS);
    // A connection may become idle only later, after an answer that was begun before the drain.
    const idle = setInterval(() => server.closeIdleConnections(), POLL_MS);
    server.close(() => {
      clearTimeout(watchdog);
      clearInterval(idle);
      resolve();
    });
  });
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}

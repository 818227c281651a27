/** A gateway that is told to stop: nobody's request fails. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { drain, GRACE_MS, WATCHDOG_MS } from "../../services/gateway/drain.ts";
import { eventually } from "../support/federation.ts";
import { startGateway } from "../support/gateway.ts";
import { Client } from "../support/http.ts";

/** A client that goes on until `elsewhere`, when the balancer before it has seen that this gateway is not ready. */
async function clientOf(
  url: string,
  elsewhere: () => boolean,
): Promise<{ answered: number; failed: string[]; closing: number }> {
  const client = new Client(url);
  const seen = { answered: 0, failed: [] as string[], closing: 0 };
  while (!elsewhere()) {
    try {
      const { status, headers } = await client.send("GET", "/things");
      if (status === 200) seen.answered += 1;
      else seen.failed.push(String(status));
      if (headers.connection === "close") seen.closing += 1;
    } catch (error) {
      seen.failed.push(String((error as NodeJS.ErrnoException).code));
    }
  }
  client.close();
  return seen;
}

test("under load no request fails, and one that takes its time is answered", async () => {
  const gateway = await startGateway();
  const { url, runtime } = gateway;
  let elsewhere = false;
  const clients = Array.from({ length: 20 }, () => clientOf(url, () => elsewhere));
  await sleep(300);
  const slow = new Client(url);
  gateway.behavior.list = async ({ params, headers }) => {
    if ((params as { q?: string }).q === "slow") await sleep(GRACE_MS + 700);
    return { params, headers };
  };
  const taken = slow.send("GET", "/things?q=slow");
  await sleep(50);
  const stopped = gateway.stop();
  await eventually(async () => ("node" in runtime.readiness.reasons ? true : undefined));
  const probe = new Client(url);
  const answer = await eventually(async () => {
    const tried = await probe.send("GET", "/things");
    return tried.headers.connection === "close" ? tried : undefined;
  });
  expect(answer.status).toBe(200);
  const health = new Client(`http://127.0.0.1:${runtime.ports.get("health")}`);
  expect((await health.send("GET", "/health/ready")).status).toBe(503);
  await sleep(GRACE_MS / 2); // a balancer's probe
  elsewhere = true;
  expect((await taken).status).toBe(200);
  const seen = await Promise.all(clients);
  await stopped;
  slow.close();
  probe.close();
  health.close();
  expect(seen.flatMap(({ failed }) => failed)).toEqual([]);
  for (const { answered, closing } of seen) expect(answered > 10 && closing > 0).toBe(true);
});

describe("an HTTP server", () => {
  let server: Server;
  const listening = async (handle: (response: { end(): void }) => void): Promise<number> => {
    server = createServer((_request, response) => handle(response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };
  afterEach(() => server.closeAllConnections());

  test("idle connections do not hold it", async () => {
    const port = await listening((response) => response.end());
    const socket = connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    const before = performance.now();
    await drain(server, false);
    expect(performance.now() - before).toBeLessThan(WATCHDOG_MS);
    expect(server.listening).toBe(false);
  });

  test("a request that never ends is cut in the end", async () => {
    const port = await listening(() => {});
    const socket = connect(port, "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await sleep(100);
    await drain(server, false);
    await closed;
    expect(server.listening).toBe(false);
  });

  test("behind a balancer it waits whether or not anybody is connected", async () => {
    await listening((response) => response.end());
    const before = performance.now();
    const drained = drain(server, true);
    await sleep(50);
    expect(server.listening).toBe(true);
    await drained;
    expect(performance.now() - before).toBeGreaterThanOrEqual(GRACE_MS - 1);
  });

  test("one that does not listen is drained", async () => {
    server = createServer();
    await drain(server, true);
  });
});

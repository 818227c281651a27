/** A gateway that is told to stop: nobody's request fails. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBroker } from "moleculer";
import type { ServiceSchema } from "moleculer";
import { readSettings } from "../../lib/settings.ts";
import { brokerOptions, newRuntime } from "../../moleculer.config.ts";
import api from "../../services/gateway/api.service.ts";
import { drain, GRACE_MS, socketsOf, WATCHDOG_MS } from "../../services/gateway/drain.ts";
import { eventually } from "../support/federation.ts";
import { startGateway } from "../support/gateway.ts";
import { Client } from "../support/http.ts";

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

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
  await sleep(GRACE_MS / 4); // a balancer's probe
  elsewhere = true;
  expect(answer.status).toBe(200);
  const health = new Client(`http://127.0.0.1:${runtime.ports.get("health")}`);
  expect((await health.send("GET", "/health/ready")).status).toBe(503);
  expect((await taken).status).toBe(200);
  const seen = await Promise.all(clients);
  await stopped;
  slow.close();
  probe.close();
  health.close();
  expect(seen.flatMap(({ failed }) => failed)).toEqual([]);
  expect(seen.every(({ answered }) => answered > 0)).toBe(true);
  expect(seen.some(({ closing }) => closing > 0)).toBe(true);
});

describe("an HTTP server", () => {
  let server: Server;
  let sockets: ReadonlySet<Socket>;
  const listening = async (handle: (response: { end(): void }) => void): Promise<number> => {
    server = createServer((_request, response) => handle(response));
    sockets = socketsOf(server);
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
    await drain(server, sockets, false);
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
    await drain(server, sockets, false);
    await closed;
    expect(server.listening).toBe(false);
  });

  test("behind a balancer it waits whether or not anybody is connected", async () => {
    await listening((response) => response.end());
    const before = performance.now();
    const drained = drain(server, sockets, true);
    await sleep(50);
    expect(server.listening).toBe(true);
    await drained;
    expect(performance.now() - before).toBeGreaterThanOrEqual(GRACE_MS - 1);
  });

  test("one that does not listen is drained", async () => {
    server = createServer();
    await drain(server, socketsOf(server), true);
  });

  /** A connection that has sent so much; tells what ended it, and when. */
  async function connected(port: number, sent = ""): Promise<{ socket: Socket; ended: Promise<string> }> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    let heard = "";
    socket.on("data", (data) => (heard += String(data)));
    const ended = new Promise<string>((resolve) => socket.once("close", () => resolve(heard)));
    await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
    if (sent) socket.write(sent);
    return { socket, ended };
  }

  test("a connection that has sent nothing does not hold it; a request that has begun is waited for", async () => {
    const port = await listening((response) => response.end());
    const silent = await connected(port);
    const begun = await connected(port, "GET / HTTP/1.1\r\nHo");
    const order: string[] = [];
    void silent.ended.then(() => order.push("the silent one is closed"));
    const drained = drain(server, sockets, false).then(() => order.push("the server is closed"));
    expect(await silent.ended).toBe("");
    begun.socket.write("st: x\r\nConnection: close\r\n\r\n");
    expect(await begun.ended).toMatch(/^HTTP\/1.1 200 /);
    await drained;
    expect(order).toEqual(["the silent one is closed", "the server is closed"]);
  });

  test("connections that are gone are not kept", async () => {
    const port = await listening((response) => response.end());
    const { socket } = await connected(port);
    await eventually(async () => (sockets.size === 1 ? true : undefined));
    socket.destroy();
    await eventually(async () => (sockets.size === 0 ? true : undefined));
  });
});

/** A gateway whose node is told to stop at some moment of its start. */
async function stoppedWhile(
  moment: "before it listens" | "while it opens its port" | "after it listens",
): Promise<{ reasons: Record<string, string>; refused: boolean }> {
  const settings = readSettings({ PORT: "0", HEALTH_PORT: "0", LOG_LEVEL: "fatal", LOG_FORMAT: "json" });
  const runtime = newRuntime(settings, ["gateway"]);
  const broker = new ServiceBroker(brokerOptions(runtime));
  let stopped: Promise<void> | undefined;
  const tell = async (): Promise<void> => {
    stopped = broker.stop();
    await eventually(async () => runtime.readiness.reasons["node"] === "stopping" || undefined);
  };
  broker.createService({
    ...api,
    async started(this: ThisParameterType<NonNullable<typeof api.started>>) {
      if (moment === "before it listens") await tell();
      const start = (api.started as () => Promise<void>).call(this);
      if (moment === "while it opens its port") await tell();
      await start;
      if (moment === "after it listens") await tell();
    },
  } as ServiceSchema);
  await broker.start();
  const { reasons } = runtime.readiness;
  const port = runtime.ports.get("api");
  const refused = port === undefined || !(await answers(port));
  await stopped;
  return { reasons, refused };
}

test.each(["before it listens", "while it opens its port", "after it listens"] as const)(
  "told to stop %s, a node does not become ready and takes no connection",
  async (moment) => {
    const { reasons, refused } = await stoppedWhile(moment);
    expect(reasons["node"]).toBe("stopping");
    expect(refused).toBe(true);
  },
);

test("what a node drains is drained at the same time", async () => {
  const runtime = newRuntime(readSettings({ HEALTH_PORT: "0", LOG_LEVEL: "fatal", LOG_FORMAT: "json" }), []);
  const broker = new ServiceBroker(brokerOptions(runtime));
  await broker.start();
  let begun = 0;
  const untilBoth = async (): Promise<void> => {
    begun += 1;
    await eventually(async () => begun === 2 || undefined);
  };
  const ended: string[] = [];
  for (const name of ["one", "other"])
    runtime.drains.push(() => untilBoth().then(() => void ended.push(name)));
  await broker.stop();
  expect(ended.toSorted()).toEqual(["one", "other"]);
});

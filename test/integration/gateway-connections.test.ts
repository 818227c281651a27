/** Connections that send more than they read, or less than they have announced: others are served all the same. */
import type { Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { implement } from "../../lib/implement.ts";
import { makeServer } from "../../services/gateway/server.ts";
import type { WebService } from "../../services/gateway/web.ts";
import { eventually } from "../support/federation.ts";
import { startGateway } from "../support/gateway.ts";
import type { TestGateway } from "../support/gateway.ts";
import { Client } from "../support/http.ts";

const LANE = 300;
const summary = { en: "Get in", "zh-CN": "入场" };
const doors = declare("doors", {
  enter: {
    rest: "PUT /door",
    audit: { subject: "door" },
    summary,
    params: T.Object({ seat: T.Optional(T.Integer()) }),
    returns: T.Object({ seat: T.Integer() }),
    status: 200,
    access: "user",
    rush: true,
  },
});

let gateway: TestGateway;
const sockets: Socket[] = [];
beforeAll(async () => {
  const service = implement(doors, {
    actions: { enter: async ({ params }) => ({ seat: params.seat ?? 0 }) },
  });
  gateway = await startGateway({ more: [{ contract: doors, service }] });
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(async () => gateway?.stop());

const inFlight = () => (gateway.broker.getLocalService("api") as WebService).gateway.overload.inFlight;
const portOf = () => Number(new URL(gateway.url).port);
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const put = (token: string, body: string) =>
  `PUT /door HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
  `Content-Type: application/json\r\nContent-Length: 10\r\n\r\n${body}`;

interface Raw {
  socket: Socket;
  /** What has come so far. */
  heard: () => string;
  /** It is closed. */
  ended: Promise<void>;
}

/** A connection that has sent this; one that does not read does so once it is resumed. */
function sending(port: number, sent: string, reads = true): Raw {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  let heard = "";
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  socket.on("data", (data) => (heard += data.toString("latin1")));
  if (!reads) socket.pause();
  socket.write(sent);
  return { socket, heard: () => heard, ended };
}

const answersIn = (heard: string): string[] => heard.match(/HTTP\/1\.1 \d{3} /g) ?? [];

test("who asks for much at once and reads nothing is cut off, and keeps nothing in flight", async () => {
  const before = inFlight();
  const greedy = sending(portOf(), get("/docs/swagger-ui-bundle.js") + get("/things").repeat(100), false);
  await eventually(async () => (greedy.socket.bytesWritten > 0 && inFlight() === before ? true : undefined));
  greedy.socket.resume();
  await greedy.ended;
  expect(answersIn(greedy.heard()).length).toBeLessThanOrEqual(1);
  expect((await gateway.send("GET", "/things")).status).toBe(200);
  await eventually(async () => inFlight() === before || undefined);
});

test("so is who asks one by one before anything is answered", async () => {
  const before = inFlight();
  let letGo: () => void = () => {};
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  gateway.behavior.list = async ({ params, headers }) => {
    await gate;
    return { params, headers };
  };
  const greedy = sending(portOf(), get("/things"));
  for (let i = 1; i < 16; i++) greedy.socket.write(get("/things"));
  await eventually(async () => (inFlight() === before + 16 ? true : undefined));
  greedy.socket.write(get("/things"));
  await greedy.ended;
  expect(greedy.heard()).toBe("");
  await eventually(async () => inFlight() === before || undefined);
  letGo();
  expect((await gateway.send("GET", "/things")).status).toBe(200);
});

test("a few requests sent at once are all answered, and so are many one after another", async () => {
  const few = sending(portOf(), get("/things").repeat(16));
  await eventually(async () => (answersIn(few.heard()).length === 16 ? true : undefined));
  few.socket.write(get("/things"));
  await eventually(async () => (answersIn(few.heard()).length === 17 ? true : undefined));
  expect(new Set(answersIn(few.heard()))).toEqual(new Set(["HTTP/1.1 200 "]));
  const client = new Client(gateway.url);
  for (let i = 0; i < 40; i++) expect((await client.send("GET", "/things")).status).toBe(200);
  client.close();
});

describe("a connection on which nothing moves", () => {
  let server: Server;
  const listening = async (...[handle]: Parameters<typeof makeServer>): Promise<number> => {
    server = makeServer(handle);
    server.timeout = 200;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  test("ends where what is sent is not read", async () => {
    let closed = false;
    const port = await listening((_req, res) => {
      res.once("close", () => (closed = true));
      res.end(Buffer.alloc(32 * 1_048_576));
    });
    sending(port, get("/"), false);
    await eventually(async () => (closed ? true : undefined));
  });

  test("stays where an answer takes its time", async () => {
    const port = await listening((_req, res) => void setTimeout(() => res.end("late"), 1_500));
    const waiting = sending(port, get("/"));
    await eventually(async () => (waiting.heard().endsWith("late") ? true : undefined));
  });

  test("ends where nothing was asked for", async () => {
    const port = await listening((_req, res) => res.end());
    await sending(port, "").ended;
  });
});

describe("a line in which bodies do not come", () => {
  test("is free again soon, and whoever was in it is told", async () => {
    const token = gateway.token();
    const before = inFlight();
    const slow = Array.from({ length: LANE + 20 }, () => sending(portOf(), put(token, "{")));
    const told = () => slow.filter(({ heard }) => heard().startsWith("HTTP/1.1 408 "));
    // Those for whom there was no place are refused at once, and their connections stay.
    const refused = () => slow.filter(({ heard }) => heard().startsWith("HTTP/1.1 503 "));
    await eventually(async () => told().length + refused().length === slow.length || undefined);
    expect(told().length).toBeGreaterThan(0);
    for (const { heard } of told()) {
      expect(heard()).toMatch(/\r\nConnection: close\r\n/i);
      expect(heard()).toContain('"UPLOAD_TOO_SLOW"');
    }
    await Promise.all(told().map(({ ended }) => ended));
    expect((await gateway.send("PUT", "/door", { token, body: { seat: 7 } })).status).toBe(200);
    await eventually(async () => inFlight() === before || undefined);
  });

  test("takes a body in pieces, and says first who may not get in at all", async () => {
    const before = inFlight();
    const pieces = sending(portOf(), put(gateway.token(), '{"se'));
    await eventually(async () => (inFlight() > before ? true : undefined));
    pieces.socket.write('at":3}');
    await eventually(async () => (pieces.heard().endsWith('{"seat":3}') ? true : undefined));
    const nobody = sending(portOf(), put("x", ""));
    await eventually(async () => (nobody.heard().startsWith("HTTP/1.1 401 ") ? true : undefined));
  });
});

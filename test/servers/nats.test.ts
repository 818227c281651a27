import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBroker } from "moleculer";
import type { ServiceSchema } from "moleculer";
import { connect } from "nats";
import { natsOptions } from "../../lib/nats.ts";
import { Nats } from "../../middlewares/nats.ts";
import { eventually } from "../support/eventually.ts";
import { describeWith, startNats } from "../support/servers/index.ts";
import type { NatsServer } from "../support/servers/index.ts";

/** NATS' default. */
const MAX_PAYLOAD = 1_048_576;

describeWith(["nats"], "the transporter", () => {
  let server: NatsServer;
  let near: ServiceBroker;
  let far: ServiceBroker;

  async function node(nodeID: string, services: ServiceSchema[]): Promise<ServiceBroker> {
    const { host } = new URL(server.url);
    const broker = new ServiceBroker({ nodeID, transporter: new Nats({ servers: host }), logger: false });
    for (const each of services) broker.createService(each);
    await broker.start();
    return broker;
  }

  beforeAll(async () => {
    server = await startNats();
    const echo: ServiceSchema = {
      name: "echo",
      actions: {
        say: (ctx) => ctx.params,
        long: () => "x".repeat(MAX_PAYLOAD),
        never: () => new Promise(() => {}),
      },
    };
    far = await node("far", [echo]);
    near = await node("near", []);
    await near.waitForServices("echo");
  }, 30_000);

  afterAll(async () => {
    await near.stop();
    await far.stop();
    await server.stop();
  });

  test("many calls at once get each its own answer, and none is left waiting", async () => {
    const sent = Array.from({ length: 2_000 }, (_, n) => ({ n }));
    expect(await Promise.all(sent.map((params) => near.call("echo.say", params)))).toEqual(sent);
    expect(near.transit?.pendingRequests.size).toBe(0);
  });

  test("a message that is too long for NATS fails alone", async () => {
    const calls = [{ n: 1 }, { text: "x".repeat(MAX_PAYLOAD) }, { n: 3 }].map((params) =>
      near.call("echo.say", params),
    );
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(String((outcomes[1] as PromiseRejectedResult).reason)).toContain("MAX_PAYLOAD");
  });

  test("packets leave in the order in which they were sent", async () => {
    const seen: number[] = [];
    const listener = await node("listener", [
      { name: "listener", events: { counted: (ctx) => void seen.push((ctx.params as { n: number }).n) } },
    ]);
    await near.waitForServices("listener");
    for (let n = 0; n < 200; n += 1) await near.emit("counted", { n });
    for (let waited = 0; waited < 5_000 && seen.length < 200; waited += 20) await sleep(20);
    await listener.stop();
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  test("a node that ends says so, and who waits for it hears it", async () => {
    const leaver = await node("leaver", [
      { name: "leaver", actions: { never: () => new Promise(() => {}) } },
    ]);
    await near.waitForServices("leaver");
    const calls = Promise.allSettled([1, 2, 3].map(() => near.call("leaver.never")));
    await sleep(50);
    await leaver.stop();
    const outcomes = await calls;
    expect(outcomes.map((each) => (each as PromiseRejectedResult).reason.type)).toEqual(
      Array.from({ length: 3 }, () => "REQUEST_REJECTED"),
    );
    expect(near.transit?.pendingRequests.size).toBe(0);
  });
});

describeWith(["nats"], "a client", () => {
  test("that is refused for a while, as by a list of users that somebody mends, comes back", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "club-alliance-nats-"));
    const file = path.join(folder, "users.conf");
    const allow = (password: string) =>
      writeFile(file, `authorization { user: "clubs", password: "${password}" }\n`);
    await allow("right");
    const server = await startNats({ args: ["-c", file] });
    const client = await connect(natsOptions(server.url.replace("//", "//clubs:right@")));
    try {
      await allow("wrong");
      await server.restart();
      // Tries every half second: it is refused again and again.
      await sleep(3_000);
      expect(client.isClosed()).toBe(false);
      await allow("right");
      await server.restart();
      const flushed = () =>
        client.flush().then(
          () => true as const,
          () => undefined,
        );
      expect(await eventually(flushed)).toBe(true);
    } finally {
      await client.close();
      await server.stop();
      await rm(folder, { recursive: true });
    }
  }, 60_000);
});

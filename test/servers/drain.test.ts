/** A node that is told to stop takes no call too few and none too many, however late others hear of it. */
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBroker } from "moleculer";
import type { Middleware, ServiceSchema } from "moleculer";
import { newId } from "../../lib/ids.ts";
import { readSettings } from "../../lib/settings.ts";
import { brokerOptions, newRuntime } from "../../moleculer.config.ts";
import { eventually } from "../support/eventually.ts";
import { describeWith, startNats } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";

/** Longer than the broker goes on by itself. */
const LATE_MS = 900;

describeWith(["nats"], "the end of a node", () => {
  let nats: Server;
  const namespace = `t${newId()}`;
  const running = new Set<ServiceBroker>();

  beforeAll(async () => {
    nats = await startNats();
  });
  afterEach(async () => {
    await Promise.all([...running].map((each) => stop(each)));
  });
  afterAll(async () => {
    await nats?.stop();
  });

  async function start(
    name: string,
    services: ServiceSchema[],
    more: Middleware[] = [],
  ): Promise<ServiceBroker> {
    const settings = readSettings({
      NAMESPACE: namespace,
      NATS_URL: nats.url,
      ALLOW_EMBEDDED: "1",
      HEALTH_PORT: "0",
      LOG_LEVEL: "fatal",
      LOG_FORMAT: "json",
    });
    const { middlewares = [], ...options } = brokerOptions(newRuntime(settings, []));
    const broker = new ServiceBroker({
      ...options,
      nodeID: `${name}.test~1`,
      middlewares: [...middlewares, ...more],
    });
    running.add(broker);
    for (const service of services) broker.createService(service);
    await broker.start();
    return broker;
  }

  async function stop(broker: ServiceBroker): Promise<void> {
    running.delete(broker);
    await broker.stop();
  }

  /** Stands in for an action of users. */
  const roles = (handler: () => unknown): ServiceSchema => ({
    name: "users",
    actions: { rolesOf: { visibility: "public", handler } },
  });

  test("who hears late of its end is served until then", async () => {
    let late = false;
    const hearsLate = {
      name: "HearsLate",
      transporterReceive(next: (...args: unknown[]) => unknown) {
        return (...args: unknown[]) => {
          if (late) setTimeout(() => void next(...args), LATE_MS);
          else next(...args);
        };
      },
    } as unknown as Middleware;
    const [leaving, staying] = await Promise.all([
      start("leaving", [roles(() => ["leaving"])]),
      start("staying", [roles(() => ["staying"])]),
    ]);
    const caller = await start("caller", [], [hearsLate]);
    await caller.waitForServices("users", 20_000);
    // A node tells the others of itself a moment after it calls them.
    await eventually(
      async () => leaving.registry.getNodeList({ onlyAvailable: true }).length === 3 || undefined,
    );
    late = true;
    const answers: Promise<unknown>[] = [];
    let over = false;
    const calling = (async () => {
      while (!over) {
        const call = caller.call("users.rolesOf", { id: "x" }, { retries: 0, timeout: 8_000 });
        answers.push(call.catch((error: unknown) => String(error)));
        await sleep(10);
      }
    })();
    await sleep(100);
    await stop(leaving);
    await sleep(100);
    over = true;
    await calling;
    const said = (await Promise.all(answers)).flat();
    expect(new Set(said)).toEqual(new Set(["leaving", "staying"]));
    // Not only those that were under way when it was told.
    expect(said.filter((each) => each === "leaving").length).toBeGreaterThan(10);
    await stop(staying);
  }, 60_000);

  test("what is in work ends before any service of the node does", async () => {
    let stopped = false;
    const beside: ServiceSchema = {
      name: "clubs",
      actions: { record: { visibility: "public", handler: () => (stopped ? "too late" : "in time") } },
      stopped() {
        stopped = true;
      },
    };
    const leaving = await start("busy", [
      {
        name: "users",
        actions: {
          rolesOf: {
            visibility: "public",
            async handler(ctx) {
              await sleep(LATE_MS);
              return ctx.call("clubs.record", { id: "x" });
            },
          },
        },
      },
      beside,
    ]);
    const caller = await start("asking", []);
    await caller.waitForServices("users", 20_000);
    const answer = caller.call("users.rolesOf", { id: "x" }, { retries: 0 });
    await sleep(100);
    await stop(leaving);
    expect(stopped).toBe(true);
    await expect(answer).resolves.toBe("in time");
  }, 60_000);
});

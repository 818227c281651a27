/** Two nodes with the real broker's options and one small service, to see what the bus does to calls. */
import type { ActionName } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { readSettings } from "../../lib/settings.ts";
import { brokerOptions, newRuntime } from "../../moleculer.config.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBroker } from "moleculer";

export interface BareNodes {
  /** Calls the other node's action once; rejects as callers see it. */
  call(): Promise<unknown>;
  /** Address of the NATS server that the caller is connected to. */
  server(): string;
  /** Calls every 50 ms until so many milliseconds have gone without an error; how long errors went on. */
  untilWell(ms: number, limit: number): Promise<number>;
  /** One more node, which stands in for this action, once it has started. */
  begin(action: ActionName): Promise<{ stop(): Promise<void> }>;
  /** Resolves when the first node knows who stands in for this action. */
  known(action: ActionName): Promise<void>;
  /** Both. */
  join(action: ActionName): Promise<void>;
  stop(): Promise<void>;
}

export async function startBareNodes(env: Record<string, string>): Promise<BareNodes> {
  const namespace = `t${newId()}`;
  const nodes: ServiceBroker[] = [];
  /** @param action one that a contract declares, stood in for here */
  async function node(name: string, action?: ActionName): Promise<ServiceBroker> {
    const settings = readSettings({
      NAMESPACE: namespace,
      ALLOW_EMBEDDED: "1",
      HEALTH_PORT: "0",
      LOG_LEVEL: "fatal",
      LOG_FORMAT: "json",
      ...env,
    });
    const broker = new ServiceBroker({
      ...brokerOptions(newRuntime(settings, [])),
      nodeID: `${name}.test~1`,
    });
    nodes.push(broker);
    const [service, own] = action?.split(".") ?? [];
    const handler = (): string[] => ["yes"];
    if (service && own)
      broker.createService({ name: service, actions: { [own]: { visibility: "public", handler } } });
    await broker.start();
    return broker;
  }
  const far = node("far", "users.rolesOf");
  const near = await node("near");
  await far;
  await near.waitForServices("users", 20_000);
  const call = (): Promise<unknown> =>
    near.call("users.rolesOf", { id: "x" }, { timeout: 2_000, retries: 0 });
  const nameOf = (action: ActionName): string => action.split(".")[0] as string;
  const begin = (action: ActionName): Promise<ServiceBroker> => node(nameOf(action), action);
  const known = (action: ActionName): Promise<void> =>
    near.waitForServices(nameOf(action), 20_000).then(() => undefined);
  return {
    call,
    server: () =>
      (near.transit as unknown as { tx: { client: { getServer(): string } } }).tx.client.getServer(),
    async untilWell(ms, limit) {
      const begun = Date.now();
      let lastError = begun;
      while (Date.now() - lastError < ms) {
        if (Date.now() - begun > limit) throw new Error(`Calls still failed after ${limit} ms.`);
        await call().catch(() => (lastError = Date.now()));
        await sleep(50);
      }
      return lastError - begun;
    },
    begin,
    known,
    async join(action) {
      await begin(action);
      await known(action);
    },
    async stop() {
      await Promise.all(nodes.map((each) => each.stop()));
    },
  };
}

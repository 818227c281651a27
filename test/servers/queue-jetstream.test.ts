import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../../lib/ids.ts";
import { openQueue } from "../../lib/queue/index.ts";
import { eventually } from "../support/eventually.ts";
import { queueSuite } from "../support/queue-suite.ts";
import { describeWith, startNats } from "../support/servers/index.ts";
import { startNatsCluster } from "../support/servers/nats-cluster.ts";

describeWith(["nats", "mariadb"], "the queue on JetStream, three replicas", () => {
  queueSuite(startNatsCluster);
});

describeWith(["nats"], "JetStream that has lost its disk", () => {
  test("has its stream made again, takes messages and gives them", async () => {
    const dir = await mkdtemp(join(tmpdir(), "club-alliance-wiped-"));
    const server = await startNats({ args: ["-sd", dir] });
    const topology = new Map([["taker", ["things.made"]]]);
    const queue = await openQueue(server.url, { namespace: `n${newId()}`, topology, tell: () => undefined });
    const got: string[] = [];
    const subscription = queue.subscribe("taker", async ({ body }) => void got.push(body));
    const publish = async (body: string): Promise<true | undefined> => {
      const confirmed = await queue.publish([{ id: newId(), type: "things.made", key: "key", body }]);
      return confirmed.length === 1 || undefined;
    };
    const arrived = (body: string) => eventually(async () => got.includes(body) || undefined, 20_000);
    try {
      await eventually(() => publish("before"), 20_000);
      await arrived("before");
      await server.kill();
      await rm(dir, { recursive: true });
      await server.restart();
      await eventually(() => publish("after"), 20_000);
      await arrived("after");
      expect(got.at(-1)).toBe("after");
    } finally {
      await subscription.stop();
      await queue.close();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    }
  }, 90_000);
});

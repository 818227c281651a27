/** A Redis Cluster of three masters and three replicas. */
import { redisSuite } from "../support/redis-suite.ts";
import type { Fault } from "../support/redis-suite.ts";
import { describeWith } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startRedisCluster } from "../support/servers/redis-cluster.ts";
import type { RedisCluster } from "../support/servers/redis-cluster.ts";

describeWith(["redis"], "Redis Cluster", () => {
  let cluster: RedisCluster;
  let down: Server[] = [];
  /** The masters of a few keys: of one at least, so that the others' keys go on. */
  const masters = async (count: number): Promise<Server[]> => {
    const found = new Set<Server>();
    for (let n = 0; n < 50 && found.size < count; n++) found.add(await cluster.masterOf(`key-${n}`));
    return [...found];
  };
  const restart = async (): Promise<void> => {
    await Promise.all(down.splice(0).map((server) => server.restart()));
  };
  const faults = (): Fault[] => [
    {
      name: "a master killed",
      async cause() {
        down = await masters(1);
        await down[0]?.kill();
      },
      mend: restart,
    },
    {
      name: "a master frozen",
      async cause() {
        down = await masters(1);
        down[0]?.pause();
      },
      async mend() {
        for (const server of down.splice(0)) server.resume();
      },
    },
    {
      name: "all frozen",
      async cause() {
        down = [...cluster.nodes];
        for (const server of down) server.pause();
      },
      async mend() {
        for (const server of down.splice(0)) server.resume();
      },
    },
    { name: "flushed", cause: () => cluster.flush(), mend: async () => undefined },
  ];

  redisSuite(async () => (cluster = await startRedisCluster()), faults);
});

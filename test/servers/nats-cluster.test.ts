/** Three NATS servers of which one, or all, are killed, frozen or cut off: calls go on, or fail fast, and heal. */
import { startBareNodes } from "../support/bare-nodes.ts";
import type { BareNodes } from "../support/bare-nodes.ts";
import { describeWith } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startNatsCluster } from "../support/servers/nats-cluster.ts";
import type { NatsCluster } from "../support/servers/nats-cluster.ts";

/** Generous: what was measured is in docs/servers.md. */
const LIMIT = 30_000;
const QUIET = 2_000;

describeWith(["nats"], "a cluster of three NATS servers", () => {
  let nats: NatsCluster;
  let nodes: BareNodes;
  beforeAll(async () => {
    nats = await startNatsCluster();
    nodes = await startBareNodes({ NATS_URL: nats.url });
  }, 60_000);
  afterAll(async () => {
    await nodes?.stop();
    await nats?.stop();
  });

  const serverOfCaller = (): Server =>
    nats.nodes.find(({ port }) => nodes.server().endsWith(`:${port}`)) as Server;

  test.each(["killed", "frozen"] as const)(
    "the server of the caller is %s",
    async (way) => {
      const server = serverOfCaller();
      if (way === "killed") await server.kill();
      else server.pause();
      try {
        const ms = await nodes.untilWell(QUIET, LIMIT);
        process.stdout.write(`NATS, one of three ${way}: errors for ${ms} ms\n`);
        expect(serverOfCaller()).not.toBe(server);
      } finally {
        if (way === "killed") await server.restart();
        else server.resume();
        await nats.whole();
      }
    },
    60_000,
  );

  test("all are killed and come back", async () => {
    await nats.kill();
    const begun = Date.now();
    await expect(nodes.call()).rejects.toMatchObject({ code: 503 });
    expect(Date.now() - begun).toBeLessThan(10_000);
    await nats.restart();
    const ms = await nodes.untilWell(QUIET, LIMIT);
    process.stdout.write(`NATS, all killed: errors for ${ms} ms after they are back\n`);
  }, 60_000);
});

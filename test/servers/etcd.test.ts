/** A cluster whose nodes find each other through etcd; etcd killed and back, frozen. */
import { startBareNodes } from "../support/bare-nodes.ts";
import type { BareNodes } from "../support/bare-nodes.ts";
import { startEtcd } from "../support/servers/etcd.ts";
import { describeWith, startNats } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";

describeWith(["etcd", "nats"], "etcd as the discoverer", () => {
  let etcd: Server;
  let nats: Server;
  let nodes: BareNodes;
  beforeAll(async () => {
    [etcd, nats] = await Promise.all([startEtcd(), startNats()]);
    nodes = await startBareNodes({ NATS_URL: nats.url, DISCOVERER: `etcd3://127.0.0.1:${etcd.port}` });
  }, 60_000);
  afterAll(async () => {
    await nodes?.stop();
    await Promise.all([etcd?.stop(), nats?.stop()]);
  });

  test("nodes find each other, and one that joins", async () => {
    expect(await nodes.call()).toEqual(["yes"]);
    await nodes.join("clubs.records");
  }, 30_000);

  test.each([
    ["killed", "members.rolesOf"],
    ["frozen", "search.suggestClubs"],
  ] as const)(
    "%s: calls go on; who joins afterwards is found",
    async (way, joining) => {
      if (way === "killed") await etcd.kill();
      else etcd.pause();
      try {
        for (let n = 0; n < 60; n++) {
          expect(await nodes.call()).toEqual(["yes"]);
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      } finally {
        if (way === "killed") await etcd.restart();
        else etcd.resume();
      }
      await nodes.join(joining);
      expect(await nodes.call()).toEqual(["yes"]);
    },
    60_000,
  );

  test.each([
    ["killed", "files.claim"],
    ["frozen", "posts.records"],
  ] as const)(
    "%s: nodes start and stop; who has started is found afterwards",
    async (way, starting) => {
      if (way === "killed") await etcd.kill();
      else etcd.pause();
      try {
        await nodes.begin(starting);
        await (await nodes.begin("activities.records")).stop();
      } finally {
        if (way === "killed") await etcd.restart();
        else etcd.resume();
      }
      await nodes.known(starting);
    },
    60_000,
  );
});

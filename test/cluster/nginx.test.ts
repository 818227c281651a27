/** A whole cluster behind nginx, as it is shipped, restarted node by node at 200 requests a second. */
import { setTimeout as sleep } from "node:timers/promises";
import { CampusLife } from "../support/campus-life.ts";
import { CLUSTER_SERVERS } from "../support/cluster.ts";
import { Edge } from "../support/edge.ts";
import { Pairs } from "../support/pairs.ts";
import { describeWith } from "../support/servers/index.ts";

const RATE = 200;
/** What a node's code takes to become fast, on cores that it shares with all others: `minReadySeconds` of Kubernetes. */
const SETTLED = 5_000;
/** The same for all of them at once. */
const WARM_UP = 20_000;

describeWith([...CLUSTER_SERVERS, "nginx"], "a whole cluster behind nginx", () => {
  let pairs: Pairs;
  let edge: Edge;
  let life: CampusLife;

  beforeAll(async () => {
    pairs = await Pairs.start();
    edge = await Edge.start(pairs.gatewayPorts);
    life = new CampusLife(edge);
    await life.begin();
    await life.goOn(RATE / 2, () => sleep(WARM_UP));
  }, 180_000);

  afterAll(async () => {
    await edge?.stop();
    await pairs?.stop();
  }, 60_000);

  test("a rolling restart of every node fails no request, and nothing acknowledged is lost", async () => {
    const codes: (number | null)[] = [];
    const before = life.sent;
    const { due, seconds } = await life.goOn(RATE, async () => {
      for (const node of pairs.nodes.slice()) {
        codes.push(await pairs.restart(node, "SIGTERM"));
        await sleep(SETTLED);
      }
    });
    process.stderr.write(
      `${due} requests in ${seconds.toFixed(1)} s, ${(due / seconds).toFixed(0)} a second; ${life.failures.length} failed, ${life.deferred} sign-ups were told when to come again\n`,
    );
    expect(life.failures).toEqual([]);
    expect(codes).toEqual(pairs.nodes.map(() => 0));
    expect(life.sent - before).toBe(due);
    expect(await life.missing()).toEqual([]);
  }, 300_000);

  test("the same by SIGKILL is noticed: requests fail", async () => {
    const failed = life.failures.length;
    await life.goOn(RATE, async () => {
      const node = pairs.nodes.find(({ domain }) => domain.includes("posts"));
      if (node) await pairs.restart(node, "SIGKILL");
    });
    expect(life.failures.length).toBeGreaterThan(failed);
    expect(await life.missing()).toEqual([]);
  }, 120_000);
});

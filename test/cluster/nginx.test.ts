/**
 * A whole cluster behind nginx, as it is shipped, restarted node by node under requests. At 200 a second, which takes a
 * machine of its own, it is measured by `npm run bench -- restart`.
 */
import { CLUSTER_SERVERS } from "../support/cluster.ts";
import { LivePairs } from "../support/live-pairs.ts";
import { describeWith } from "../support/servers/index.ts";

const RATE = 80;

describeWith([...CLUSTER_SERVERS, "nginx"], "a whole cluster behind nginx", () => {
  let live: LivePairs;
  beforeAll(async () => {
    live = await LivePairs.start(RATE);
  }, 240_000);
  afterAll(() => live?.stop(), 60_000);

  test("a rolling restart of every node fails no request, and nothing acknowledged is lost", async () => {
    const { life, pairs } = live;
    const before = life.sent;
    const { codes, due, said } = await live.restartAll(RATE);
    process.stderr.write(`${said}\n`);
    expect(life.failures).toEqual([]);
    expect(codes).toEqual(pairs.nodes.map(() => 0));
    expect(life.sent - before).toBe(due);
    expect(await life.missing()).toEqual([]);
  }, 400_000);

  test("the same by SIGKILL is noticed: requests fail", async () => {
    const { life, pairs } = live;
    const failed = life.failures.length;
    await life.goOn(RATE, async () => {
      const node = pairs.nodes.find(({ domain }) => domain.includes("posts"));
      if (node) await pairs.restart(node, "SIGKILL");
    });
    expect(life.failures.length).toBeGreaterThan(failed);
    expect(await life.missing()).toEqual([]);
  }, 180_000);
});

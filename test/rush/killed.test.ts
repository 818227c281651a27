/** The process that decides is killed in the middle of a rush and started again, round after round. */
import { setTimeout as sleep } from "node:timers/promises";
import { askBroker, faults, positions, publish, rush, upTo } from "../support/rush.ts";
import type { Ask } from "../support/rush.ts";
import { describeWith } from "../support/servers/index.ts";
import { Nodes } from "./nodes.ts";

const ROUNDS = 10;
/** Few, since there are ten rounds: see processes.test.ts. */
const PLAN = { people: 500, twice: 50, leaving: 20 };
const PLACES = 100;

describeWith(["nats", "mongodb"], "a rush whose owner is killed", () => {
  let nodes: Nodes;
  beforeAll(async () => void (nodes = await Nodes.start()), 90_000);
  afterAll(() => nodes?.stop(), 60_000);

  test("is decided exactly, ten times", async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      const activity = await publish(nodes.broker, nodes.world, PLACES, true);
      let answers = 0;
      let killed: Promise<unknown> | undefined;
      const asked = askBroker(nodes.broker, activity);
      const ask: Ask = async (kind, user) => {
        const said = await asked(kind, user);
        // At another moment each round: while places are left, and later.
        if (said && ++answers >= round * 40) killed ??= kill(activity);
        return said;
      };
      const told = await rush(ask, PLAN);
      expect(killed).toBeDefined();
      await killed;
      // Whoever comes next finishes what the dead one has left.
      const ranks = await positions(nodes.store, activity, asked);
      expect({ round, faults: await faults(nodes.store, activity, PLACES, told) }).toEqual({
        round,
        faults: [],
      });
      expect(ranks).toEqual(upTo(PLAN.people - PLAN.leaving - PLACES));
    }
  }, 280_000);

  async function kill(activity: string): Promise<void> {
    const owner = nodes.ownerOf(activity);
    owner.kill("SIGKILL");
    await owner.exited;
    nodes.nodes.splice(nodes.nodes.indexOf(owner), 1);
    await sleep(200);
    await nodes.add();
  }
});

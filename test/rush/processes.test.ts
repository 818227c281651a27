/**
 * 4,000 people for 500 places at three processes of activities over NATS, on MongoDB. Not 20,000 as embedded: the
 * imitation of the server looks through a whole collection where MongoDB has an index.
 */
import { askBroker, CAPACITY, faults, positions, publish, rush, upTo } from "../support/rush.ts";
import { describeWith } from "../support/servers/index.ts";
import { Nodes } from "./nodes.ts";

describeWith(["nats", "mongodb"], "a rush at three processes", () => {
  let nodes: Nodes;
  beforeAll(async () => void (nodes = await Nodes.start()), 90_000);
  afterAll(() => nodes?.stop(), 60_000);

  test("is decided exactly, also after a restart of everything", async () => {
    const activity = await publish(nodes.broker, nodes.world, CAPACITY, true);
    const plan = { people: 4_000, twice: 400, leaving: 100 };
    const told = await rush(askBroker(nodes.broker, activity), plan);
    expect(told.promised.size).toBe(3_900);
    expect(await faults(nodes.store, activity, CAPACITY, told)).toEqual([]);
    await nodes.restart();
    expect(await faults(nodes.store, activity, CAPACITY, told)).toEqual([]);
    const ranks = await positions(nodes.store, activity, askBroker(nodes.broker, activity));
    expect(ranks).toEqual(upTo(4_000 - 100 - CAPACITY));
  }, 280_000);
});

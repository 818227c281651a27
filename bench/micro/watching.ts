/**
 * What counting and tracing add to a call within a node, in CPU microseconds: `node bench/micro/watching.ts`. Rounds in
 * turn; the median of the rounds' differences from the same call with nothing around it, and its range.
 */
import { ServiceBroker } from "moleculer";
import type { Middleware } from "moleculer";
import { isSampled } from "../../lib/traces.ts";
import { newId } from "../../lib/ids.ts";
import { readSettings } from "../../lib/settings.ts";
import { metrics } from "../../middlewares/metrics.ts";
import { tracing } from "../../middlewares/tracing.ts";
import { newRuntime } from "../../moleculer.config.ts";

const CALLS = 20_000;
const ROUNDS = 15;
/** Nothing listens there: what is sampled is made and thrown away. */
const NOWHERE = "http://127.0.0.1:9";

/** An id of a request that is traced, or is not. */
function idThat(sampled: boolean): string {
  for (;;) {
    const id = newId();
    if (isSampled(id) === sampled) return id;
  }
}

async function brokerWith(...middlewares: Middleware[]): Promise<ServiceBroker> {
  const broker = new ServiceBroker({ logger: false, middlewares });
  broker.createService({ name: "nothing", actions: { at: async () => null } });
  await broker.start();
  return broker;
}

async function microseconds(broker: ServiceBroker, requestID: string): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < CALLS; i++) await broker.call("nothing.at", undefined, { requestID });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}

const runtime = () => newRuntime(readSettings({}), []);
const traced = await brokerWith(tracing(runtime(), NOWHERE));
const plain = await brokerWith();
const ways: [string, ServiceBroker, string][] = [
  ["counted", await brokerWith(metrics(runtime())), idThat(false)],
  ["may be traced, and is not", traced, idThat(false)],
  ["traced", traced, idThat(true)],
];
const differences = new Map(ways.map(([name]) => [name, [] as number[]]));
const bare: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const without = await microseconds(plain, idThat(false));
  bare.push(without);
  for (const [name, broker, id] of ways)
    differences.get(name)?.push((await microseconds(broker, id)) - without);
}

const told = (all: number[]): string => {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.floor((sorted.length - 1) * share)] as number).toFixed(2);
  return `${at(0.5)} µs (${at(0)} to ${at(1)})`;
};
console.log(`node ${process.version}, ${ROUNDS} rounds of ${CALLS} calls in turn`);
console.log(`a call with nothing around it: ${told(bare)}`);
for (const [name, all] of differences) console.log(`${name}: + ${told(all)}`);
process.exit(0);

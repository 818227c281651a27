/** What a read by key and a list cost through each store, with and without cache, against the driver alone. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Bench } from "./run.ts";
import { mongodbStore } from "./stores/documents.ts";
import { measureRelay } from "./stores/relay.ts";
import { mariadbStore, PAGE, sqliteStore } from "./stores/sql.ts";
import { measureWays } from "./stores/ways.ts";
import type { Store } from "./stores/ways.ts";
import { json, markdown } from "./support/report.ts";
import type { Report } from "./support/report.ts";
import { ratio } from "./support/rounds.ts";
import type { Result } from "./support/rounds.ts";

interface Options {
  rounds: number;
  reads: number;
}

const STORES = [mariadbStore, sqliteStore, mongodbStore];
/** From the outbox to a queue that has synced it on three servers, against publishing alone. */
const RELAY_GOAL = 2;
/** Once cached, a read costs at most so many times what the driver alone takes. */
const CACHED_GOAL = 2;

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: "string", default: "7" }, reads: { type: "string", default: "5000" } },
  });
  const number = (name: keyof Options, max: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw new Error(`--${name} is "${values[name]}" but takes a whole number from 1 to ${max}.`);
  };
  return { rounds: number("rounds", 100), reads: number("reads", 1_000_000) };
}

async function run(args: string[]): Promise<void> {
  const options = optionsOf(args);
  const dataDir = await mkdtemp(path.join(tmpdir(), "club-alliance-bench-"));
  const report: Report = {
    title: "The stores",
    how: `${options.rounds} rounds of ${options.reads} reads by key (lists of ${PAGE}: a tenth) in turn, 32 at once, in one process; the servers are processes of their own and do not count`,
    tables: [],
    goals: [],
    left: [],
  };
  try {
    for (const open of STORES) {
      const store = await open(dataDir);
      try {
        await measureStore(store, options, report);
      } finally {
        await store.stop();
      }
    }
    const relay = await measureRelay(options.rounds, tell);
    report.tables.push({ title: "The relay: microseconds per message, not of the CPU", results: relay });
    const [alone, ours] = relay as [Result, Result];
    report.goals.push({ name: `${ours.name} / ${alone.name}`, value: ratio(ours, alone), goal: RELAY_GOAL });
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
  console.log(markdown(report));
  console.log(json(report));
}

async function measureStore(store: Store, options: Options, report: Report): Promise<void> {
  const measured = async (title: string, ways: Store["byKey"], reads: number): Promise<void> => {
    tell(`${store.title}: ${title}`);
    const results = await measureWays(ways, { ...options, reads }, tell);
    report.tables.push({ title: `${store.title}: ${title}`, results });
    const [driver, ...others] = results as [Result, ...Result[]];
    for (const [index, other] of others.entries())
      report.goals.push({
        name: `${store.title}, ${title}: ${other.name} / ${driver.name}`,
        value: ratio(other, driver),
        goal: ways[index + 1]?.cached ? CACHED_GOAL : Infinity,
      });
  };
  await measured("a read by key", store.byKey, options.reads);
  await measured("a list", store.lists, Math.ceil(options.reads / 10));
}

export default { title: "reads through each store, against its driver", run } satisfies Bench;

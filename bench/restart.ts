/** A rolling restart of a whole cluster behind nginx, at the rate that a busy campus asks for. */
import { missing, remedy } from "../test/support/servers/found.ts";
import { CLUSTER_SERVERS } from "../test/support/cluster.ts";
import { LivePairs } from "../test/support/live-pairs.ts";
import type { Bench } from "./run.ts";

/** Requests a second. */
const RATE = 200;

async function run(): Promise<void> {
  const absent = missing([...CLUSTER_SERVERS, "nginx"]);
  if (absent.length > 0) throw new Error(`${remedy(absent)}.`);
  console.log("A cluster of seven nodes is started and used for 20 s; then each node is restarted.");
  const live = await LivePairs.start(RATE);
  try {
    const { said } = await live.restartAll(RATE);
    const lost = await live.life.missing();
    console.log(`${said}; ${lost.length} of what was acknowledged is missing`);
    for (const failure of live.life.failures.slice(0, 10)) console.log(`  ${failure}`);
  } finally {
    await live.stop();
  }
}

export default {
  title: "a rolling restart behind nginx: what fails at 200 requests a second",
  run,
} satisfies Bench;

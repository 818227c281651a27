import { setTimeout as sleep } from "node:timers/promises";

const EVENTUALLY_MS = 20_000;

/** What `attempt` gives once it is no longer undefined; throws after a time, with `why`. */
export async function eventually<T>(
  attempt: () => Promise<T | undefined>,
  ms = EVENTUALLY_MS,
  why: () => string = () => "",
): Promise<T> {
  const until = Date.now() + ms;
  for (;;) {
    const value = await attempt();
    if (value !== undefined) return value;
    if (Date.now() > until) throw new Error(`It did not happen within ${ms} ms. ${why()}`);
    await sleep(20);
  }
}

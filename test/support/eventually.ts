import { setTimeout as sleep } from "node:timers/promises";
import { isAway } from "../../middlewares/errors.ts";

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

/** What `call` answers; it is made again while a busy server, or a circuit that opened for it, does not let it through. */
export function patient<T>(call: () => Promise<T>): Promise<T> {
  return eventually(async () => {
    try {
      return await call();
    } catch (error) {
      if (!isAway(error)) throw error;
      return undefined;
    }
  });
}

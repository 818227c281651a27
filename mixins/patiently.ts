/** What a service needs of a store before it can serve is waited for: a store that is away for a moment ends no start. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger, ServiceBroker } from "moleculer";
import { isRefusal } from "../lib/errors.ts";
import { refusalOf } from "../middlewares/errors.ts";
import { runtimeOf } from "./runtime.ts";

/** Milliseconds between tries. */
const PAUSE = 1_000;

/**
 * Does `work` in the `started` of a service, again while what it leans on does not answer. The node is not ready
 * meanwhile, and says so.
 * @param work may be done more than once
 * @throws what else goes wrong; UNAVAILABLE once the node is told to stop
 */
export async function patiently<T>(
  { broker, name, logger }: { broker: ServiceBroker; name: string; logger: Logger },
  work: () => Promise<T>,
): Promise<T> {
  const { readiness } = runtimeOf(broker);
  const who = `${name}-start`;
  for (let told = false; ; told = true) {
    try {
      const done = await work();
      readiness.clear(who);
      return done;
    } catch (error) {
      const refusal = refusalOf(error);
      if (!isRefusal(refusal, "UNAVAILABLE") || broker.stopping) throw error;
      const reason = `${name}: what it needs to start does not answer and is asked again each second`;
      readiness.block(who, reason);
      if (!told) logger.warn(reason);
      await sleep(PAUSE);
    }
  }
}

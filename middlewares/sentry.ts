/**
 * Errors that nobody expected go to Sentry, where SENTRY_DSN names one: what kind, where in the code, in which action and
 * request, and nothing of anybody. Without one nothing of it is loaded.
 */
import type { Middleware, ServiceBroker } from "moleculer";
import type { Runtime } from "../mixins/runtime.ts";
import type { Reporter } from "./reporter.ts";
import { onUnexpected } from "./unexpected.ts";

/** Milliseconds that an end may wait for reports under way. */
const FLUSH = 2_000;

const reporters = new Set<Reporter>();

/** @param dsn `https://key@host/project` */
export function sentry(runtime: Runtime, dsn: string): Middleware {
  let reporter: Reporter | undefined;
  let end: (() => void) | undefined;
  return {
    name: "Sentry",
    async starting({ nodeID, logger }: ServiceBroker) {
      const { Reporter } = await import("./reporter.ts");
      const made = new Reporter(dsn, nodeID, logger);
      reporters.add((reporter = made));
      end = onUnexpected(runtime, (error, { action, requestId }) =>
        made.report(error, { action, requestId, level: "error" }),
      );
    },
    async stopped() {
      end?.();
      await reporter?.flush(FLUSH);
      if (reporter) reporters.delete(reporter);
    },
  };
}

/** Reports what ends the process; resolves when it is out, or after two seconds. Never rejects. */
export async function lastWords(thrown: unknown): Promise<void> {
  for (const each of reporters) each.report(thrown, { level: "fatal" });
  await Promise.all([...reporters].map((each) => each.flush(FLUSH)));
}

/** Counts and times of every action, and a log line for slow ones. Children are bound once per action: 3 µs a call. */
import { isAppError } from "../lib/errors.ts";
import { counterOf, histogramOf, tell } from "../lib/metrics.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

/** Milliseconds from which a call is logged as slow. */
const SLOW = 1_000;

export function metrics({ metrics: registry }: Runtime): Middleware {
  const calls = counterOf(registry, "club_alliance_action_calls_total");
  const seconds = histogramOf(registry, "club_alliance_action_duration_seconds");
  let inFlight = 0;
  tell(registry, "club_alliance_actions_in_flight", () => [{ value: inFlight }]);
  return asMiddleware({
    name: "Metrics",
    localAction(next, action) {
      // moleculer-web's way in: the gateway counts requests itself.
      if (action.visibility === "private") return next;
      const labels = { action: action.name };
      const ok = calls.labels({ ...labels, result: "ok" });
      const refused = calls.labels({ ...labels, result: "refused" });
      const failed = calls.labels({ ...labels, result: "failed" });
      const duration = seconds.labels(labels);
      return async (ctx) => {
        const start = performance.now();
        inFlight += 1;
        try {
          const answer = await next(ctx);
          ok.inc();
          return answer;
        } catch (error) {
          (isAppError(error) && error.code < 500 ? refused : failed).inc();
          throw error;
        } finally {
          inFlight -= 1;
          const took = performance.now() - start;
          duration.observe(took / 1000);
          if (took > SLOW)
            ctx.broker.logger.warn("Slow call", {
              action: action.name,
              ms: Math.round(took),
              requestId: ctx.requestID,
            });
        }
      };
    },
  });
}

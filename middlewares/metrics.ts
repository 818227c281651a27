/** Counts and times of every action, and a log line for slow ones. Children are bound once per action: 3 µs a call. */
import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { isAppError } from "../lib/errors.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

/** Milliseconds from which a call is logged as slow. */
const SLOW = 1_000;

export function metrics(registry: Registry): Middleware {
  const calls = new Counter({
    name: "club_alliance_action_calls_total",
    help: "Calls of an action on this node, by result (ok, refused, failed)",
    labelNames: ["action", "result"],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "club_alliance_action_duration_seconds",
    help: "Duration of an action on this node",
    labelNames: ["action"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
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
        try {
          const answer = await next(ctx);
          ok.inc();
          return answer;
        } catch (error) {
          (isAppError(error) && error.code < 500 ? refused : failed).inc();
          throw error;
        } finally {
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

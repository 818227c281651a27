/**
 * How many calls wait in Moleculer's bulkheads, which tell nobody. One wrapper sits inside and one outside: a call that
 * has not come through by the time that the bulkhead returns waits there. To the others it costs a comparison.
 */
import { tell } from "../lib/metrics.ts";
import type { Ctx } from "../lib/implement.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

/** To be put right inside and right outside of the bulkhead. */
export function line({ metrics }: Runtime): { inside: Middleware; outside: Middleware } {
  const waiting = new Set<Ctx>();
  let begun = 0;
  tell(metrics, "club_alliance_bulkhead_waiting", () => [{ value: waiting.size }]);
  return {
    inside: asMiddleware({
      name: "LineEnd",
      localAction: (next) => (ctx) => {
        begun += 1;
        if (waiting.size > 0) waiting.delete(ctx);
        return next(ctx);
      },
    }),
    outside: asMiddleware({
      name: "Line",
      localAction: (next) => (ctx) => {
        const before = begun;
        const answer = next(ctx);
        if (begun !== before) return answer;
        waiting.add(ctx);
        // It may have been refused, or never get its turn.
        return answer.finally(() => waiting.delete(ctx));
      },
    }),
  };
}

/**
 * Bodies that come as streams. Moleculer forgets the stream of a call that fails, and takes what still comes of it for a
 * new one that it keeps for ever: so a refusal waits until all of it has come.
 */
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Runtime } from "../mixins/runtime.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

/** Milliseconds. */
const TO_COME = 30_000;

export function bodies(contracts: Runtime["contracts"]): Middleware {
  return asMiddleware({
    name: "Bodies",
    localAction(next, action) {
      if (!contracts.get(action.name)?.body) return next;
      return async (ctx) => {
        const { stream } = ctx;
        if (!(stream instanceof Readable)) return next(ctx);
        // One that breaks off before anybody listens.
        stream.on("error", () => undefined);
        try {
          return await next(ctx);
        } catch (error) {
          await finished(stream.resume(), { signal: AbortSignal.timeout(TO_COME) }).catch(() => undefined);
          throw error;
        }
      };
    },
  });
}

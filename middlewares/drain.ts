/** A node that is told to stop says so first (readiness), lets running work end, and only then stops its services. */
import type { Middleware } from "moleculer";
import type { Runtime } from "../mixins/runtime.ts";

export function drain(runtime: Runtime): Middleware {
  return {
    name: "Drain",
    async stopping() {
      runtime.readiness.block("node", "stopping");
      for (const each of runtime.drains) await each();
    },
  };
}

/** Work that a service repeats: by every node that runs it, so it must be harmless to do twice. */
import type { Logger } from "moleculer";
import type { Mixin } from "../lib/implement.ts";

export interface SweeperMethods {
  /** Runs `work` every `milliseconds` (with jitter) until the service stops; a failure is logged and tried again. */
  every(milliseconds: number, work: () => Promise<void>): void;
}

export function sweeper(): Mixin<SweeperMethods> {
  const mixin = {
    created(this: { sweeps: Set<NodeJS.Timeout> }) {
      this.sweeps = new Set();
    },
    methods: {
      every(
        this: { sweeps: Set<NodeJS.Timeout>; logger: Logger },
        milliseconds: number,
        work: () => Promise<void>,
      ) {
        const plan = (): void => {
          const timer = setTimeout(
            () => {
              this.sweeps.delete(timer);
              work()
                .catch((error: unknown) =>
                  this.logger.warn("A sweep failed and is tried again", { error: String(error) }),
                )
                .finally(() => !stopped(this) && plan());
            },
            milliseconds * (0.9 + Math.random() * 0.2),
          );
          this.sweeps.add(timer);
        };
        plan();
      },
    },
    async stopped(this: { sweeps: Set<NodeJS.Timeout> | null }) {
      for (const timer of this.sweeps ?? []) clearTimeout(timer);
      this.sweeps = null;
    },
  };
  return mixin as unknown as Mixin<SweeperMethods>;
}

/** After the service has stopped nothing is planned again. */
function stopped(service: { sweeps: Set<NodeJS.Timeout> | null }): boolean {
  return service.sweeps === null;
}

/** Gauges that a service tells of, as long as it runs. */
import type { ServiceBroker } from "moleculer";
import type { Mixin } from "../lib/implement.ts";
import { tell } from "../lib/metrics.ts";
import type { GaugeName, LabelsOf, Source } from "../lib/metrics.ts";
import { runtimeOf } from "./runtime.ts";

export interface GaugesMethods {
  /** Has a gauge of the catalogue tell what `source` reads, until the service stops (lib/metrics.ts). */
  measure<N extends GaugeName>(name: N, source: Source<LabelsOf<N>>): void;
}

type Self = GaugesMethods & { broker: ServiceBroker; $measured?: (() => void)[] };

/** Lets a service tell gauges. */
export function gauges(): Mixin<GaugesMethods> {
  const mixin = {
    methods: {
      measure<N extends GaugeName>(this: Self, name: N, source: Source<LabelsOf<N>>): void {
        (this.$measured ??= []).push(tell(runtimeOf(this.broker).metrics, name, source));
      },
    },
    async stopped(this: Self) {
      for (const end of this.$measured?.splice(0) ?? []) end();
    },
  };
  // Moleculer types methods by `this` of any; the mixin's own types are in GaugesMethods.
  return mixin as unknown as Mixin<GaugesMethods>;
}

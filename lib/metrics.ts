/** Prometheus metrics by their names in the catalogue (metrics-catalog.ts); made when first asked for, once a registry. */
import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { METRICS } from "./metrics-catalog.ts";
import type { Metric, MetricName } from "./metrics-catalog.ts";

type Named<T extends Metric["type"]> = {
  [N in MetricName]: (typeof METRICS)[N]["type"] extends T ? N : never;
}[MetricName];
export type GaugeName = Named<"gauge">;
export type LabelsOf<N extends MetricName> = (typeof METRICS)[N]["labels"][number];

/** What is read of a gauge at a scrape. Those of the same labels are added up. */
export interface Reading<L extends string = string> {
  value: number;
  labels?: Record<L, string>;
}

/** Answers quickly whatever stands still (lib/watched.ts); one that fails says nothing. */
export type Source<L extends string = string> = () => readonly Reading<L>[] | Promise<readonly Reading<L>[]>;

/** The counter of that name. */
export function counterOf<N extends Named<"counter">>(registry: Registry, name: N): Counter<LabelsOf<N>> {
  return once(registry, name, (about) => new Counter(about)) as Counter<LabelsOf<N>>;
}

/** The histogram of that name. */
export function histogramOf<N extends Named<"histogram">>(
  registry: Registry,
  name: N,
): Histogram<LabelsOf<N>> {
  const buckets = [...METRICS[name].buckets];
  return once(registry, name, (about) => new Histogram({ ...about, buckets })) as Histogram<LabelsOf<N>>;
}

const sources = new WeakMap<object, Set<Source>>();

/**
 * Has a gauge tell what `source` reads whenever it is asked; what nothing is read of is left out of the answer.
 * Returns how to end it.
 */
export function tell<N extends GaugeName>(
  registry: Registry,
  name: N,
  source: Source<LabelsOf<N>>,
): () => void {
  const gauge = once(
    registry,
    name,
    (about) =>
      new Gauge({
        ...about,
        collect() {
          return collect(this, METRICS[name].labels.length > 0);
        },
      }),
  );
  const all = sources.get(gauge) ?? new Set();
  sources.set(gauge, all.add(source));
  return () => all.delete(source);
}

async function collect(gauge: Gauge, labelled: boolean): Promise<void> {
  const readings = await Promise.all([...(sources.get(gauge) ?? [])].map(read));
  gauge.reset();
  // Without labels it is reset to 0, which says something.
  if (!labelled) gauge.remove();
  for (const { value, labels = {} } of readings.flat()) gauge.inc(labels, value);
}

async function read(source: Source): Promise<readonly Reading[]> {
  try {
    return await source();
  } catch {
    return [];
  }
}

interface About {
  name: string;
  help: string;
  labelNames: string[];
  registers: Registry[];
}

/** The registry types what it holds as anything. */
function once(registry: Registry, name: MetricName, make: (about: About) => object): object {
  const { help, labels } = METRICS[name];
  return (
    registry.getSingleMetric(name) ?? make({ name, help, labelNames: [...labels], registers: [registry] })
  );
}

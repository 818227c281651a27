/** Domains that grow with what is asked of them, and by which measures. */
import { metadataOf } from "./parts.ts";
import type { Manifest } from "./parts.ts";

interface Scale {
  most: number;
  /** The counter whose rate is looked at, and how many a second are enough for one pod. */
  counter: "club_alliance_action_calls_total" | "club_alliance_http_requests_total";
  perPod: number;
}

/** What a node does with the CPU that it asks for is in docs/kubernetes.md; the rate counts where the CPU waits for a store. */
export const SCALED: Record<string, Scale | undefined> = {
  clubs: { most: 12, counter: "club_alliance_action_calls_total", perPod: 300 },
  posts: { most: 12, counter: "club_alliance_action_calls_total", perPod: 200 },
  gateway: { most: 12, counter: "club_alliance_http_requests_total", perPod: 400 },
};

const LEAST = 3;
/** Per cent of the CPU asked for. */
const CPU = 70;

/** The name under which prometheus-adapter tells the rate of a counter. */
export function rateOf(counter: string): string {
  return counter.replace(/_total$/, "_per_second");
}

export function autoscalerOf(domain: string, { most, counter, perPod }: Scale): Manifest {
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: metadataOf(domain, domain),
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: domain },
      minReplicas: LEAST,
      maxReplicas: most,
      metrics: [
        {
          type: "Resource",
          resource: { name: "cpu", target: { type: "Utilization", averageUtilization: CPU } },
        },
        {
          type: "External",
          external: {
            metric: { name: rateOf(counter), selector: { matchLabels: { domain } } },
            target: { type: "AverageValue", averageValue: String(perPod) },
          },
        },
      ],
      behavior: {
        // Twice as many at once when many come; slowly back.
        scaleUp: {
          stabilizationWindowSeconds: 0,
          policies: [{ type: "Percent", value: 100, periodSeconds: 30 }],
        },
        scaleDown: {
          stabilizationWindowSeconds: 600,
          policies: [{ type: "Pods", value: 1, periodSeconds: 60 }],
        },
      },
    },
  };
}

/** External rules of prometheus-adapter for the measures above: the autoscaler shares the sum out among the pods. */
export function adapterRules(): object[] {
  const counters = [...new Set(Object.values(SCALED).flatMap((scale) => scale?.counter ?? []))];
  return counters.map((counter) => ({
    seriesQuery: `${counter}{job="club-alliance"}`,
    resources: { namespaced: false },
    name: { matches: `^${counter}$`, as: rateOf(counter) },
    metricsQuery: "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m]))",
  }));
}

/** Tells a Pushgateway that a backup was made, for the alert that says when none was. */
import { Gauge, Pushgateway, Registry } from "prom-client";
import type { GaugeName } from "../../lib/metrics.ts";
import { METRICS } from "../../lib/metrics-catalog.ts";
import type { Manifest } from "./manifest.ts";

/** Returns a sentence when it does not take them: a backup that is made is not made again for that. */
export async function pushBackup(
  url: string,
  { stores, objects, endedAt }: Manifest,
): Promise<string | null> {
  const registry = new Registry();
  const gauge = (name: GaugeName): Gauge<"store"> =>
    new Gauge({ name, help: METRICS[name].help, labelNames: ["store"], registers: [registry] });
  const at = gauge("club_alliance_backup_success_timestamp_seconds");
  const size = gauge("club_alliance_backup_bytes");
  const parts = [
    ...stores.map(({ domain, part }) => [domain, part.size] as const),
    ["objects", objects.bytes] as const,
  ];
  for (const [store, bytes] of parts) {
    at.set({ store }, endedAt / 1000);
    size.set({ store }, bytes);
  }
  try {
    await new Pushgateway(url, { timeout: 10_000 }, registry).pushAdd({ jobName: "club-alliance-backup" });
    return null;
  } catch (error) {
    return `The backup is made, but the Pushgateway "${url.replace(/\/\/[^@]*@/, "//…@")}" was not told: ${(error as Error).message}`;
  }
}

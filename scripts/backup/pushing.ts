/** Tells a Pushgateway that a backup was made, for the alert that says when none was. */
import { Gauge, Pushgateway, Registry } from "prom-client";
import type { GaugeName } from "../../lib/metrics.ts";
import { METRICS } from "../../lib/metrics-catalog.ts";
import { SettingsError } from "../../lib/settings.ts";
import type { Manifest } from "./manifest.ts";

/** @throws a sentence when it does not take them */
export async function pushBackup(url: string, { stores, objects, endedAt }: Manifest): Promise<void> {
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
  } catch (error) {
    throw new SettingsError(
      `The backup is made, but the Pushgateway "${url.replace(/\/\/[^@]*@/, "//…@")}" was not told: ${(error as Error).message}`,
    );
  }
}

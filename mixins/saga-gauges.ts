/** What the metrics tell of sagas. */
import type { Registry } from "prom-client";
import type { Database } from "../lib/database.ts";
import { tell } from "../lib/metrics.ts";
import { Watched } from "../lib/watched.ts";
import { countOpen } from "./saga-rows.ts";

/** @param types those that the service knows, told also where none is open. Returns how to end it. */
export function tellSagas(metrics: Registry, db: Database, types: readonly string[]): () => void {
  const open = new Watched(() => countOpen(db));
  const ends = [
    tell(metrics, "club_alliance_sagas_open", async () => {
      const rows = await open.get();
      if (!rows) return [];
      const none = types.flatMap((saga) =>
        (["running", "undoing"] as const).map((state) => ({ value: 0, labels: { saga, state } })),
      );
      return [
        ...none,
        ...rows.map(({ type: saga, state, count }) => ({ value: count, labels: { saga, state } })),
      ];
    }),
    tell(metrics, "club_alliance_sagas_oldest_seconds", async () => {
      const rows = await open.get();
      if (!rows) return [];
      return [...new Set([...types, ...rows.map(({ type }) => type)])].map((saga) => {
        const since = rows.filter(({ type }) => type === saga).map(({ oldest }) => oldest);
        const age = since.length > 0 ? Math.max(0, Date.now() - Math.min(...since)) / 1_000 : 0;
        return { value: age, labels: { saga } };
      });
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}

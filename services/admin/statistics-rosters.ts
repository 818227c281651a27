/** Occurrences with how many were confirmed and how many of them came. */
import type { Tx } from "../../lib/database.ts";
import type { RosterFact } from "../../lib/facts.ts";
import { readMany, replaceMany } from "./statistics-rows.ts";
import type { Tally } from "./statistics-tally.ts";

interface RosterRow {
  id: string;
  version: number;
  starts_at: number;
  ends_at: number;
  cancelled: number;
  confirmed: number;
  checked_in: number;
}

const TABLE = "statistics_rosters";
/** Not over, until its times are known. */
const UNKNOWN = { version: -1, starts_at: 0, ends_at: Number.MAX_SAFE_INTEGER, cancelled: 1 };

export async function countRosters(
  tx: Tx,
  generation: number,
  rosters: readonly RosterFact[],
  tally: Tally,
): Promise<void> {
  const ids = new Set([...rosters.map(({ id }) => id), ...tally.places.keys()]);
  const known = await readMany<RosterRow>(tx, TABLE, generation, "id", ids);
  const rows = new Map(known.map((row) => [row.id, row]));
  const changed = new Set<string>();
  for (const id of ids) if (!rows.has(id)) rows.set(id, { id, ...UNKNOWN, confirmed: 0, checked_in: 0 });
  for (const { id, version, startsAt, endsAt, cancelled } of rosters) {
    const row = rows.get(id) as RosterRow;
    if (version <= row.version) continue;
    const terms = { version, starts_at: startsAt, ends_at: endsAt, cancelled: Number(cancelled) };
    rows.set(id, { ...row, ...terms });
    changed.add(id);
  }
  for (const [id, { confirmed, checkedIn }] of tally.places) {
    const row = rows.get(id) as RosterRow;
    rows.set(id, { ...row, confirmed: row.confirmed + confirmed, checked_in: row.checked_in + checkedIn });
    changed.add(id);
  }
  const written = [...changed].map((id) => {
    const { version, starts_at, ends_at, cancelled, confirmed, checked_in } = rows.get(id) as RosterRow;
    return { generation, id, version, starts_at, ends_at, cancelled, confirmed, checked_in };
  });
  await replaceMany(tx, TABLE, generation, "id", new Set(known.map(({ id }) => id)), written);
}

/** Clubs with how many members they have, which are in the totals while the club is active. */
import type { Tx } from "../../lib/database.ts";
import type { Fact } from "../../lib/facts.ts";
import { readMany, replaceMany } from "./statistics-rows.ts";

interface ClubRow {
  id: string;
  version: number;
  active: number;
  members: number;
  /** The revision as of which a rebuild has read who its members are. */
  scanned: number;
}

const TABLE = "statistics_clubs";

/** Takes what is said of clubs; returns as of which revision the members are known of each that the facts name. */
export async function countClubs(
  tx: Tx,
  generation: number,
  facts: readonly Fact[],
): Promise<Map<string, number>> {
  const about = facts.filter(({ id }) => id.startsWith("club:") || id.startsWith("member:"));
  const ids = new Set(about.flatMap(({ club }) => club ?? []));
  const rows = await readMany<ClubRow>(tx, TABLE, generation, "id", ids);
  const clubs = new Map(rows.map((row) => [row.id, row]));
  const changed = new Map<string, ClubRow>();
  for (const { id: fact, club: id, version, there, revision = -1 } of about) {
    if (id === null) continue;
    const known = clubs.get(id);
    const before = known ?? { id, version: -1, active: 0, members: 0, scanned: -1 };
    const scanned = Math.max(before.scanned, revision);
    const left = scanned > before.scanned ? await forgetMembers(tx, generation, id, scanned) : 0;
    const newer = fact.startsWith("club:") && version > before.version;
    const after = {
      ...before,
      ...(newer && { version, active: Number(there) }),
      members: before.members - left,
      scanned,
    };
    if (known && !newer && scanned === before.scanned) continue;
    clubs.set(id, after);
    changed.set(id, after);
  }
  const known = new Set(rows.map(({ id }) => id));
  const written = [...changed.values()].map(({ id, version, active, members, scanned }) => ({
    generation,
    id,
    version,
    active,
    members,
    scanned,
  }));
  await replaceMany(tx, TABLE, generation, "id", known, written);
  return new Map([...clubs].map(([id, { scanned }]) => [id, scanned]));
}

/**
 * Members who were told before their club is read may have left by a message that came before the rebuild began: who is
 * in is read next. Returns how many were counted.
 */
async function forgetMembers(tx: Tx, generation: number, club: string, revision: number): Promise<number> {
  const where = "WHERE generation = :generation AND id >= :first AND id < :end AND version <= :revision";
  const values = { generation, first: `member:${club}:`, end: `member:${club};`, revision };
  const counted = await tx.number(`SELECT SUM(there) AS n FROM statistics_facts ${where}`, values);
  await tx.run(`DELETE FROM statistics_facts ${where}`, values);
  return counted;
}

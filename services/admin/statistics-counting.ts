/**
 * Counts facts: what of a subject was counted stands with the subject, so that a fact that comes again, late or after a
 * newer one changes nothing twice. Whoever counts holds the lock of the generations until the transaction ends.
 */
import type { Tx } from "../../lib/database.ts";
import { COUNTED } from "../../lib/facts.ts";
import type { Counted, Fact } from "../../lib/facts.ts";
import { countClubs } from "./statistics-clubs.ts";
import type { Facts } from "./statistics-messages.ts";
import { countPeople } from "./statistics-people.ts";
import { countRosters } from "./statistics-rosters.ts";
import { readMany, replaceMany } from "./statistics-rows.ts";
import { Tally } from "./statistics-tally.ts";

const BITS = Object.fromEntries(COUNTED.map((metric, i) => [metric, 1 << i])) as Record<Counted, number>;
const ALL = (1 << COUNTED.length) - 1;

/** What is in the totals, by kind of subject. */
const TOTALS: Partial<Record<string, string>> = {
  user: "users",
  application: "applications",
  activity: "activities",
  place: "participations",
  post: "posts",
  comment: "comments",
};

interface State {
  id: string;
  version: number;
  there: number;
  counted: number;
}

export interface Generation {
  id: number;
  state: "live" | "building";
  source: string | null;
  after_key: string | null;
  facts_read: number;
  started_at: number;
  ended_at: number | null;
}

/** Locks what is counted into until the transaction ends; the generations, the live one first. */
export async function lockGenerations(tx: Tx): Promise<Generation[]> {
  await tx.run("UPDATE statistics_generations SET changes = changes + 1 WHERE state IN ('live', 'building')");
  return tx.all<Generation>(
    `SELECT id, state, source, after_key, facts_read, started_at, ended_at FROM statistics_generations
     WHERE state IN ('live', 'building') ORDER BY id`,
  );
}

/**
 * Counts facts into a generation.
 * @param read by a rebuild, so that members are those of the revision of which they were read
 */
export async function count(
  tx: Tx,
  generation: number,
  { facts, rosters }: Facts,
  read = false,
): Promise<void> {
  const scanned = await countClubs(tx, generation, facts);
  const states = await statesOf(tx, generation, facts);
  const known = new Set(states.keys());
  const tally = new Tally();
  const changed = new Map<string, State>();
  for (const fact of facts) {
    if (!read && isScanned(fact, scanned)) continue;
    const state = states.get(fact.id) ?? { id: fact.id, version: -1, there: 0, counted: 0 };
    const after = countOne(tally, state, fact);
    if (after === state) continue;
    states.set(fact.id, after);
    changed.set(fact.id, after);
  }
  const rows = [...changed.values()].map((state) => ({ generation, ...state }));
  await replaceMany(tx, "statistics_facts", generation, "id", known, rows);
  await countPeople(tx, generation, facts, tally);
  await countRosters(tx, generation, rosters, tally);
  await tally.write(tx, generation);
}

async function statesOf(tx: Tx, generation: number, facts: readonly Fact[]): Promise<Map<string, State>> {
  const rows = await readMany<State>(
    tx,
    "statistics_facts",
    generation,
    "id",
    new Set(facts.map(({ id }) => id)),
  );
  return new Map(rows.map(({ id, version, there, counted }) => [id, { id, version, there, counted }]));
}

/** A membership that was told before its club's members were read, in a rebuild, is among them or is over. */
function isScanned({ id, club, version }: Fact, scanned: ReadonlyMap<string, number>): boolean {
  return id.startsWith("member:") && version <= (scanned.get(club ?? "") ?? -1);
}

/** The same state where the fact says nothing new. */
function countOne(tally: Tally, before: State, fact: Fact): State {
  let { counted } = before;
  for (const metric of COUNTED) {
    const at = fact.happened[metric];
    if (at === undefined || counted & BITS[metric]) continue;
    counted |= BITS[metric];
    if (fact.gone !== "undone") tally.add(metric, at, fact);
  }
  if (fact.gone === "undone") {
    const { new_users: at } = fact.happened;
    if (at !== undefined && before.counted & BITS.new_users && before.counted !== ALL)
      tally.add("new_users", at, fact, -1);
    counted = ALL;
  }
  const newer = fact.version > before.version;
  const version = newer ? fact.version : before.version;
  const there = newer ? Number(fact.there) : before.there;
  if (version === before.version && counted === before.counted) return before;
  const after = { ...before, version, there, counted };
  countTotal(tally, before, after, fact);
  return after;
}

function countTotal(tally: Tally, before: State, after: State, { id, club, roster }: Fact): void {
  const change = after.there - before.there;
  const kind = id.slice(0, id.indexOf(":"));
  const total = TOTALS[kind];
  if (total) tally.addTotal(total, change);
  if (kind === "member" && club !== null) tally.addMember(club, change);
  const attended = ({ there, counted }: State): number => (counted & BITS.check_ins ? there : 0);
  if (roster !== undefined) tally.addPlace(roster, change, attended(after) - attended(before));
}

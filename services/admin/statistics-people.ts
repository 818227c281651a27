/**
 * Who did something when. People have numbers here, since there is a row for each quarter of an hour in which somebody
 * did something; what somebody did who is erased since is taken away.
 */
import type { Tx } from "../../lib/database.ts";
import type { Fact } from "../../lib/facts.ts";
import { inChunks, insertMany, readMany } from "./statistics-rows.ts";
import { QUARTER } from "./statistics-tally.ts";
import type { Tally } from "./statistics-tally.ts";

/** A slot is a quarter of an hour and a person in one number: so many people have room in it. */
const PEOPLE = 2 ** 27;

/** The first slot of a quarter of an hour. */
export function slotsFrom(bucket: number): number {
  return (bucket / QUARTER) * PEOPLE;
}

interface PersonRow {
  user_id: string;
  person: number;
  gone: number;
}

export async function countPeople(
  tx: Tx,
  generation: number,
  facts: readonly Fact[],
  tally: Tally,
): Promise<void> {
  const leaving = new Set(facts.flatMap(({ gone, user }) => (gone && user ? [user] : [])));
  const named = new Set([...leaving, ...tally.doings.map(({ user }) => user)]);
  if (named.size === 0) return;
  const people = await peopleOf(tx, generation, named, leaving);
  for (const user of leaving) {
    const person = people.get(user);
    if (person?.gone === 0) await forget(tx, generation, person, tally);
  }
  const slots = new Map<number, { person: number; bucket: number }>();
  for (const { user, bucket } of tally.doings) {
    const person = people.get(user);
    if (!person || person.gone || leaving.has(user)) continue;
    slots.set(slotsFrom(bucket) + person.person, { person: person.person, bucket });
  }
  const known = await readMany<{ slot: number }>(tx, "statistics_active", generation, "slot", slots.keys());
  for (const { slot } of known) slots.delete(slot);
  for (const { bucket } of slots.values()) tally.addTo("active_changes", bucket, 1);
  const rows = [...slots].map(([slot, { person }]) => ({ generation, slot, person }));
  await insertMany(tx, "statistics_active", rows);
}

/** Those who are named; who is new gets the next number. */
async function peopleOf(
  tx: Tx,
  generation: number,
  named: ReadonlySet<string>,
  leaving: ReadonlySet<string>,
): Promise<Map<string, PersonRow>> {
  const known = await readMany<PersonRow>(tx, "statistics_people", generation, "user_id", named);
  const people = new Map(known.map((row) => [row.user_id, row]));
  const unknown = [...named].filter((user) => !people.has(user));
  if (unknown.length === 0) return people;
  const last = await tx.number(
    "SELECT MAX(person) AS n FROM statistics_people WHERE generation = :generation",
    { generation },
  );
  const made = unknown.map((user, i) => ({ user_id: user, person: last + i + 1, gone: 0 }));
  for (const row of made) people.set(row.user_id, row);
  const rows = made.map((row) => ({ generation, ...row, gone: Number(leaving.has(row.user_id)) }));
  await insertMany(tx, "statistics_people", rows);
  return people;
}

/** What an erased person did is not known to whom it belongs any more: it makes nobody active. */
async function forget(
  tx: Tx,
  generation: number,
  { user_id: user, person }: PersonRow,
  tally: Tally,
): Promise<void> {
  const values = { generation, person };
  const slots = await tx.all<{ slot: number }>(
    "SELECT slot FROM statistics_active WHERE generation = :generation AND person = :person",
    values,
  );
  for (const { slot } of slots) tally.addTo("active_changes", Math.floor(slot / PEOPLE) * QUARTER, 1);
  for (const some of inChunks(slots))
    await tx.run("DELETE FROM statistics_active WHERE generation = :generation AND slot IN (:slots)", {
      generation,
      slots: some.map(({ slot }) => slot),
    });
  await tx.run("UPDATE statistics_people SET gone = 1 WHERE generation = :generation AND user_id = :user", {
    generation,
    user,
  });
}

/** People of an import: what a row says, whether they are here already, and how new ones are made, many at once. */
import { setTimeout as sleep } from "node:timers/promises";
import { Type as T } from "typebox";
import type { Static } from "typebox";
import { isDuplicate } from "../../lib/database.ts";
import type { Database, Row, Statements } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { because, columnOf, differing, idOfRow, listOf, rowCheck, valuesOf } from "../../lib/imports.ts";
import type { Batch, BatchRow, Claim } from "../../lib/imports.ts";
import { lookThrough, textFields } from "../../lib/moderation/fields.ts";
import type { WordFilter } from "../../lib/moderation/filter.ts";
import type { UserRow } from "./accounts.ts";
import { auth } from "./auth.contract.ts";
import { EXISTING, HOLDERS } from "./cross-shard.ts";
import * as identities from "./identities.ts";
import { givenRolesOf } from "./roles.ts";
import { users } from "./users.contract.ts";

/** Normalized, an address may become longer than what is stored of it. */
const EMAIL_KEY_LENGTH = 300;
/** Looks at names that somebody is about to take or to let go, and milliseconds between two. */
const LOOKS = 20;
const PAUSE = 100;

const { username, email, displayName } = auth.actions.register.params.properties;
const { college, major, grade } = users.actions.updateMe.params.properties;
const { roles } = users.actions.setRoles.params.properties;
// That a param may be left out does not come with its schema.
const Params = T.Object({
  username,
  email,
  displayName: T.Optional(displayName),
  college: T.Optional(college),
  major: T.Optional(major),
  grade: T.Optional(grade),
  roles: T.Optional(roles),
});
const check = rowCheck(Params);
const TEXTS = textFields(Params).filter(({ path }) => path !== "email");

/** A row that may become a person. */
export interface Candidate {
  row: number;
  id: string;
  username: string;
  email: string;
  emailKey: string;
  /** What is unique: user name, e-mail, and what an erased user name has left. */
  names: { username: string; email: string; erased: string };
  /** By column, as it would be stored; `given` are the columns that the row fills. */
  stored: Stored;
  given: Record<string, string>;
  roles: Given[];
}
type Given = "reviewer" | "moderator" | "admin";
type Stored = Record<"displayName" | "roles", string> & Record<"college" | "major" | "grade", string | null>;

/** What a row says, or why it cannot be taken. */
export function readPerson(
  { importId, at }: Pick<Batch, "importId" | "at">,
  row: BatchRow,
  words: WordFilter,
): Candidate | FieldError[] {
  const { values, bad } = valuesOf(row);
  if (bad.length > 0) return bad;
  const list = values["roles"];
  const params = { ...values, ...(list !== undefined && { roles: listOf(list) }) };
  const found = check(params);
  if ("bad" in found) return found.bad;
  const { refused, held, masked } = lookThrough(words, found.params, TEXTS);
  const forbidden = [...new Set([...refused, ...held].map(columnOf))];
  if (forbidden.length > 0) return forbidden.map((field) => because(field, "FORBIDDEN_CONTENT"));
  const person = { ...found.params, ...Object.fromEntries(masked.map(({ field, text }) => [field, text])) };
  const emailKey = identities.normalize(person.email);
  if (emailKey.length > EMAIL_KEY_LENGTH) return [because("email", "INVALID_FORMAT")];
  return candidateOf(idOfRow(importId, at, row.row), row.row, person, emailKey);
}

function candidateOf(id: string, row: number, person: Static<typeof Params>, emailKey: string): Candidate {
  const name = identities.normalize(person.username);
  const given: Given[] = (person.roles ?? []).filter((role) => role !== "student").toSorted();
  const stored = {
    displayName: person.displayName ?? name,
    college: person.college ?? null,
    major: person.major ?? null,
    grade: person.grade ?? null,
    roles: given.join(),
  };
  const filled = Object.entries(stored).filter(
    ([column]) => person[column as keyof typeof person] !== undefined,
  );
  return {
    row,
    id,
    username: name,
    email: person.email,
    emailKey,
    names: {
      username: `u:${name}`,
      email: `e:${emailKey}`,
      erased: identities.erasedValue(name),
    },
    stored,
    given: Object.fromEntries(filled) as Record<string, string>,
    roles: given,
  };
}

/** What a person takes that nobody else in the file can have. */
export function claimOfPerson({ names, stored, given }: Candidate): Claim {
  const keys = (["username", "email"] as const).map((field) => ({ field, key: names[field] }));
  return { keys, stored, given };
}

/** `new`: nobody has the names; `made`: by an earlier try of this row; `doubt`: somebody is about to take or free them. */
export type Standing = "new" | "made" | "same" | "doubt" | FieldError[];

/** How each row stands to who is here. */
export async function standings(
  db: Statements,
  people: readonly Candidate[],
): Promise<Map<Candidate, Standing>> {
  const holders = await holdersOf(
    db,
    people.flatMap(({ names }) => Object.values(names)),
  );
  const ids = [...new Set(holders.values())].filter((id) => id !== "");
  const rows = ids.length === 0 ? [] : await db.all<UserRow>(EXISTING, { ids });
  const byId = new Map(rows.map((row) => [row.id, row]));
  const given = await givenRolesOf(db, [...byId.keys()]);
  return new Map(
    people.map((person) => {
      const storedOf = (user: UserRow): Stored => ({
        displayName: user.display_name,
        college: user.college,
        major: user.major,
        grade: user.grade,
        roles: (given.get(user.id) ?? []).toSorted().join(),
      });
      return [person, standingOf(person, holders, byId, storedOf)];
    }),
  );
}

function standingOf(
  person: Candidate,
  holders: ReadonlyMap<string, string>,
  users: ReadonlyMap<string, UserRow>,
  storedOf: (user: UserRow) => Stored,
): Standing {
  const { names, id } = person;
  if (users.has(id)) return "made";
  if (holders.has(names.erased)) return [because("username", "TAKEN")];
  const held = (["username", "email"] as const).filter((field) => {
    const holder = holders.get(names[field]);
    return holder !== undefined && holder !== id;
  });
  if (held.length === 0) return "new";
  const known = held.map((field) => users.get(holders.get(names[field]) as string));
  if (known.includes(undefined)) return "doubt";
  const [user] = known;
  if (!user || held.length < 2 || known.some((each) => each !== user))
    return held.map((field) => because(field, "TAKEN"));
  const wrong = differing(storedOf(user), person.given);
  return wrong.length === 0 ? "same" : wrong.map((field) => because(field, "DIFFERS"));
}

async function holdersOf(db: Statements, values: string[]): Promise<Map<string, string>> {
  if (values.length === 0) return new Map();
  const rows = await db.all<{ value: string; user_id: string }>(HOLDERS, { values });
  return new Map(rows.map(({ value, user_id: user }) => [value, user]));
}

/** The same once nobody is in doubt. @throws UNAVAILABLE when that takes long */
export async function settled(
  db: Statements,
  people: readonly Candidate[],
): Promise<Map<Candidate, Standing>> {
  for (let look = 0; look < LOOKS; look++) {
    const found = await standings(db, people);
    if (![...found.values()].includes("doubt")) return found;
    await sleep(PAUSE);
  }
  throw new AppError("UNAVAILABLE", { retryAfter: 2 });
}

/**
 * Takes user names and e-mails for people whose rows will carry them; false when somebody was faster. Rows that are taken
 * and not used are freed by the sweep of identities.
 */
export async function reserveNames(db: Database, people: readonly Candidate[]): Promise<boolean> {
  const values = people.flatMap(({ names: { username: name, email: address }, id }) => [
    { value: name, id },
    { value: address, id },
  ]);
  const held = await holdersOf(
    db.primary,
    values.map(({ value }) => value),
  );
  const now = Date.now();
  const rows: Row[] = values
    .filter(({ value }) => !held.has(value))
    .map(({ value, id }) => ({ value, user_id: id, state: "reserved", created_at: now }));
  try {
    // Together for speed alone: whatever part of them is kept, a later try finds its own.
    await db.transaction((tx) => tx.insertAll("identities", rows));
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
  // Looked at when the names are ours: an erasure keeps one before it lets it go.
  const erased = await holdersOf(
    db.primary,
    people.map(({ names }) => names.erased),
  );
  return erased.size === 0;
}

/** Says that the rows carry the names; those that took so long that somebody else has a name are returned. */
export async function activateNames(db: Database, people: readonly Candidate[]): Promise<Candidate[]> {
  const values = people.flatMap(({ names }) => [names.username, names.email]);
  const active = await db.primary.run(
    "UPDATE identities SET state = 'active' WHERE value IN (:values) AND user_id IN (:ids)",
    { values, ids: people.map(({ id }) => id) },
  );
  if (active === values.length) return [];
  const lost: Candidate[] = [];
  for (const person of people)
    for (const value of [person.names.username, person.names.email])
      if (!(await identities.activate(db.primary, value, person.id))) lost.push(person);
  return [...new Set(lost)];
}

/**
 * User names and e-mails, each a row of a table that is sharded by the value itself, which makes them unique across
 * the shards of users. A change of both is not one transaction, so a row is `reserved` while it is in doubt: it
 * becomes `active` when its user's row carries it, else it is swept. Whoever looks a login up needs no state.
 */
import type { Statements } from "../../lib/database.ts";
import { SWEEPS } from "./cross-shard.ts";
import { sha256 } from "./secrets.ts";

/** Milliseconds after which a reserved row that nobody carries is free again, well within a minute with the sweep. */
const IN_DOUBT = 40_000;

/** What is unique: NFKC and lower case, so that full width and capitals are the same. */
export function normalize(text: string): string {
  return text.normalize("NFKC").toLowerCase().normalize("NFKC");
}

export const usernameValue = (username: string): string => `u:${normalize(username)}`;
export const emailValue = (email: string): string => `e:${normalize(email)}`;
/** A user name has no `@`, an e-mail always has one. */
export const loginValue = (login: string): string =>
  normalize(login).includes("@") ? emailValue(login) : usernameValue(login);
/** What stays of the user name of someone erased, so that nobody takes it. */
export const erasedValue = (username: string): string => `h:${sha256(normalize(username))}`;

/** Takes a value for a user whose row will carry it; false when it is taken. */
export function reserve(db: Statements, value: string, userId: string, now: number): Promise<boolean> {
  return db.insertNew("identities", { value, user_id: userId, state: "reserved", created_at: now });
}

/** Says that the user's row carries the value. False when it was swept and somebody else has it. */
export async function activate(db: Statements, value: string, userId: string): Promise<boolean> {
  const active = await db.run(
    "UPDATE identities SET state = 'active' WHERE value = :value AND user_id = :userId",
    { value, userId },
  );
  return (
    active > 0 ||
    db.insertNew("identities", { value, user_id: userId, state: "active", created_at: Date.now() })
  );
}

/** Before the user's row gives the value up: from here on the sweep decides if nobody else does. */
export async function doubt(db: Statements, value: string, userId: string, now: number): Promise<void> {
  await db.run(
    "UPDATE identities SET state = 'reserved', created_at = :now WHERE value = :value AND user_id = :userId",
    { value, userId, now },
  );
}

/** Frees a value that the user's row does not carry. */
export async function release(db: Statements, value: string, userId: string): Promise<void> {
  await db.run("DELETE FROM identities WHERE value = :value AND user_id = :userId", { value, userId });
}

/** Keeps a user name from being taken again. */
export async function reserveErased(db: Statements, username: string, now: number): Promise<void> {
  await db.insertNew("identities", {
    value: erasedValue(username),
    user_id: "",
    state: "active",
    created_at: now,
  });
}

/** The user who has a value, or null. */
export async function holderOf(db: Statements, value: string): Promise<string | null> {
  const row = await db.one<{ user_id: string }>("SELECT user_id FROM identities WHERE value = :value", {
    value,
  });
  return row?.user_id ?? null;
}

interface Doubtful {
  value: string;
  user_id: string;
  created_at: number;
}

/** Settles the rows that have been in doubt for long: their process died half way. */
export async function sweepIdentities(db: Statements, now: number): Promise<void> {
  const rows = await db.all<Doubtful>(SWEEPS.doubtful, { before: now - IN_DOUBT });
  for (const { value, user_id: userId, created_at: seen } of rows) {
    const user = await db.one<{ username: string | null; email_key: string | null }>(
      "SELECT username, email_key FROM users WHERE id = :userId",
      { userId },
    );
    if (user && (value === `u:${user.username}` || value === `e:${user.email_key}`))
      await db.run(
        "UPDATE identities SET state = 'active' WHERE value = :value AND user_id = :userId AND created_at = :seen",
        { value, userId, seen },
      );
    else
      await db.run(
        "DELETE FROM identities WHERE value = :value AND user_id = :userId AND state = 'reserved' AND created_at = :seen",
        { value, userId, seen },
      );
  }
}

/** Rows of users: loading, what is shown of them, making one. */
import type { Database, Statements, Tx } from "../../lib/database.ts";
import type { Answer, Language } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { iso } from "../../lib/types.ts";
import { nobody } from "../../mixins/people.ts";
import * as identities from "./identities.ts";

export interface UserRow {
  id: string;
  username: string | null;
  email: string | null;
  email_key: string | null;
  password_hash: string | null;
  /** 0: a password like any; 1: good for one sign-in; 2: used, good only to set another. */
  password_once: 0 | 1 | 2;
  display_name: string;
  bio: string | null;
  avatar_file_id: string | null;
  college: string | null;
  major: string | null;
  grade: string | null;
  locale: Language;
  status: "active" | "suspended" | "erased";
  status_reason: string | null;
  /** The newest token that may change the e-mail. */
  email_token: string | null;
  terms_accepted_at: number | null;
  signed_in_at: number | null;
  erased_at: number | null;
  version: number;
  created_at: number;
  updated_at: number;
}

export type OwnUser = Answer<"users.me">;
export type Role = OwnUser["roles"][number];

/** A user by id, or null. */
export function load(db: Statements, id: string): Promise<UserRow | null> {
  return db.one<UserRow>("SELECT * FROM users WHERE id = :id", { id });
}

/** A user by user name or e-mail, or null; never one who is erased. */
export async function loadByLogin(db: Statements, login: string): Promise<UserRow | null> {
  const value = identities.loginValue(login);
  const holder = await identities.holderOf(db, value);
  // The same statements whether or not there is one.
  const user = await load(db, holder ?? "");
  const carried = value === `u:${user?.username}` || value === `e:${user?.email_key}`;
  return user && carried && user.status !== "erased" ? user : null;
}

/**
 * A user whose row no other transaction changes until this one ends, or null. Whoever opens or ends sessions, or
 * changes password, status or roles, locks the user first.
 */
export async function lock(tx: Tx, id: string): Promise<UserRow | null> {
  await tx.run("UPDATE users SET version = version WHERE id = :id", { id });
  return load(tx, id);
}

/** What one sees of oneself, and an administrator of everyone. */
export function presentOwn(user: UserRow, given: readonly Role[], language?: Language): OwnUser {
  return {
    id: user.id,
    username: user.username,
    email: user.email,
    displayName: user.status === "erased" ? nobody(language).displayName : user.display_name,
    bio: user.bio,
    avatarFileId: user.avatar_file_id,
    college: user.college,
    major: user.major,
    grade: user.grade,
    locale: user.locale,
    status: user.status,
    roles: ["student", ...given],
    version: user.version,
    createdAt: iso(user.created_at),
    updatedAt: iso(user.updated_at),
  };
}

/** What the search of people looks through. */
export function searchKey(user: {
  username: string | null;
  display_name: string;
  email: string | null;
}): string {
  const text = [user.username, user.display_name, user.email].filter(Boolean).join("\n");
  return Array.from(identities.normalize(text)).slice(0, 700).join("");
}

export interface NewAccount {
  id: string;
  username: string;
  email: string | null;
  passwordHash: string;
  passwordOnce: 0 | 1;
  displayName: string | null;
  locale: Language;
  acceptedTerms: boolean;
}

/** Refuses a user name or e-mail that is taken, before anything costly is done. */
export async function refuseTaken(db: Statements, username: string, email: string | null): Promise<void> {
  const names = [identities.usernameValue(username), identities.erasedValue(username)];
  for (const value of names)
    if ((await identities.holderOf(db, value)) !== null) throw new AppError("USERNAME_TAKEN");
  if (email && (await identities.holderOf(db, identities.emailValue(email))) !== null)
    throw new AppError("EMAIL_TAKEN");
}

/**
 * Makes a user: first the identities, reserved, then the row with all that `also` adds in one transaction on the
 * user's shard, then the identities are active. Where it dies half way, the sweep frees or keeps them.
 * @throws USERNAME_TAKEN, EMAIL_TAKEN; UNAVAILABLE when it took so long that the names are gone
 */
export async function createAccount<R>(
  db: Database,
  account: NewAccount,
  also: (tx: Tx, user: UserRow) => Promise<R>,
  requestId: string | null = null,
): Promise<{ user: UserRow; result: R }> {
  const user = rowOf(account, Date.now());
  const values = await reserveAll(db.primary, user);
  let result: R;
  try {
    result = await db.transaction(
      async (tx) => {
        await tx.insert("users", { ...user, search_key: searchKey(user) });
        await tx.tell({ type: "users.registered", aggregate: aggregateOf(user), data: {} });
        return also(tx, user);
      },
      { actor: user.id, requestId },
    );
  } catch (error) {
    // When it is not known whether it was committed, the sweep finds out.
    if (error instanceof AppError)
      for (const value of values) await identities.release(db.primary, value, user.id);
    throw error;
  }
  for (const value of values)
    if (!(await identities.activate(db.primary, value, user.id))) return undo(db, user, values);
  return { user, result };
}

function rowOf(account: NewAccount, now: number): UserRow {
  const username = identities.normalize(account.username);
  return {
    id: account.id,
    username,
    email: account.email,
    email_key: account.email && identities.normalize(account.email),
    password_hash: account.passwordHash,
    password_once: account.passwordOnce,
    display_name: account.displayName ?? username,
    bio: null,
    avatar_file_id: null,
    college: null,
    major: null,
    grade: null,
    locale: account.locale,
    status: "active",
    status_reason: null,
    email_token: null,
    terms_accepted_at: account.acceptedTerms ? now : null,
    signed_in_at: null,
    erased_at: null,
    version: 1,
    created_at: now,
    updated_at: now,
  };
}

/** All or none. */
async function reserveAll(db: Statements, user: UserRow): Promise<string[]> {
  const username = user.username as string;
  const values = [`u:${username}`, ...(user.email_key === null ? [] : [`e:${user.email_key}`])];
  for (const [i, value] of values.entries()) {
    const taken =
      !(await identities.reserve(db, value, user.id, user.created_at)) ||
      // Looked at when the name is ours: an erasure keeps it before it lets it go.
      (i === 0 && (await identities.holderOf(db, identities.erasedValue(username))) !== null);
    if (!taken) continue;
    for (const own of values.slice(0, i + 1)) await identities.release(db, own, user.id);
    throw new AppError(i === 0 ? "USERNAME_TAKEN" : "EMAIL_TAKEN");
  }
  return values;
}

/** Somebody else got a name while this took longer than a minute. */
async function undo(db: Database, user: UserRow, values: string[]): Promise<never> {
  await undoAccount(db, user, values);
  throw new AppError("UNAVAILABLE", { retryAfter: 2 });
}

/** Takes a user back who was made a moment ago and whose names somebody else has. */
export async function undoAccount(
  db: Database,
  user: Pick<UserRow, "id" | "version">,
  values: string[],
): Promise<void> {
  const { id } = user;
  await db.transaction(async (tx) => {
    for (const table of ["sessions", "account_tokens", "user_roles"])
      await tx.run(`DELETE FROM ${table} WHERE user_id = :id`, { id });
    await tx.run("DELETE FROM users WHERE id = :id", { id });
    await tx.tell({ type: "users.erased", aggregate: { ...aggregateOf(user), version: 2 }, data: {} });
  });
  for (const value of values) await identities.release(db.primary, value, id);
}

/** A user in a message. */
export function aggregateOf({ id, version }: { id: string; version: number }) {
  return { type: "user", id, version };
}

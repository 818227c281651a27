/** Signing in by password, being asked for it again, and the rules for choosing one. */
import type { Database, Tx } from "../../lib/database.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import {
  DUMMY_HASH,
  hashPassword,
  needsRehash,
  PASSWORD_LENGTH,
  passwordProblem,
  verifyPassword,
} from "../../lib/passwords.ts";
import { tellMailDue } from "./account-mails.ts";
import { load, loadByLogin, lock } from "./accounts.ts";
import type { UserRow } from "./accounts.ts";
import { normalize } from "./identities.ts";
import {
  accountAgain,
  accountOf,
  countAttempt,
  forgetFailures,
  tellOnce,
  uncount,
} from "./login-failures.ts";
import type { Attempt } from "./login-failures.ts";
import { givenRoles } from "./roles.ts";
import { openSession } from "./session-store.ts";
import type { Client, OpenSession } from "./session-store.ts";

/** Refuses a new password that breaks the rules, as a 422 of `field`. */
export function refusePassword(field: string, password: string): void {
  const code = passwordProblem(password);
  if (code)
    throw invalid({ field, code, values: { limit: PASSWORD_LENGTH[code === "TOO_LONG" ? "max" : "min"] } });
}

/** Refuses an e-mail of another domain than those that are accepted, where there are such. */
export function refuseDomain(email: string, domains: readonly string[]): void {
  const domain = normalize(email).split("@").at(-1) as string;
  if (domains.length === 0 || domains.includes(domain)) return;
  const allowed = domains.join(", ");
  throw new AppError("EMAIL_DOMAIN", {
    domains: allowed,
    errors: [{ field: "email", code: "INVALID" }],
  });
}

/**
 * Checks login and password and opens a session. What is done, and how long it takes, is the same for an account that
 * is not there.
 * @param also runs in the transaction that opens the session
 * @throws INVALID_CREDENTIALS, ACCOUNT_LOCKED; ACCOUNT_SUSPENDED to the right password alone; BusyError
 */
export async function signIn(
  db: Database,
  { login, password }: { login: string; password: string },
  client: Client | undefined,
  also: (tx: Tx, user: string) => Promise<void>,
): Promise<{ user: UserRow; session: OpenSession }> {
  const { user, checked, hash } = await prove(db, { login, password });
  return open(db, user.id, checked, hash, async (tx, fresh, now) => {
    const session = await openSession(tx, fresh.id, client, now);
    await also(tx, fresh.id);
    return { user: fresh, session };
  });
}

/**
 * Checks login and password of an administrator. Somebody else, and a password that is good for one sign-in, by which
 * another is to be set first, count as a wrong password.
 * @throws as `signIn`
 */
export async function proveAdmin(
  db: Database,
  credentials: { login: string; password: string },
): Promise<UserRow> {
  const isAdmin = async (user: UserRow | null): Promise<boolean> => {
    const roles = await givenRoles(db.primary, user?.id ?? "");
    return roles.includes("admin") && user?.password_once === 0;
  };
  const { user, checked, hash } = await prove(db, credentials, isAdmin);
  return open(db, user.id, checked, hash, async (_tx, fresh) => ({ ...fresh, password_hash: hash }));
}

/**
 * A person who is signed in, when `password` is theirs. Wrong ones are counted: who has stolen an access token must not
 * find the password by trying.
 * @throws WRONG_PASSWORD, ACCOUNT_LOCKED, BusyError; INVALID_TOKEN to who was erased a moment ago
 */
export async function proveAgain(
  db: Database,
  id: string,
  password: string,
): Promise<UserRow & { password_hash: string }> {
  const user = await load(db.primary, id);
  if (!user?.password_hash) throw new AppError("INVALID_TOKEN");
  const attempt = await countAttempt(db, accountAgain(id), Date.now());
  if (!(await verify(db, attempt, password, user))) throw new AppError("WRONG_PASSWORD");
  await uncount(db, attempt);
  return { ...user, password_hash: user.password_hash };
}

/** Whose they are; `may` is asked about everybody, so that it takes the same time. */
async function prove(
  db: Database,
  { login, password }: { login: string; password: string },
  may: (user: UserRow | null) => Promise<boolean> = async () => true,
): Promise<{ user: UserRow; checked: string; hash: string }> {
  const user = await loadByLogin(db.primary, login);
  const permitted = await may(user);
  const attempt = await countAttempt(db, accountOf(user?.id ?? null, login), Date.now());
  const right = await verify(db, attempt, password, user);
  const checked = user?.password_hash;
  if (!checked || !right || !permitted || user.password_once === 2) return fail(db, user, attempt);
  if (user.status === "suspended") {
    await uncount(db, attempt);
    throw new AppError("ACCOUNT_SUSPENDED");
  }
  return { user, checked, hash: await newHash(password, checked) };
}

/** An attempt at which nothing comes to be known about the password is none. */
async function verify(
  db: Database,
  attempt: Attempt,
  password: string,
  user: UserRow | null,
): Promise<boolean> {
  try {
    return await verifyPassword(password, user?.password_hash ?? DUMMY_HASH);
  } catch (error) {
    await uncount(db, attempt);
    throw error;
  }
}

async function fail(db: Database, user: UserRow | null, { account, at, last }: Attempt): Promise<never> {
  if (last)
    await db.transaction(async (tx) => {
      if ((await tellOnce(tx, account, at)) && user) await tellMailDue(tx, user.id, "accountLocked", null);
    });
  throw new AppError("INVALID_CREDENTIALS");
}

/** The hash with today's parameters, where the stored one has others; not worth a refusal when it is busy. */
async function newHash(password: string, stored: string): Promise<string> {
  return needsRehash(stored) ? hashPassword(password).catch(() => stored) : stored;
}

/** Only while the password that was checked is still the user's. */
async function open<R>(
  db: Database,
  id: string,
  checked: string,
  hash: string,
  work: (tx: Tx, user: UserRow, now: number) => Promise<R>,
): Promise<R> {
  return db.transaction(async (tx) => {
    const now = Date.now();
    const fresh = await lock(tx, id);
    const same = fresh?.password_hash === checked && fresh.password_once !== 2;
    if (!fresh || !same) throw new AppError("INVALID_CREDENTIALS");
    if (fresh.status !== "active") throw new AppError("ACCOUNT_SUSPENDED");
    const once = fresh.password_once === 1 ? 2 : 0;
    await tx.run(
      "UPDATE users SET signed_in_at = :now, password_once = :once, password_hash = :hash WHERE id = :id",
      { id, now, once, hash },
    );
    await forgetFailures(tx, id);
    return work(tx, fresh, now);
  });
}

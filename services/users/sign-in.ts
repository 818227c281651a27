/** Signing in by password, and the rules for choosing one. */
import type { Database } from "../../lib/database.ts";
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
import { loadByLogin, lock } from "./accounts.ts";
import type { UserRow } from "./accounts.ts";
import { normalize } from "./identities.ts";
import { accountOf, countAttempt, forgetFailures, tellOnce, uncount } from "./login-failures.ts";
import type { Attempt } from "./login-failures.ts";
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
 * @throws INVALID_CREDENTIALS, ACCOUNT_LOCKED; ACCOUNT_SUSPENDED to the right password alone; BusyError
 */
export async function signIn(
  db: Database,
  { login, password }: { login: string; password: string },
  client: Client | undefined,
): Promise<{ user: UserRow; session: OpenSession }> {
  const user = await loadByLogin(db.primary, login);
  const attempt = await countAttempt(db, accountOf(user?.id ?? null, login), Date.now());
  let right: boolean;
  try {
    right = await verifyPassword(password, user?.password_hash ?? DUMMY_HASH);
  } catch (error) {
    // Nothing is known about the password.
    await uncount(db, attempt);
    throw error;
  }
  if (!user?.password_hash || !right || user.password_once === 2) return fail(db, user, attempt);
  if (user.status === "suspended") {
    await uncount(db, attempt);
    throw new AppError("ACCOUNT_SUSPENDED");
  }
  return open(db, user, user.password_hash, await newHash(password, user.password_hash), client);
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
async function open(
  db: Database,
  user: UserRow,
  checked: string,
  hash: string,
  client: Client | undefined,
): Promise<{ user: UserRow; session: OpenSession }> {
  return db.transaction(async (tx) => {
    const now = Date.now();
    const fresh = await lock(tx, user.id);
    const same = fresh?.password_hash === checked && fresh.password_once !== 2;
    if (!fresh || !same) throw new AppError("INVALID_CREDENTIALS");
    if (fresh.status !== "active") throw new AppError("ACCOUNT_SUSPENDED");
    const once = fresh.password_once === 1 ? 2 : 0;
    await tx.run(
      "UPDATE users SET signed_in_at = :now, password_once = :once, password_hash = :hash WHERE id = :id",
      { id: user.id, now, once, hash },
    );
    await forgetFailures(tx, user.id);
    return { user: fresh, session: await openSession(tx, user.id, client, now) };
  });
}

/**
 * The second factors. A code is good once: the row knows the newest step that was used. Wrong codes lock, in a count of
 * their own, which no sign-in by password alone takes back.
 */
import type { Database, Statements, Tx } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import { newRecoveryCodes, newSecret, plainCode, recoveryHash, stepOf } from "./totp.ts";
import type { Sealer } from "./totp.ts";

const LIMIT = 5;
/** Milliseconds. */
const LOCK_WINDOW = 15 * 60_000;

interface TotpRow {
  secret: string;
  confirmed_at: number | null;
  last_step: number;
  failures: string;
}

/** Administrators whose second factor is in force. */
export async function confirmedAdmins(db: Statements): Promise<string[]> {
  const rows = await db.all<{ user_id: string }>(
    "SELECT user_id FROM admin_totp WHERE confirmed_at IS NOT NULL ORDER BY user_id",
  );
  return rows.map(({ user_id: user }) => user);
}

/** Whether somebody's second factor is in force. */
export async function hasTotp(db: Statements, user: string): Promise<boolean> {
  const row = await find(db, user);
  return row !== null && row.confirmed_at !== null;
}

/** Recovery codes that were not used. */
export function codesLeft(db: Statements, user: string): Promise<number> {
  return db.number(
    "SELECT COUNT(*) AS n FROM admin_recovery_codes WHERE user_id = :user AND used_at IS NULL",
    { user },
  );
}

function find(db: Statements, user: string): Promise<TotpRow | null> {
  return db.one<TotpRow>(
    "SELECT secret, confirmed_at, last_step, failures FROM admin_totp WHERE user_id = :user",
    { user },
  );
}

/** The row, which no other transaction changes until this one ends. */
async function lock(tx: Tx, user: string): Promise<TotpRow | null> {
  await tx.run("UPDATE admin_totp SET changes = changes + 1 WHERE user_id = :user", { user });
  return find(tx, user);
}

/** A new secret that is not in force yet, in place of one that was not confirmed. @throws TOTP_ALREADY_SET */
export async function beginTotp(tx: Tx, sealer: Sealer, user: string, now: number): Promise<string> {
  const secret = newSecret();
  const sealed = sealer.seal(user, secret);
  const fresh = {
    user_id: user,
    secret: sealed,
    confirmed_at: null,
    last_step: 0,
    failures: "[]",
    changes: 0,
    created_at: now,
  };
  if ((await lock(tx, user)) === null && (await tx.insertNew("admin_totp", fresh))) return secret;
  const replaced = await tx.run(
    "UPDATE admin_totp SET secret = :sealed, created_at = :now WHERE user_id = :user AND confirmed_at IS NULL",
    { user, sealed, now },
  );
  if (replaced === 0) throw new AppError("TOTP_ALREADY_SET");
  return secret;
}

/**
 * Puts the secret in force by its first code; returns the recovery codes.
 * @throws TOTP_NOT_SET, TOTP_ALREADY_SET, TOTP_CODE_WRONG
 */
export async function confirmTotp(
  tx: Tx,
  sealer: Sealer,
  user: string,
  code: string,
  now: number,
): Promise<string[]> {
  const row = await lock(tx, user);
  if (!row) throw new AppError("TOTP_NOT_SET");
  if (row.confirmed_at !== null) throw new AppError("TOTP_ALREADY_SET");
  const step = stepOf(sealer.open(user, row.secret).secret, plainCode(code), now);
  if (step === null) throw new AppError("TOTP_CODE_WRONG");
  await tx.run(
    "UPDATE admin_totp SET confirmed_at = :now, last_step = :step, failures = '[]' WHERE user_id = :user",
    { user, now, step },
  );
  const codes = newRecoveryCodes();
  await tx.run("DELETE FROM admin_recovery_codes WHERE user_id = :user", { user });
  await tx.insertAll(
    "admin_recovery_codes",
    codes.map((each) => ({ user_id: user, code_hash: recoveryHash(user, each), used_at: null })),
  );
  return codes;
}

/**
 * Whether a code is good, which uses it up; one that is not is counted.
 * @throws ACCOUNT_LOCKED with the seconds until the next try; TOTP_NOT_SET
 */
export function takeCode(
  db: Database,
  sealer: Sealer,
  user: string,
  code: string,
  now: number,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const row = await lock(tx, user);
    if (!row || row.confirmed_at === null) throw new AppError("TOTP_NOT_SET");
    const failures = (JSON.parse(row.failures) as number[]).filter((at) => at > now - LOCK_WINDOW);
    const first = failures.at(-LIMIT);
    if (first !== undefined)
      throw new AppError("ACCOUNT_LOCKED", {
        retryAfter: Math.max(1, Math.ceil((first + LOCK_WINDOW - now) / 1000)),
      });
    const good = await use(tx, sealer, user, row, plainCode(code), now);
    await tx.run("UPDATE admin_totp SET failures = :failures WHERE user_id = :user", {
      user,
      failures: JSON.stringify(good ? [] : [...failures, now]),
    });
    return good;
  });
}

async function use(
  tx: Tx,
  sealer: Sealer,
  user: string,
  row: TotpRow,
  code: string,
  now: number,
): Promise<boolean> {
  if (!/^\d{6}$/.test(code)) return useRecovery(tx, user, code, now);
  const { secret, old } = sealer.open(user, row.secret);
  const step = stepOf(secret, code, now);
  if (step === null) return false;
  const advanced = await tx.run(
    "UPDATE admin_totp SET last_step = :step, secret = :sealed WHERE user_id = :user AND last_step < :step",
    { user, step, sealed: old ? sealer.seal(user, secret) : row.secret },
  );
  return advanced > 0;
}

async function useRecovery(tx: Tx, user: string, code: string, now: number): Promise<boolean> {
  const used = await tx.run(
    "UPDATE admin_recovery_codes SET used_at = :now WHERE user_id = :user AND code_hash = :hash AND used_at IS NULL",
    { user, hash: recoveryHash(user, code), now },
  );
  return used > 0;
}

/** Takes a second factor away, with all its codes; returns whether there was one, in force or not. */
export async function removeTotp(tx: Tx, user: string): Promise<boolean> {
  await tx.run("DELETE FROM admin_recovery_codes WHERE user_id = :user", { user });
  return (await tx.run("DELETE FROM admin_totp WHERE user_id = :user", { user })) > 0;
}

/**
 * Wrong passwords by account, whether there is such an account or not. An attempt is counted before the password is
 * checked, so that attempts at the same time count too, and taken back when it was no failure.
 */
import type { Database, Tx } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import { normalize } from "./identities.ts";
import { sha256 } from "./secrets.ts";

const LIMIT = 5;
export const LOCK_WINDOW = 15 * 60_000;

interface FailureRow {
  attempts: string;
  told_at: number;
}

export interface Attempt {
  account: string;
  at: number;
  /** With this one, if it fails, the account is locked. */
  last: boolean;
}

/** The key of a login's count: user name and e-mail of one account share it; what was typed for none is kept as a hash. */
export function accountOf(userId: string | null, login: string): string {
  return userId ?? sha256(normalize(login));
}

/**
 * The key of passwords that a person who is signed in is asked for again. It is a count of its own: by wrong sign-ins a
 * stranger keeps nobody from a new password, and who has but stolen a token keeps nobody from signing in.
 */
export function accountAgain(userId: string): string {
  return `again:${userId}`;
}

/** Counts an attempt. @throws ACCOUNT_LOCKED with the seconds until the next one */
export async function countAttempt(db: Database, account: string, now: number): Promise<Attempt> {
  refuseLocked(await db.primary.one<FailureRow>(READ, { account }), now);
  return db.transaction(async (tx) => {
    const row = await lockRow(tx, account, now);
    const attempts = refuseLocked(row, now);
    await write(tx, account, [...attempts, now]);
    return { account, at: now, last: attempts.length + 1 === LIMIT };
  });
}

/** Takes an attempt back that was no failure. */
export async function uncount(db: Database, { account, at }: Attempt): Promise<void> {
  await db.transaction(async (tx) => {
    const attempts = attemptsOf(await lockRow(tx, account, at));
    const index = attempts.indexOf(at);
    if (index >= 0) await write(tx, account, attempts.toSpliced(index, 1));
  });
}

/** Whether the person is to be told of the lock, which is once for each. */
export async function tellOnce(tx: Tx, account: string, now: number): Promise<boolean> {
  const told = await tx.run(
    "UPDATE login_failures SET told_at = :now WHERE account = :account AND told_at <= :before",
    { account, now, before: now - LOCK_WINDOW },
  );
  return told > 0;
}

/** After a success. */
export async function forgetFailures(tx: Tx, account: string): Promise<void> {
  await tx.run("DELETE FROM login_failures WHERE account = :account", { account });
}

/** After a reset or an erasure: those of signing in and those of passwords asked for again. */
export async function forgetAllFailures(tx: Tx, userId: string): Promise<void> {
  await forgetFailures(tx, userId);
  await forgetFailures(tx, accountAgain(userId));
}

const READ = "SELECT attempts, told_at FROM login_failures WHERE account = :account";

async function lockRow(tx: Tx, account: string, now: number): Promise<FailureRow | null> {
  const lock = () =>
    tx.run("UPDATE login_failures SET changes = changes + 1 WHERE account = :account", { account });
  if ((await lock()) === 0) {
    const fresh = { account, attempts: "[]", changes: 0, told_at: 0, updated_at: now };
    if (!(await tx.insertNew("login_failures", fresh))) await lock();
  }
  return tx.one<FailureRow>(READ, { account });
}

async function write(tx: Tx, account: string, attempts: number[]): Promise<void> {
  await tx.run("UPDATE login_failures SET attempts = :attempts, updated_at = :now WHERE account = :account", {
    account,
    attempts: JSON.stringify(attempts),
    now: Date.now(),
  });
}

function attemptsOf(row: FailureRow | null): number[] {
  return row ? (JSON.parse(row.attempts) as number[]) : [];
}

/** The attempts that still count. */
function refuseLocked(row: FailureRow | null, now: number): number[] {
  const attempts = attemptsOf(row).filter((at) => at > now - LOCK_WINDOW);
  const first = attempts.at(-LIMIT);
  if (first !== undefined)
    throw new AppError("ACCOUNT_LOCKED", {
      retryAfter: Math.max(1, Math.ceil((first + LOCK_WINDOW - now) / 1000)),
    });
  return attempts;
}

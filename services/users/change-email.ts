/** A new e-mail: asked for with a token to the new address and a notice to the old one, then confirmed. */
import type { Database, Tx } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import { findToken, issueToken, spendToken, tellMailDue, voidTokens } from "./account-mails.ts";
import { aggregateOf, load, lock, searchKey } from "./accounts.ts";
import type { UserRow } from "./accounts.ts";
import * as identities from "./identities.ts";

/** In the transaction of the request: the newest token is the only one that counts. */
export async function askForEmail(
  tx: Tx,
  keys: readonly Buffer[],
  { id: user, email: oldEmail }: UserRow,
  email: string,
): Promise<void> {
  const token = await issueToken(tx, keys, { user, kind: "email", email, oldEmail }, Date.now());
  await tx.run("UPDATE users SET email_token = :token WHERE id = :user", { user, token });
  await tellMailDue(tx, user, "emailChange", token);
  if (oldEmail !== null) await tellMailDue(tx, user, "emailChangeNotice", token);
}

/**
 * Takes the new address, changes the user's row, and lets the old one go; where it dies half way, the sweep does the
 * rest.
 * @param also runs in the transaction that changes the row
 * @throws INVALID_RESET_TOKEN; EMAIL_TAKEN when somebody has it meanwhile
 */
export async function confirmEmail(
  db: Database,
  token: string,
  also: (tx: Tx, user: string) => Promise<void>,
): Promise<void> {
  const now = Date.now();
  const row = await findToken(db.primary, token, "email", now);
  const user = row && (await load(db.primary, row.user_id));
  if (!row?.email || user?.email_token !== row.id || user.status !== "active")
    throw new AppError("INVALID_RESET_TOKEN");
  const email = row.email;
  const [before, after] = [user.email_key && `e:${user.email_key}`, identities.emailValue(email)];
  if (before !== after) {
    if (!(await identities.reserve(db.primary, after, user.id, now))) await refuseTaken(db, after, user.id);
    if (before) await identities.doubt(db.primary, before, user.id, now);
  }
  await db.transaction(async (tx) => {
    const fresh = await lock(tx, user.id);
    // A second try with the same token leaves what the first one has done as it is.
    if (fresh?.email_token !== row.id || fresh.status !== "active" || !(await spendToken(tx, row, now)))
      throw new AppError("INVALID_RESET_TOKEN");
    const next = {
      ...fresh,
      email,
      email_key: identities.normalize(email),
      version: fresh.version + 1,
      updated_at: now,
    };
    await tx.run(
      `UPDATE users SET email = :email, email_key = :email_key, search_key = :search_key,
       version = :version, updated_at = :updated_at WHERE id = :id`,
      { ...next, search_key: searchKey(next) },
    );
    // What was sent before, to the old address too, opens nothing any more.
    await voidTokens(tx, user.id, now);
    await tx.tell({ type: "users.updated", aggregate: aggregateOf(next), data: {} });
    await also(tx, user.id);
  });
  if (before === after) return;
  if (!(await identities.activate(db.primary, after, user.id))) return restore(db, user, before);
  if (before) await identities.release(db.primary, before, user.id);
}

/** The value may be the user's own, left by a try that died. */
async function refuseTaken(db: Database, value: string, user: string): Promise<void> {
  if ((await identities.holderOf(db.primary, value)) !== user) throw new AppError("EMAIL_TAKEN");
}

/** This took longer than a minute, and somebody else has got the address: the old one stays. */
async function restore(db: Database, user: UserRow, before: string | null): Promise<never> {
  if (before && !(await identities.activate(db.primary, before, user.id))) throw new AppError("UNAVAILABLE");
  await db.transaction(async (tx) => {
    const fresh = (await lock(tx, user.id)) as UserRow;
    const next = { ...fresh, email: user.email, email_key: user.email_key, version: fresh.version + 1 };
    await tx.run(
      "UPDATE users SET email = :email, email_key = :email_key, search_key = :search_key, version = :version WHERE id = :id",
      { ...next, search_key: searchKey(next) },
    );
    await tx.tell({ type: "users.updated", aggregate: aggregateOf(next), data: {} });
  });
  throw new AppError("EMAIL_TAKEN");
}

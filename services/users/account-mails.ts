/**
 * Tokens that travel in mails, and the mails about an account. That a mail is due is a message in the outbox of the
 * change that asks for it, so it is sent if and only if that was committed, however long mail is away. The message
 * names the row of a token; the token itself is made again when the mail is sent (secrets.ts) and is kept nowhere.
 */
import type { NewMessage, Statements, Tx } from "../../lib/database.ts";
import type { Envelope, Params } from "../../lib/declare.ts";
import { newId } from "../../lib/ids.ts";
import { load } from "./accounts.ts";
import { mac, pack, same, sha256, unpack } from "./secrets.ts";

/** Milliseconds that a token is good for. */
export const TOKEN_LIFE = 30 * 60_000;
/** The same for one of an invitation, which nobody waits for. */
export const INVITATION_LIFE = 14 * 24 * 3_600_000;
const SECRET_BYTES = 32;

type Kind = "reset" | "email";
type Due = Params<"auth.onMailDue">["data"];

export interface TokenRow {
  user_id: string;
  id: string;
  kind: Kind;
  hash: string;
  /** For a change of e-mail: the new one, and the one that it takes the place of. */
  email: string | null;
  old_email: string | null;
  created_at: number;
  expires_at: number;
  used_at: number | null;
}

const secretOf = (
  key: Buffer,
  { kind, user_id: user, id }: Pick<TokenRow, "kind" | "user_id" | "id">,
): Buffer => mac(key, `${kind} ${user} ${id}`, SECRET_BYTES);

/** Issues a token for a user; returns its id, by which the mail finds it. */
export async function issueToken(
  tx: Tx,
  keys: readonly Buffer[],
  {
    user,
    kind,
    email = null,
    oldEmail = null,
  }: { user: string; kind: Kind; email?: string | null; oldEmail?: string | null },
  now: number,
): Promise<string> {
  const row = { ...newToken(keys, user, kind, now, TOKEN_LIFE), email, old_email: oldEmail };
  await tx.insert("account_tokens", row);
  return row.id;
}

function newToken(keys: readonly Buffer[], user: string, kind: Kind, now: number, life: number) {
  const row = { user_id: user, id: newId(), kind };
  return {
    ...row,
    hash: sha256(secretOf(keys[0] as Buffer, row)),
    email: null,
    old_email: null,
    created_at: now,
    expires_at: now + life,
    used_at: null,
  };
}

/**
 * Asks for mails that invite people to set their first password: a reset with a longer life.
 * @param due when each mail is to leave (milliseconds since 1970)
 */
export async function invitationsFor(
  tx: Tx,
  keys: readonly Buffer[],
  due: readonly { user: string; dueAt: number }[],
  now: number,
): Promise<void> {
  const rows = due.map(({ user, dueAt }) =>
    newToken(keys, user, "reset", now, dueAt - now + INVITATION_LIFE),
  );
  await tx.insertAll("account_tokens", rows);
  await tx.tellAll(
    due.map(({ user, dueAt }, i) => ({
      ...mailDue(user, "invitation", rows[i]?.id ?? null),
      dueAt,
    })),
  );
}

/** The row of a token that is good, or null. */
export async function findToken(
  db: Statements,
  token: string,
  kind: Kind,
  now: number,
): Promise<TokenRow | null> {
  const parts = unpack(token, SECRET_BYTES);
  if (!parts) return null;
  const row = await findRow(db, parts.user, parts.id);
  const good =
    row?.kind === kind && same(row.hash, sha256(parts.rest)) && row.expires_at > now && row.used_at === null;
  return good ? row : null;
}

function findRow(db: Statements, user: string, id: string): Promise<TokenRow | null> {
  return db.one<TokenRow>("SELECT * FROM account_tokens WHERE user_id = :user AND id = :id", { user, id });
}

/** Spends a token; false when somebody else has done so. */
export async function spendToken(tx: Tx, { user_id: user, id }: TokenRow, now: number): Promise<boolean> {
  const spent = await tx.run(
    "UPDATE account_tokens SET used_at = :now WHERE user_id = :user AND id = :id AND used_at IS NULL",
    { user, id, now },
  );
  return spent > 0;
}

/**
 * No token that was sent does anything any more. Part of every new password and every new e-mail: who takes an account
 * back by a new password must not lose it to a change of e-mail that somebody else has asked for before.
 */
export async function voidTokens(tx: Tx, user: string, now: number): Promise<void> {
  await tx.run("UPDATE account_tokens SET used_at = :now WHERE user_id = :user AND used_at IS NULL", {
    user,
    now,
  });
  await tx.run("UPDATE users SET email_token = NULL WHERE id = :user", { user });
}

/** Asks for a mail, in the transaction of what it tells of. */
export async function tellMailDue(
  tx: Tx,
  user: string,
  template: Due["template"],
  tokenId: string | null,
): Promise<void> {
  await tx.tell(mailDue(user, template, tokenId));
}

function mailDue(user: string, template: Due["template"], tokenId: string | null): NewMessage {
  return {
    type: "users.mailDue",
    aggregate: { type: "user", id: user, version: 1 },
    data: { template, tokenId },
  };
}

/** The mail that a message asks for; null when it is no longer wanted. */
export async function composeMail(
  db: Statements,
  keys: readonly Buffer[],
  { id, aggregate, data }: Envelope<Due>,
  now: number,
): Promise<Params<"mail.send"> | null> {
  const { template, tokenId } = data;
  const user = await load(db, aggregate.id);
  if (!user || user.status === "erased") return null;
  const row = tokenId && (await findRow(db, user.id, tokenId));
  const to = (address: string | null, values: Record<string, string>) =>
    address && { id, to: address, locale: user.locale, template, values };
  if (template === "accountLocked") return to(user.email, {}) || null;
  if (!row) return null;
  if (template === "emailChangeNotice") return to(row.old_email, { email: row.email ?? "" }) || null;
  const key = keys.find((each) => same(row.hash, sha256(secretOf(each, row))));
  // Signing keys were changed meanwhile, or it came too late: a token that is no good helps nobody.
  if (!key || row.expires_at <= now || row.used_at !== null) return null;
  const token = pack(user.id, row.id, secretOf(key, row));
  if (template === "invitation") return to(user.email, { token, username: user.username ?? "" }) || null;
  return to(template === "emailChange" ? row.email : user.email, { token }) || null;
}

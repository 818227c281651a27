/** Erasure of an account. */
import type { Database, Tx } from "../../lib/database.ts";
import type { Answer } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import { consumersOf } from "../../mixins/runtime.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import { aggregateOf, load, lock } from "./accounts.ts";
import type { UserRow } from "./accounts.ts";
import * as identities from "./identities.ts";
import { forgetAllFailures } from "./login-failures.ts";
import { lockAdmins, refuseLastAdmin } from "./roles.ts";
import { endSessions } from "./session-store.ts";

/** User name and e-mail, as identities. */
function valuesOf({ username, email_key: email }: UserRow): string[] {
  return [...(username === null ? [] : [`u:${username}`]), ...(email === null ? [] : [`e:${email}`])];
}

/** Before the user's row is erased: its names are in doubt, and the user name is kept from others. */
export async function beginErasure(db: Database, user: UserRow): Promise<void> {
  const now = Date.now();
  if (user.username !== null) await identities.reserveErased(db.primary, user.username, now);
  for (const value of valuesOf(user)) await identities.doubt(db.primary, value, user.id, now);
}

/** After it; where the process dies before, the sweep does this. */
export async function endErasure(db: Database, user: UserRow): Promise<void> {
  for (const value of valuesOf(user)) await identities.release(db.primary, value, user.id);
}

/**
 * Takes everything personal out of a user's row and ends their sessions; returns the sessions' ids.
 * @throws LAST_ADMIN
 */
export async function erase(tx: Tx, { id, password_hash: hash }: UserRow): Promise<string[]> {
  await lockAdmins(tx);
  const user = await lock(tx, id);
  // Erased, or the password was changed, since it was checked.
  if (!user || user.status === "erased") throw new AppError("INVALID_TOKEN");
  if (user.password_hash !== hash) throw new AppError("WRONG_PASSWORD");
  await refuseLastAdmin(tx, id);
  const sids = await endSessions(tx, id);
  for (const table of ["sessions", "account_tokens", "user_roles"])
    await tx.run(`DELETE FROM ${table} WHERE user_id = :id`, { id });
  await forgetAllFailures(tx, id);
  const now = Date.now();
  await tx.run(
    `UPDATE users SET username = NULL, email = NULL, email_key = NULL, password_hash = NULL, password_once = 0,
     display_name = '', bio = NULL, avatar_file_id = NULL, college = NULL, major = NULL, grade = NULL,
     status = 'erased', status_reason = NULL, search_key = '', email_token = NULL, terms_accepted_at = NULL,
     signed_in_at = NULL, erased_at = :now, version = version + 1, updated_at = :now WHERE id = :id`,
    { id, now },
  );
  await tx.tell({
    type: "users.erased",
    aggregate: aggregateOf({ id, version: user.version + 1 }),
    data: {},
  });
  return sids;
}

/**
 * How far an erasure has come: what each consumer of its message has done. When the message itself is no longer kept
 * (30 days after the last one), all are done but those that became dead letters.
 * @param queued consumers get their messages from a queue, and tell when they are done
 * @throws NOT_FOUND for who is not erased
 */
export async function receiptsOf(
  db: Database,
  contracts: Runtime["contracts"],
  id: string,
  queued: boolean,
): Promise<Answer<"users.erasure">> {
  const user = await load(db.primary, id);
  if (user?.status !== "erased") throw new AppError("NOT_FOUND");
  const message = await db.primary.one<{ id: string; done: string; published_at: number | null }>(
    "SELECT id, done, published_at FROM outbox WHERE user_id = :id AND type = 'users.erased'",
    { id },
  );
  const consumers = consumersOf(contracts, "users.erased");
  const listed = message !== null && (queued || message.published_at === null);
  const done = listed ? (JSON.parse(message.done) as string[]) : consumers;
  const dead = await db.primary.all<{ consumer: string; envelope: string }>(
    "SELECT consumer, envelope FROM dead_letters WHERE type = 'users.erased'",
  );
  const refused = dead.filter(({ envelope }) => aggregateId(envelope) === id).map(({ consumer }) => consumer);
  return {
    erasedAt: user.erased_at ?? user.updated_at,
    receipts: consumers.map((consumer) => ({
      consumer,
      done: done.includes(consumer) && !refused.includes(consumer),
    })),
  };
}

function aggregateId(envelope: string): string {
  return (JSON.parse(envelope) as { aggregate: { id: string } }).aggregate.id;
}

/** Administrators' sessions: 30 minutes, without a refresh. A row outlives its session until gateways know that it ended. */
import { databaseNow } from "../../lib/database-time.ts";
import type { Statements, Tx } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import type { Headers } from "../../lib/implement.ts";

/** Seconds. */
export const SESSION_LIFE = 30 * 60;
const DAY = 24 * 3_600_000;
/** A revocation is committed a moment after its time; who has asked in between asks again for so long (milliseconds). */
const LATE_COMMIT = 30_000;

export interface AdminSession {
  id: string;
  user_id: string;
  stamp: string;
  expires_at: number;
  revoked_at: number | null;
}

/** Opens a session; returns its id. */
export async function openSession(
  tx: Tx,
  user: string,
  stamp: string,
  client: Headers["client"],
  now: number,
): Promise<string> {
  const id = newId();
  await tx.insert("admin_sessions", {
    id,
    user_id: user,
    stamp,
    device: Array.from(client?.device ?? "")
      .slice(0, 200)
      .join(""),
    address: client?.address.slice(0, 64) ?? null,
    created_at: now,
    expires_at: now + SESSION_LIFE * 1000,
    revoked_at: null,
  });
  return id;
}

/** A session that is open, or null. */
export async function openSessionOf(
  db: Statements,
  user: string,
  sid: string,
  now: number,
): Promise<AdminSession | null> {
  return db.one<AdminSession>(
    `SELECT id, user_id, stamp, expires_at, revoked_at FROM admin_sessions
     WHERE id = :sid AND user_id = :user AND revoked_at IS NULL AND expires_at > :now`,
    { sid, user, now },
  );
}

/** Ends sessions of an administrator: `only` one, or all `except` one; returns the ids of those that were open. */
export async function endSessions(
  tx: Tx,
  user: string,
  { only, except }: { only?: string; except?: string } = {},
): Promise<string[]> {
  const which = `user_id = :user AND revoked_at IS NULL${only ? " AND id = :only" : ""}${except ? " AND id <> :except" : ""}`;
  const values = { user, ...(only && { only }), ...(except && { except }) };
  const rows = await tx.all<{ id: string }>(`SELECT id FROM admin_sessions WHERE ${which}`, values);
  const sids = rows.map(({ id }) => id);
  if (sids.length === 0) return [];
  await tx.run("UPDATE admin_sessions SET revoked_at = :at WHERE id IN (:sids) AND revoked_at IS NULL", {
    sids,
    at: await databaseNow(tx),
  });
  return sids;
}

/** Sessions revoked at or after `since`, and some before, and the time to ask from the next time. */
export async function revokedSince(
  db: Statements,
  since: number,
): Promise<{ now: number; sids: { sid: string; at: number }[] }> {
  // The time first: what is committed after this read is asked for again.
  const now = await databaseNow(db);
  const sids = await db.all<{ sid: string; at: number }>(
    "SELECT id AS sid, revoked_at AS at FROM admin_sessions WHERE revoked_at >= :since",
    { since: since - LATE_COMMIT },
  );
  return { now, sids };
}

/** Deletes what has been over for a day. */
export async function forgetSessions(db: Statements, now: number): Promise<void> {
  await db.run("DELETE FROM admin_sessions WHERE expires_at < :before", { before: now - DAY });
}

/**
 * Sessions and their refresh tokens. A session's row knows its newest token, the one spent for that, and those that
 * were replaced before anybody used them. A token of the session that is none of these was spent earlier.
 *
 * A token holds the ids of user and session, a key that all tokens of the session share, and a number of its own with
 * its MAC under that key: so what was never issued is told from what was spent, without keeping all that was spent.
 */
import { randomBytes } from "node:crypto";
import { databaseNow } from "../../lib/database-time.ts";
import type { Database, Statements, Tx } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { mac, pack, same, sha256, unpack } from "./secrets.ts";

const DAY = 24 * 3_600_000;
const SLIDING = 30 * DAY;
const LONGEST = 180 * DAY;
/** Milliseconds in which a spent token gives a new pair, while its successor was not presented. */
const GRACE = 10_000;
const PART = 16;
/** Replaced tokens that are remembered; an older one counts as spent, which is the safe side. */
const REPLACED = 200;
const TRIES = 20;

export interface Client {
  address: string;
  device: string;
}

export interface SessionRow {
  user_id: string;
  id: string;
  device: string;
  address: string | null;
  created_at: number;
  last_used_at: number;
  expires_at: number;
  ended_at: number | null;
  family_hash: string;
  current_hash: string;
  previous_hash: string | null;
  spent_at: number | null;
  /** JSON list of hashes, cut short. */
  replaced: string;
}

export interface OpenSession {
  sid: string;
  refreshToken: string;
}

function tokenOf(user: string, sid: string, family: Buffer): string {
  const number = randomBytes(PART);
  return pack(
    user,
    sid,
    Buffer.concat([family, number, mac(family, `${user} ${sid} ${number.toString("hex")}`, PART)]),
  );
}

/** A token's parts when it is one of ours by its form and its MAC. */
function partsOf(token: string): { user: string; sid: string; family: Buffer } | null {
  const parts = unpack(token, 3 * PART);
  if (!parts) return null;
  const { user, id: sid, rest } = parts;
  const [family, number, tag] = [0, 1, 2].map((i) => rest.subarray(i * PART, (i + 1) * PART)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const genuine = same(tag, mac(family, `${user} ${sid} ${number.toString("hex")}`, PART));
  return genuine ? { user, sid, family } : null;
}

/** Opens a session; the user's row is locked. */
export async function openSession(
  tx: Tx,
  user: string,
  client: Client | undefined,
  now: number,
): Promise<OpenSession> {
  const sid = newId();
  const family = randomBytes(PART);
  const refreshToken = tokenOf(user, sid, family);
  await tx.insert("sessions", {
    user_id: user,
    id: sid,
    device: Array.from(client?.device ?? "")
      .slice(0, 200)
      .join(""),
    address: client?.address.slice(0, 64) ?? null,
    created_at: now,
    last_used_at: now,
    expires_at: now + SLIDING,
    ended_at: null,
    family_hash: sha256(family),
    current_hash: sha256(refreshToken),
    previous_hash: null,
    spent_at: null,
    replaced: "[]",
  });
  return { sid, refreshToken };
}

/** What came of a refresh token. `reused`: the session is to be ended. */
export type Rotation =
  | { outcome: "rotated"; user: string; sid: string; refreshToken: string }
  | { outcome: "reused" | "ended"; user: string; sid: string }
  | { outcome: "invalid" };

/** Spends a refresh token for a new one, by one conditional update; who comes second at the same moment looks again. */
export async function rotate(
  db: Database,
  token: string,
  client: Client | undefined,
  now: number,
): Promise<Rotation> {
  const parts = partsOf(token);
  if (!parts) return { outcome: "invalid" };
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const rotation = await tryRotation(db.primary, token, parts, client, now);
    if (rotation) return rotation;
  }
  throw new AppError("OVERLOADED", { retryAfter: 1 });
}

async function tryRotation(
  db: Statements,
  token: string,
  { user, sid, family }: { user: string; sid: string; family: Buffer },
  client: Client | undefined,
  now: number,
): Promise<Rotation | null> {
  const session = await findSession(db, user, sid);
  if (!session || !same(session.family_hash, sha256(family))) return { outcome: "invalid" };
  if (session.ended_at !== null) return { outcome: "ended", user, sid };
  if (session.expires_at <= now) return { outcome: "invalid" };
  const hash = sha256(token);
  const current = hash === session.current_hash;
  if (!current) {
    const replaced = (JSON.parse(session.replaced) as string[]).includes(short(hash));
    if (replaced) return { outcome: "invalid" };
    const inGrace = hash === session.previous_hash && now - (session.spent_at ?? 0) <= GRACE;
    if (!inGrace) return { outcome: "reused", user, sid };
  }
  const refreshToken = tokenOf(user, sid, family);
  const changed = await db.run(
    `UPDATE sessions SET previous_hash = :hash, current_hash = :next, spent_at = :spent, replaced = :replaced,
     last_used_at = :now, expires_at = :expires, address = :address
     WHERE user_id = :user AND id = :sid AND current_hash = :seen AND ended_at IS NULL`,
    {
      user,
      sid,
      hash,
      seen: session.current_hash,
      next: sha256(refreshToken),
      spent: current ? now : session.spent_at,
      replaced: current ? session.replaced : withReplaced(session),
      now,
      expires: Math.min(now + SLIDING, session.created_at + LONGEST),
      address: client?.address.slice(0, 64) ?? session.address,
    },
  );
  return changed > 0 ? { outcome: "rotated", user, sid, refreshToken } : null;
}

const short = (hash: string): string => hash.slice(0, 16);

function withReplaced({ replaced, current_hash: hash }: SessionRow): string {
  return JSON.stringify([...(JSON.parse(replaced) as string[]), short(hash)].slice(-REPLACED));
}

/** A session, also one that has ended, or null. */
export function findSession(db: Statements, user: string, sid: string): Promise<SessionRow | null> {
  return db.one<SessionRow>("SELECT * FROM sessions WHERE user_id = :user AND id = :sid", { user, sid });
}

/** Sessions that are open, newest first; a page after the id `before`. */
export function openSessions(
  db: Statements,
  user: string,
  { before = "~", limit, now }: { before?: string; limit: number; now: number },
): Promise<SessionRow[]> {
  return db.all<SessionRow>(
    `SELECT * FROM sessions WHERE user_id = :user AND id < :before AND ended_at IS NULL AND expires_at > :now
     ORDER BY id DESC LIMIT ${limit}`,
    { user, before, now },
  );
}

/**
 * Ends sessions of a user (`only` one, or all `except` one) and records that their access tokens are good no longer.
 * Returns their ids, to be announced after the commit. To end all of them the user's row must be locked.
 */
export async function endSessions(
  tx: Tx,
  user: string,
  { only, except }: { only?: string; except?: string } = {},
): Promise<string[]> {
  const which = `user_id = :user AND ended_at IS NULL${only ? " AND id = :only" : ""}${except ? " AND id <> :except" : ""}`;
  const values = { user, ...(only && { only }), ...(except && { except }) };
  const rows = await tx.all<{ id: string }>(`SELECT id FROM sessions WHERE ${which}`, values);
  const sids = rows.map(({ id }) => id);
  if (sids.length === 0) return [];
  await tx.run(
    "UPDATE sessions SET ended_at = :now WHERE user_id = :user AND id IN (:sids) AND ended_at IS NULL",
    {
      user,
      sids,
      now: Date.now(),
    },
  );
  const at = await databaseNow(tx);
  for (const sid of sids) await tx.insertNew("session_revocations", { sid, revoked_at: at });
  return sids;
}

/** A revocation is committed a moment after its time; who has asked in between asks again for so long (milliseconds). */
const LATE_COMMIT = 30_000;

/** Sessions revoked at or after `since`, and some before, and the time to ask from the next time. */
export async function revokedSince(
  db: Statements,
  since: number,
): Promise<{ now: number; sids: { sid: string; at: number }[] }> {
  // The time first: what is committed after this read is asked for again.
  const now = await databaseNow(db);
  const sids = await db.all<{ sid: string; at: number }>(
    "SELECT sid, revoked_at AS at FROM session_revocations WHERE revoked_at >= :since",
    { since: since - LATE_COMMIT },
  );
  return { now, sids };
}

/** Changes of a locked club by its president or an administrator. */
import type { Row, Tx } from "../../lib/database.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import { expectVersion } from "../../lib/implement.ts";
import type { Headers } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { columnsOf, takingName, writeTags } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { handOver } from "./membership.ts";
import type { ClubRow, ClubStatus } from "./rows.ts";
import { about, isLive, roleIn, tellUpdated } from "./rows.ts";

const OFFER_MS = 7 * 24 * 3_600_000;

/** Writes columns with the next version; returns the club with it. */
async function write(tx: Tx, club: ClubRow, columns: Row): Promise<ClubRow> {
  const row = { ...columns, version: club.version + 1, updated_at: Date.now() };
  const set = Object.keys(row).map((column) => `${column} = :${column}`);
  await tx.run(`UPDATE clubs SET ${set.join(", ")} WHERE id = :id`, { ...row, id: club.id });
  return { ...club, ...row };
}

/** Changes the fields that differ; nothing when none does. */
export async function editClub(tx: Tx, club: ClubRow, fields: Fields): Promise<void> {
  const columns = columnsOf(fields, isLive(club.status));
  const differs = Object.entries(columns).some(([column, value]) => club[column as keyof ClubRow] !== value);
  if (!differs) return;
  const changed = await takingName(() => write(tx, club, columns));
  if (fields.tags) await writeTags(tx, club.id, fields.tags);
  await tellUpdated(tx, changed);
}

/** Sets another status and tells it; a club that is rejected gives its name free. */
export async function setStatus(
  tx: Tx,
  club: ClubRow,
  to: ClubStatus,
  by: string,
  reason: string | null,
): Promise<void> {
  const changed = await write(tx, club, { status: to, ...(!isLive(to) && { name_key: null }) });
  const { name, status: from } = club;
  await tx.tell(about(changed, "clubs.statusChanged", { name, from, to, reason, by }));
}

/**
 * By an administrator: suspends an active club, or lifts it; returns what the club was.
 * @throws NOT_FOUND, PRECONDITION_FAILED, CLUB_NOT_ACTIVE
 */
export async function switchStatus(
  tx: Tx,
  request: { headers: Headers },
  club: ClubRow | null,
  to: { status: ClubStatus; by: string; reason: string },
): Promise<ClubStatus> {
  if (!club || club.status === "deleted") throw new AppError("NOT_FOUND");
  expectVersion(request, club.version);
  if (club.status !== "active" && club.status !== "suspended") throw new AppError("CLUB_NOT_ACTIVE");
  if (club.status !== to.status) await setStatus(tx, club, to.status, to.by, to.reason);
  return club.status;
}

/** Dissolves the club: it stays for its people, its name is free, an open offer ends. */
export async function dissolve(tx: Tx, club: ClubRow): Promise<void> {
  const changed = await write(tx, club, { status: "deleted", name_key: null });
  await tx.run("DELETE FROM transfers WHERE club_id = :id", { id: club.id });
  await tx.tell(about(changed, "clubs.deleted", { name: club.name, from: club.status }));
}

/** Refuses who cannot take the presidency: somebody who is no member, or the president. */
export async function checkSuccessor(tx: Tx, club: ClubRow, userId: string): Promise<void> {
  const role = await roleIn(tx, club.id, userId);
  if (!role || role === "president") throw invalid({ field: "userId", code: "INVALID_REFERENCE" });
}

/** Offers the presidency for seven days, in place of an older offer. */
export async function offerPresidency(tx: Tx, club: ClubRow, id: string, userId: string) {
  const expiresAt = Date.now() + OFFER_MS;
  await tx.run("DELETE FROM transfers WHERE club_id = :id", { id: club.id });
  await tx.insert("transfers", { club_id: club.id, id, user_id: userId, expires_at: expiresAt });
  await tx.tell(about(club, "clubs.transferOffered", { clubId: club.id, userId, expiresAt }));
  return { transfer: { id, to: userId, expiresAt: iso(expiresAt) } };
}

/** Takes up an offer that stands; without one NOT_FOUND. */
export async function acceptPresidency(tx: Tx, club: ClubRow, userId: string): Promise<void> {
  const offer = await tx.one(
    "SELECT id FROM transfers WHERE club_id = :id AND user_id = :userId AND expires_at > :now",
    { id: club.id, userId, now: Date.now() },
  );
  if (!offer) throw new AppError("NOT_FOUND");
  await handOver(tx, club, userId, userId);
}

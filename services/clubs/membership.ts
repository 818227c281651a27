/** Changes of a locked club's people. Row, count and message go together. */
import type { Tx } from "../../lib/database.ts";
import type { ClubRole, ClubRow } from "./rows.ts";
import { about, tellUpdated } from "./rows.ts";

/** Makes somebody a member, once; returns whether they are new. */
export async function addMember(
  tx: Tx,
  club: ClubRow,
  userId: string,
  applicationId: string | null,
): Promise<boolean> {
  const row = {
    club_id: club.id,
    user_id: userId,
    role: "member",
    title: null,
    joined_at: Date.now(),
    version: 1,
  };
  if (!(await tx.insertNew("members", row))) return false;
  await tx.run("UPDATE clubs SET member_count = member_count + 1 WHERE id = :id", { id: club.id });
  const { id: clubId, revision } = club;
  await tx.tell(about(club, "clubs.memberJoined", { clubId, userId, applicationId, revision }));
  await tellUpdated(tx, club);
  return true;
}

/**
 * Ends a membership, and an offer to who had it; returns whether there was one.
 * @param by who removed them; null when they left
 */
export async function dropMember(tx: Tx, club: ClubRow, userId: string, by: string | null): Promise<boolean> {
  const values = { id: club.id, userId };
  if ((await tx.run("DELETE FROM members WHERE club_id = :id AND user_id = :userId", values)) === 0)
    return false;
  await tx.run("UPDATE clubs SET member_count = member_count - 1 WHERE id = :id", { id: club.id });
  await tx.run("DELETE FROM transfers WHERE club_id = :id AND user_id = :userId", values);
  await tx.tell(about(club, "clubs.memberLeft", { clubId: club.id, userId, by, revision: club.revision }));
  await tellUpdated(tx, club);
  return true;
}

/** Sets a member's role and tells it. */
export async function setRole(
  tx: Tx,
  club: ClubRow,
  userId: string,
  role: ClubRole,
  by: string | null,
): Promise<void> {
  await tx.run(
    "UPDATE members SET role = :role, version = version + 1 WHERE club_id = :id AND user_id = :userId",
    { id: club.id, userId, role },
  );
  await tx.tell(about(club, "clubs.memberRoleChanged", { clubId: club.id, userId, role, by }));
}

/** Makes a member the president, the present one an officer; an open offer ends. */
export async function handOver(tx: Tx, club: ClubRow, to: string, by: string | null): Promise<void> {
  const present = await tx.one<{ user_id: string }>(
    "SELECT user_id FROM members WHERE club_id = :id AND role = 'president'",
    { id: club.id },
  );
  if (present) await setRole(tx, club, present.user_id, "officer", by);
  await setRole(tx, club, to, "president", by);
  await tx.run("DELETE FROM transfers WHERE club_id = :id", { id: club.id });
}

/** Puts a club among somebody's favorites, once. */
export async function addFavorite(tx: Tx, club: ClubRow, userId: string): Promise<void> {
  const row = { user_id: userId, club_id: club.id, created_at: Date.now() };
  if (await tx.insertNew("favorites", row))
    await tx.run("UPDATE clubs SET favorite_count = favorite_count + 1 WHERE id = :id", { id: club.id });
}

/** Takes a club out of somebody's favorites; returns whether it was there. */
export async function dropFavorite(tx: Tx, club: ClubRow, userId: string): Promise<boolean> {
  const gone = await tx.run("DELETE FROM favorites WHERE user_id = :userId AND club_id = :id", {
    id: club.id,
    userId,
  });
  if (gone > 0)
    await tx.run("UPDATE clubs SET favorite_count = favorite_count - 1 WHERE id = :id", { id: club.id });
  return gone > 0;
}

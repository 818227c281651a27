/** Rows of the domain's tables, and what services and callers see of them. */
import type { Static } from "typebox";
import type { NewMessage, Statements, Tx } from "../../lib/database.ts";
import { iso } from "../../lib/types.ts";
import type { Club, ClubRecord, ClubRole as RoleSchema } from "./clubs.contract.ts";

export type ClubStatus = Club["status"];
export type ClubRole = Static<typeof RoleSchema>;

export interface ClubRow {
  id: string;
  name: string;
  summary: string;
  description: string;
  category: string;
  tags: string;
  logo_file_id: string | null;
  join_policy: Club["joinPolicy"];
  questions: string;
  review_stages: string;
  status: ClubStatus;
  version: number;
  revision: number;
  member_count: number;
  favorite_count: number;
  created_by: string;
  created_at: number;
  updated_at: number;
  saga_id: string;
  ready: number;
}

export interface MemberRow {
  club_id: string;
  user_id: string;
  role: ClubRole;
  title: string | null;
  joined_at: number;
  version: number;
}

const RANK = { member: 1, officer: 2, president: 3 } as const;

/** A president is an officer, an officer a member; 0 for who is none. */
export function rankOf(role: ClubRole | null | undefined): number {
  return role ? RANK[role] : 0;
}

/** Whether a club holds its name, and may still change. */
export function isLive(status: ClubStatus): boolean {
  return status !== "rejected" && status !== "deleted";
}

export function toRecord(row: ClubRow): ClubRecord {
  return {
    id: row.id,
    name: row.name,
    summary: row.summary,
    description: row.description,
    category: row.category,
    tags: JSON.parse(row.tags) as string[],
    logoFileId: row.logo_file_id,
    joinPolicy: row.join_policy,
    questions: JSON.parse(row.questions) as ClubRecord["questions"],
    reviewStages: JSON.parse(row.review_stages) as ClubRecord["reviewStages"],
    status: row.status,
    version: row.version,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
    memberCount: row.member_count,
    favoriteCount: row.favorite_count,
    createdBy: row.created_by,
    revision: row.revision,
  };
}

/** Clubs as `user` sees them, in their order, with what is the caller's own: one query for all of them. */
export async function presentClubs(
  statements: Statements,
  user: string | null,
  records: readonly ClubRecord[],
): Promise<Club[]> {
  const plain = records.map(({ createdBy: _by, revision: _revision, ...club }) => club);
  if (!user || plain.length === 0) return plain;
  const own = await statements.all<{ id: string; role: ClubRole | null; liked: number | null }>(
    `SELECT c.id, m.role, f.created_at AS liked FROM clubs c
     LEFT JOIN members m ON m.club_id = c.id AND m.user_id = :user
     LEFT JOIN favorites f ON f.club_id = c.id AND f.user_id = :user WHERE c.id IN (:ids)`,
    { user, ids: plain.map(({ id }) => id) },
  );
  const byId = new Map(own.map((each) => [each.id, each]));
  return plain.map((club) => {
    const { role = null, liked = null } = byId.get(club.id) ?? {};
    return { ...club, myRole: role, isFavorite: liked !== null };
  });
}

/** A club as it stands in this transaction, as `user` sees it. */
export async function presentNow(tx: Tx, user: string | null, id: string): Promise<Club> {
  const row = await tx.one<ClubRow>("SELECT * FROM clubs WHERE id = :id", { id });
  if (!row) throw new Error("A club vanished inside its transaction.");
  return (await presentClubs(tx, user, [toRecord(row)]))[0] as Club;
}

/** The role of somebody in a club; null for who is none of its people. */
export async function roleIn(
  statements: Statements,
  clubId: string,
  userId: string,
): Promise<ClubRole | null> {
  const row = await statements.one<{ role: ClubRole }>(
    "SELECT role FROM members WHERE club_id = :clubId AND user_id = :userId",
    { clubId, userId },
  );
  return row?.role ?? null;
}

/** A message about a club. Its version is the one that clients see: it stays when only counts change. */
export function about(
  club: Pick<ClubRow, "id" | "version">,
  type: `clubs.${string}`,
  data: object,
): NewMessage {
  return { type, aggregate: { type: "club", id: club.id, version: club.version }, data };
}

/** Tells that what a search or a card shows of the club may have changed. */
export async function tellUpdated(
  tx: Tx,
  club: Pick<ClubRow, "id" | "version" | "name" | "status">,
): Promise<void> {
  await tx.tell(about(club, "clubs.updated", { name: club.name, status: club.status }));
}

/** The message that a decision was made on a text which had changed meanwhile. */
export function outdated({ id, version }: ClubRow) {
  const aggregate = { type: "club", id, version };
  return { type: "clubs.reviewOutdated", aggregate, data: { clubId: id } };
}

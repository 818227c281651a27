/** Members of an import: what a row says, whether they are in the club already, and how they come in. */
import { Type as T } from "typebox";
import type { Statements, Tx } from "../../lib/database.ts";
import type { FieldError } from "../../lib/errors.ts";
import { isId } from "../../lib/ids.ts";
import { because, columnOf, differing, dueAt, rowCheck, valuesOf } from "../../lib/imports.ts";
import type { Batch, BatchRow, Claim } from "../../lib/imports.ts";
import { lookThrough, textFields } from "../../lib/moderation/fields.ts";
import type { WordFilter } from "../../lib/moderation/filter.ts";
import { OneOf } from "../../lib/types.ts";
import { CLUB_ROLES } from "./clubs.contract.ts";
import type { Standing } from "./import-batch.ts";
import { members } from "./members.contract.ts";
import type { ClubRole, ClubRow } from "./rows.ts";
import { about } from "./rows.ts";
import { foldedKey } from "./text.ts";

const { title } = members.actions.update.params.properties;
/** How long a club's name, and a user name or e-mail, may be at most, so that nothing longer is looked for. */
const Params = T.Object({
  club: T.String({ maxLength: 400 }),
  user: T.String({ maxLength: 400 }),
  role: T.Optional(OneOf(CLUB_ROLES)),
  title: T.Optional(title),
});
const check = rowCheck(Params);
const TEXTS = textFields(Params);

export interface MemberRowRead {
  row: number;
  /** The id of the club, or null; then it is looked for by the key of its name. */
  clubId: string | null;
  nameKey: string;
  userId: string;
  role: ClubRole;
  title: string | null;
  given: Record<string, string>;
}
export interface MemberCandidate extends MemberRowRead {
  club: Pick<ClubRow, "id"> | null;
}

/** What a row says, or why it cannot be taken. @param userOf who is meant by a user name or e-mail */
export function readMember(
  row: BatchRow,
  words: WordFilter,
  userOf: (login: string) => string | null,
): MemberRowRead | FieldError[] {
  const { values, bad } = valuesOf(row);
  if (bad.length > 0) return bad;
  const found = check(values);
  if ("bad" in found) return found.bad;
  const { refused, held, masked } = lookThrough(words, found.params, TEXTS);
  const forbidden = [...new Set([...refused, ...held].map(columnOf))];
  if (forbidden.length > 0) return forbidden.map((field) => because(field, "FORBIDDEN_CONTENT"));
  const { club, user, role = "member", title: given = null } = found.params;
  const userId = userOf(user);
  if (userId === null) return [because("user", "UNKNOWN_PERSON")];
  const shown = masked[0]?.text ?? given;
  const id = club.trim().toLowerCase();
  return {
    row: row.row,
    clubId: isId(id) ? id : null,
    nameKey: foldedKey(club),
    userId,
    role,
    title: shown || null,
    given: { ...(values["role"] !== undefined && { role }), ...(shown && { title: shown }) },
  };
}

/** Finds the clubs of rows. Those in a status that is not active are found, too. */
export async function findClubs(
  statements: Statements,
  rows: readonly MemberRowRead[],
): Promise<MemberCandidate[]> {
  const ids = [...new Set(rows.flatMap(({ clubId }) => clubId ?? []))];
  const keys = [...new Set(rows.filter(({ clubId }) => clubId === null).map(({ nameKey }) => nameKey))];
  const found = await statements.all<{ id: string; name_key: string | null }>(
    "SELECT id, name_key FROM clubs WHERE (id IN (:ids) OR name_key IN (:keys)) AND ready = 1",
    { ids, keys },
  );
  const byId = new Map(found.map((club) => [club.id, club]));
  const byKey = new Map(found.map((club) => [club.name_key, club]));
  return rows.map((row) => ({
    ...row,
    club: (row.clubId === null ? byKey.get(row.nameKey) : byId.get(row.clubId)) ?? null,
  }));
}

/** A membership that nobody else in the file can have. */
export function claimOfMember({ club, userId, role, title: called, given }: MemberCandidate): Claim {
  return { keys: [{ field: "user", key: `${club?.id}:${userId}` }], stored: { role, title: called }, given };
}

/** Ids of the clubs of rows, each once, in the order in which all lock them. */
export function clubsOf(candidates: readonly MemberCandidate[]): string[] {
  return [...new Set(candidates.flatMap(({ club }) => club?.id ?? []))].toSorted();
}

/** How rows stand to the clubs and members that are there. */
export async function judgeMembers(
  statements: Statements,
  candidates: readonly MemberCandidate[],
): Promise<(candidate: MemberCandidate) => Standing> {
  const clubIds = clubsOf(candidates);
  const clubs = await statements.all<Pick<ClubRow, "id" | "status">>(
    "SELECT id, status FROM clubs WHERE id IN (:clubIds)",
    { clubIds },
  );
  const active = new Set(clubs.filter(({ status }) => status === "active").map(({ id }) => id));
  const there = await statements.all<{
    club_id: string;
    user_id: string;
    role: string;
    title: string | null;
  }>(
    "SELECT club_id, user_id, role, title FROM members WHERE club_id IN (:clubIds) AND user_id IN (:users)",
    { clubIds, users: [...new Set(candidates.map(({ userId }) => userId))] },
  );
  const byPair = new Map(there.map((member) => [`${member.club_id}:${member.user_id}`, member]));
  return ({ club, userId, role, given }) => {
    if (!club) return [because("club", "UNKNOWN_CLUB")];
    if (!active.has(club.id)) return [because("club", "INACTIVE_CLUB")];
    const member = byPair.get(`${club.id}:${userId}`);
    if (role === "president" && member?.role !== "president")
      return [because("role", "PRESIDENT_BY_TRANSFER")];
    if (!member) return "new";
    const wrong = differing({ role: member.role, title: member.title }, given);
    return wrong.length === 0 ? "same" : wrong.map((field) => because(field, "DIFFERS"));
  };
}

/** Makes people members of clubs that are locked; rows, counts and messages go together. */
export async function writeMembers(
  tx: Tx,
  batch: Batch,
  candidates: readonly MemberCandidate[],
): Promise<void> {
  const now = Date.now();
  const clubIds = clubsOf(candidates);
  await tx.insertAll(
    "members",
    candidates.map(({ club, userId, role, title: called }) => ({
      club_id: club?.id ?? "",
      user_id: userId,
      role,
      title: called,
      joined_at: now,
      version: 1,
    })),
  );
  for (const id of clubIds)
    await tx.run("UPDATE clubs SET member_count = member_count + :joined WHERE id = :id", {
      id,
      joined: candidates.filter(({ club }) => club?.id === id).length,
    });
  const clubs = await tx.all<ClubRow>(
    "SELECT id, name, status, version, revision FROM clubs WHERE id IN (:clubIds)",
    {
      clubIds,
    },
  );
  const byId = new Map(clubs.map((club) => [club.id, club]));
  await tx.tellAll([
    ...candidates.flatMap(({ row, club, userId }) => {
      const joined = byId.get(club?.id ?? "");
      const data = { clubId: joined?.id, userId, applicationId: null, revision: joined?.revision };
      return joined ? [{ ...about(joined, "clubs.memberJoined", data), dueAt: dueAt(batch, row) }] : [];
    }),
    ...clubs.map((row) => about(row, "clubs.updated", { name: row.name, status: row.status })),
  ]);
}

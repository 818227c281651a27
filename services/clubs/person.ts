/** What the domain keeps about a person: its export, and its end. */
import type { Statements, Tx } from "../../lib/database.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Answer, Params } from "../../lib/declare.ts";
import { iso } from "../../lib/types.ts";
import type { ClubLockMethods } from "./lock.ts";
import { dropFavorite, dropMember, handOver } from "./membership.ts";
import type { ClubRow } from "./rows.ts";
import { isLive, roleIn } from "./rows.ts";

const EXPORT_PAGE = 500;

interface Kept {
  club_id: string;
  name: string;
  role: string | null;
  title: string | null;
  at: number;
}

/** One kind after the other; each gives a row for a club. */
const KINDS = {
  membership: "SELECT x.club_id, c.name, x.role, x.title, x.joined_at AS at FROM members x",
  favorite: "SELECT x.club_id, c.name, NULL AS role, NULL AS title, x.created_at AS at FROM favorites x",
  presidencyOffer:
    "SELECT x.club_id, c.name, NULL AS role, NULL AS title, x.expires_at AS at FROM transfers x",
} as const;
const TIMES = { membership: "joinedAt", favorite: "since", presidencyOffer: "expiresAt" } as const;
const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];

/** A page of what is kept about `user`. Clubs that they founded follow the memberships' form. */
export async function exportPage(
  statements: Statements,
  { user, cursor }: Params<"clubs.exportUser">,
): Promise<Answer<"clubs.exportUser">> {
  const [at, after] = (readCursor(cursor, "clubs:export", ["number", "string"]) ?? [0, ""]) as [
    number,
    string,
  ];
  const kind = kinds[at];
  if (!kind) return foundedPage(statements, user, after);
  const rows = await statements.all<Kept>(
    `${KINDS[kind]} JOIN clubs c ON c.id = x.club_id
     WHERE x.user_id = :user AND x.club_id > :after ORDER BY x.club_id LIMIT ${EXPORT_PAGE}`,
    { user, after },
  );
  const next = rows.length === EXPORT_PAGE ? [at, rows.at(-1)?.club_id ?? ""] : [at + 1, ""];
  return {
    records: rows.map(({ club_id: clubId, name, role, title, at: time }) => ({
      kind,
      clubId,
      clubName: name,
      ...(role && { role, title }),
      [TIMES[kind]]: iso(time),
    })),
    nextCursor: writeCursor("clubs:export", next),
  };
}

async function foundedPage(
  statements: Statements,
  user: string,
  after: string,
): Promise<Answer<"clubs.exportUser">> {
  const rows = await statements.all<ClubRow>(
    `SELECT id, name, status, created_at FROM clubs
     WHERE created_by = :user AND ready = 1 AND id > :after ORDER BY id LIMIT ${EXPORT_PAGE}`,
    { user, after },
  );
  const last = rows.length === EXPORT_PAGE ? rows.at(-1) : undefined;
  return {
    records: rows.map((row) => ({
      kind: "founded",
      clubId: row.id,
      clubName: row.name,
      status: row.status,
      createdAt: iso(row.created_at),
    })),
    nextCursor: last ? writeCursor("clubs:export", [kinds.length, last.id]) : null,
  };
}

/** Ends memberships, favorites and offers of somebody who is erased. Clubs are taken in the order of their ids. */
export async function erasePerson(
  tx: Tx,
  user: string,
  lockClub: ClubLockMethods["lockClub"],
): Promise<void> {
  const clubs = await tx.all<{ club_id: string }>(
    `SELECT club_id FROM members WHERE user_id = :user UNION SELECT club_id FROM favorites WHERE user_id = :user
     ORDER BY club_id`,
    { user },
  );
  for (const { club_id: id } of clubs) {
    const club = await lockClub(tx, id, [user]);
    if (!club) continue;
    if (isLive(club.status) && (await roleIn(tx, id, user)) === "president") await succeed(tx, club, user);
    await dropMember(tx, club, user, null);
    await dropFavorite(tx, club, user);
  }
}

/**
 * Presidents cannot have themselves erased, but an offer may be accepted in that very moment: then the officer, or
 * else the member, of the longest standing follows.
 */
async function succeed(tx: Tx, club: ClubRow, user: string): Promise<void> {
  const next = await tx.one<{ user_id: string }>(
    `SELECT user_id FROM members WHERE club_id = :id AND user_id <> :user
     ORDER BY CASE role WHEN 'officer' THEN 0 ELSE 1 END, joined_at, user_id LIMIT 1`,
    { id: club.id, user },
  );
  if (next) await handOver(tx, club, next.user_id, null);
}

import type { Statements } from "../../lib/database.ts";
import { clubFact, memberFact } from "../../lib/facts.ts";
import type { HistoryPage } from "../../lib/facts.ts";
import { implement } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import { clubHistory } from "./history.contract.ts";

/** How far a page has come: `club:<id>`, then `member:<club>:<user>`. */
const MEMBERS = "member::";

export default implement(clubHistory, {
  mixins: [database("clubs")],
  actions: {
    async page(ctx) {
      const { after, limit } = ctx.params;
      const [kind = "club", club = "", user = ""] = (after ?? "").split(":").filter((each) => each !== "");
      if (kind !== "member") return clubsPage(this.db.primary, club, limit);
      return membersPage(this.db.primary, club, user, limit);
    },
  },
});

/** Clubs come first, each with the revision as of which its members will be known at least. */
async function clubsPage(db: Statements, after: string, limit: number): Promise<HistoryPage> {
  const rows = await db.all<{ id: string; version: number; revision: number; status: string }>(
    `SELECT id, version, revision, status FROM clubs WHERE ready = 1 AND id > :after ORDER BY id LIMIT ${limit}`,
    { after },
  );
  const last = rows.at(-1);
  return {
    facts: rows.map(({ id, version, revision, status }) =>
      clubFact(id, version, status === "active", revision),
    ),
    rosters: [],
    next: rows.length === limit && last ? `club:${last.id}` : MEMBERS,
  };
}

async function membersPage(db: Statements, club: string, user: string, limit: number): Promise<HistoryPage> {
  const rows = await db.all<{ club_id: string; user_id: string; revision: number }>(
    `SELECT m.club_id, m.user_id, c.revision FROM members m JOIN clubs c ON c.id = m.club_id
     WHERE c.ready = 1 AND m.club_id >= :club AND (m.club_id > :club OR m.user_id > :user)
     ORDER BY m.club_id, m.user_id LIMIT ${limit}`,
    { club, user },
  );
  const last = rows.at(-1);
  return {
    facts: rows.map((row) => memberFact(row.club_id, row.user_id, row.revision, true)),
    rosters: [],
    next: rows.length === limit && last ? `member:${last.club_id}:${last.user_id}` : null,
  };
}

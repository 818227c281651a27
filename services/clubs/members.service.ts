import type { Envelope, Params } from "../../lib/declare.ts";
import { readCursor, pageOf, writeCursor } from "../../lib/cursor.ts";
import { toCsv } from "../../lib/csv.ts";
import { audited } from "../../lib/audit.ts";
import { AppError } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { expectVersion, implement, respond, userOf } from "../../lib/implement.ts";
import type { Statements, Tx } from "../../lib/database.ts";
import { iso } from "../../lib/types.ts";
import { database } from "../../mixins/database.ts";
import { names, nobody, people } from "../../mixins/people.ts";
import { readYourWrites } from "../../mixins/read-your-writes.ts";
import { clubLock } from "./lock.ts";
import { members } from "./members.contract.ts";
import { addMember, dropMember, setRole } from "./membership.ts";
import type { ClubRole, ClubRow, MemberRow } from "./rows.ts";
import { about, rankOf, roleIn } from "./rows.ts";

const COLUMNS = ["username", "displayName", "college", "major", "grade", "role", "title", "joinedAt"];
const CSV_PAGE = 500;
const CURSOR = "members";

type ApplicationDecided = {
  clubId: string;
  applicantId: string;
  status: "approved" | "rejected";
  by: string | null;
};

export default implement(members, {
  mixins: [database("clubs"), readYourWrites("clubs"), clubLock()],
  actions: {
    async list(ctx) {
      const { id, role, limit = 20, cursor } = ctx.params;
      const { user } = ctx.locals;
      const after = readCursor(cursor, CURSOR, ["number", "string"]) as Place | null;
      const statements = await this.reads(user);
      if (!ctx.locals.grant["role"]) {
        const memberCount = await statements.number("SELECT member_count FROM clubs WHERE id = :id", { id });
        return { items: [], nextCursor: null, memberCount };
      }
      const rows = await pageOfMembers(statements, id, role, after, limit + 1);
      const { items, nextCursor } = pageOf(rows, limit, (row) =>
        writeCursor(CURSOR, [row.joined_at, row.user_id]),
      );
      const person = await people(
        ctx,
        items.map((row) => row.user_id),
      );
      return {
        items: items.map((row) => ({
          user: person(row.user_id),
          role: row.role,
          title: row.title,
          joinedAt: iso(row.joined_at),
        })),
        nextCursor,
      };
    },
    async csv(ctx) {
      const statements = await this.reads(userOf(ctx));
      const lines: (string | null)[][] = [];
      let after: Place | null = null;
      for (;;) {
        const rows: MemberRow[] = await pageOfMembers(statements, ctx.params.id, undefined, after, CSV_PAGE);
        lines.push(...(await linesOf(ctx, rows)));
        const last = rows.at(-1);
        if (rows.length < CSV_PAGE || !last) break;
        after = [last.joined_at, last.user_id];
      }
      respond(ctx, { headers: { "Content-Disposition": 'attachment; filename="members.csv"' } });
      return toCsv(COLUMNS, lines);
    },
    async update(ctx) {
      const { id, userId, role, title } = ctx.params;
      const person = await people(ctx, [userId]);
      return this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, id, "president", userId);
        const member = await memberRow(tx, id, userId);
        if (!member) throw new AppError("NOT_FOUND");
        expectVersion(ctx, member.version);
        if (club.status !== "active") throw new AppError("CLUB_NOT_ACTIVE");
        if (role && member.role === "president") throw new AppError("CLUB_NEEDS_PRESIDENT");
        audited(ctx, {
          before: { role: member.role },
          after: { member: userId, role: role ?? member.role },
        });
        const changed = await writeMember(tx, club, member, { role, title }, userOf(ctx));
        return {
          user: person(userId),
          role: changed.role,
          title: changed.title,
          joinedAt: iso(changed.joined_at),
          version: changed.version,
        };
      });
    },
    async remove(ctx) {
      const { id, userId } = ctx.params;
      const actor = userOf(ctx);
      await this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, id, "member", userId);
        const own = await roleIn(tx, id, actor);
        if (actor !== userId && rankOf(own) < rankOf("officer")) throw new AppError("FORBIDDEN");
        const member = await memberRow(tx, id, userId);
        if (!member) throw new AppError("NOT_FOUND");
        if (actor !== userId && rankOf(own) <= rankOf(member.role)) throw new AppError("FORBIDDEN");
        expectVersion(ctx, member.version);
        // Whoever wants to leave may, whatever has become of the club.
        if (actor !== userId && club.status !== "active") throw new AppError("CLUB_NOT_ACTIVE");
        if (member.role === "president") throw new AppError("CLUB_NEEDS_PRESIDENT");
        audited(ctx, { before: { member: userId, role: member.role } });
        await dropMember(tx, club, userId, actor === userId ? null : actor);
      });
    },
    async rolesOf(ctx) {
      const { pairs } = ctx.params;
      const wanted = new Set(pairs.map(({ clubId, userId }) => `${clubId}:${userId}`));
      const rows = await this.db.primary.all<MemberRow>(
        "SELECT club_id, user_id, role FROM members WHERE club_id IN (:clubs) AND user_id IN (:users)",
        {
          clubs: [...new Set(pairs.map(({ clubId }) => clubId))],
          users: [...new Set(pairs.map(({ userId }) => userId))],
        },
      );
      return rows
        .map(({ club_id: clubId, user_id: userId, role }) => ({ clubId, userId, role }))
        .filter(({ clubId, userId }) => wanted.has(`${clubId}:${userId}`));
    },
    async officersOf(ctx) {
      return this.db.primary.all<{ userId: string; role: ClubRole }>(
        `SELECT user_id AS userId, role FROM members
         WHERE club_id = :clubId AND role IN ('officer', 'president') ORDER BY joined_at, user_id`,
        { clubId: ctx.params.clubId },
      );
    },
    async onApplicationDecided(ctx) {
      const { aggregate, data } = (ctx as Ctx<Envelope<ApplicationDecided>>).params;
      const { clubId, applicantId: userId, status, by } = data;
      if (status !== "approved") return;
      const known = (await names(ctx, [userId])).get(userId);
      await this.consume(ctx, async (tx) => {
        const club = await this.lockClub(tx, clubId, [userId, by]);
        const present = known !== undefined && known.status !== "erased";
        if (club?.status === "active" && present) await addMember(tx, club, userId, aggregate.id);
        else
          await tx.tell(
            about(club ?? { id: clubId, version: 1 }, "clubs.memberRefused", {
              clubId,
              userId,
              applicationId: aggregate.id,
              reason: present ? "club" : "person",
            }),
          );
      });
    },
  },
});

/** Where a member stands in the list: when they joined, and their id. */
type Place = [joinedAt: number, userId: string];

async function pageOfMembers(
  statements: Statements,
  clubId: string,
  role: ClubRole | undefined,
  after: Place | null,
  limit: number,
): Promise<MemberRow[]> {
  return statements.all<MemberRow>(
    `SELECT * FROM members WHERE club_id = :clubId ${role ? "AND role = :role" : ""}
     ${after ? "AND (joined_at > :at OR (joined_at = :at AND user_id > :user))" : ""}
     ORDER BY joined_at, user_id LIMIT ${limit}`,
    { clubId, ...(role && { role }), ...(after && { at: after[0], user: after[1] }) },
  );
}

async function linesOf(ctx: Ctx, rows: MemberRow[]): Promise<(string | null)[][]> {
  const known = await names(
    ctx,
    rows.map((row) => row.user_id),
  );
  return rows.map((row) => {
    const found = known.get(row.user_id);
    const person = found?.status === "erased" ? undefined : found;
    return [
      person?.username ?? null,
      person?.displayName ?? nobody(ctx.headers.lang).displayName,
      person?.college ?? null,
      person?.major ?? null,
      person?.grade ?? null,
      row.role,
      row.title,
      iso(row.joined_at),
    ];
  });
}

function memberRow(tx: Tx, clubId: string, userId: string): Promise<MemberRow | null> {
  return tx.one<MemberRow>("SELECT * FROM members WHERE club_id = :clubId AND user_id = :userId", {
    clubId,
    userId,
  });
}

/** Sets role and title where they differ; returns the row as it is then. */
async function writeMember(
  tx: Tx,
  club: ClubRow,
  member: MemberRow,
  { role = member.role, title = member.title }: Pick<Params<"members.update">, "title"> & { role?: ClubRole },
  by: string,
): Promise<MemberRow> {
  const values = { id: club.id, userId: member.user_id, title: title || null };
  if (values.title !== member.title)
    await tx.run(
      "UPDATE members SET title = :title, version = version + 1 WHERE club_id = :id AND user_id = :userId",
      values,
    );
  if (role !== member.role) await setRole(tx, club, member.user_id, role, by);
  return (await memberRow(tx, club.id, member.user_id)) ?? member;
}

import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError } from "../../lib/errors.ts";
import { implement, userOf } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import { readYourWrites } from "../../mixins/read-your-writes.ts";
import { clubLock } from "./lock.ts";
import { favorites } from "./members.contract.ts";
import { addFavorite, dropFavorite } from "./membership.ts";
import { presentClubs, toRecord } from "./rows.ts";
import type { ClubRow } from "./rows.ts";

const CURSOR = "favorites";

export default implement(favorites, {
  mixins: [database("clubs"), readYourWrites("clubs"), clubLock()],
  actions: {
    async add(ctx) {
      await this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, ctx.params.id, null);
        if (club.status !== "active") throw new AppError("CLUB_NOT_ACTIVE");
        await addFavorite(tx, club, userOf(ctx));
      });
    },
    async remove(ctx) {
      await this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, ctx.params.id, null);
        if (club.status !== "active") throw new AppError("CLUB_NOT_ACTIVE");
        await dropFavorite(tx, club, userOf(ctx));
      });
    },
    async mine(ctx) {
      const { limit = 20, cursor } = ctx.params;
      const user = userOf(ctx);
      const after = readCursor(cursor, CURSOR, ["number", "string"]) as [number, string] | null;
      const statements = await this.reads(user);
      // Those that the person can still see: active, or their own and not dissolved.
      const rows = await statements.all<ClubRow & { liked_at: number }>(
        `SELECT c.*, f.created_at AS liked_at FROM favorites f JOIN clubs c ON c.id = f.club_id
         LEFT JOIN members m ON m.club_id = c.id AND m.user_id = f.user_id
         WHERE f.user_id = :user AND (c.status = 'active' OR (m.role IS NOT NULL AND c.status <> 'deleted'))
         ${after ? "AND (f.created_at < :at OR (f.created_at = :at AND f.club_id < :id))" : ""}
         ORDER BY f.created_at DESC, f.club_id DESC LIMIT ${limit + 1}`,
        { user, ...(after && { at: after[0], id: after[1] }) },
      );
      const { items, nextCursor } = pageOf(rows, limit, (row) => writeCursor(CURSOR, [row.liked_at, row.id]));
      return { items: await presentClubs(statements, user, items.map(toRecord)), nextCursor };
    },
  },
});

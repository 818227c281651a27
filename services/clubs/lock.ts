/** How the services of the domain change a club: one change at a time, with the caller's role checked again inside. */
import type { Tx } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { userOf } from "../../lib/implement.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import type { ReadYourWritesMethods } from "../../mixins/read-your-writes.ts";
import type { ClubRole, ClubRow } from "./rows.ts";
import { rankOf, roleIn } from "./rows.ts";

export interface ClubLockMethods {
  /**
   * Locks a club until the transaction ends, so that roles, counts and status hold still; null where there is none.
   * After the commit its cached record goes, and the next reads of `people` see the change.
   */
  lockClub(tx: Tx, id: string, people?: readonly (string | null)[]): Promise<ClubRow | null>;
  /**
   * Locks the club of a request for its caller, who must still be `least` there (or act by a global role).
   * @param other somebody else whom the change concerns
   */
  enterClub(tx: Tx, ctx: Ctx, id: string, least: ClubRole | null, other?: string): Promise<ClubRow>;
}

/** Needs the mixins database and readYourWrites beside it. */
export function clubLock(): Mixin<ClubLockMethods> {
  type Self = ClubLockMethods & DatabaseMethods & ReadYourWritesMethods;
  const mixin = {
    methods: {
      async lockClub(this: Self, tx: Tx, id: string, people: readonly (string | null)[] = []) {
        // A write comes first: it takes the row's lock on every engine.
        const found = await tx.run("UPDATE clubs SET revision = revision + 1 WHERE id = :id AND ready = 1", {
          id,
        });
        if (found === 0) return null;
        tx.afterCommit.push(async () => {
          await this.forget("clubs.record", id);
          await this.wrote(people);
        });
        return tx.one<ClubRow>("SELECT * FROM clubs WHERE id = :id", { id });
      },
      async enterClub(this: Self, tx: Tx, ctx: Ctx, id: string, least: ClubRole | null, other?: string) {
        const user = userOf(ctx);
        const club = await this.lockClub(tx, id, [user, other ?? null]);
        if (!club) throw new AppError("NOT_FOUND");
        if (!least || ctx.locals.grant["byRole"]) return club;
        const role = await roleIn(tx, id, user);
        if (rankOf(role) >= rankOf(least)) return club;
        throw new AppError(role || club.status === "active" ? "FORBIDDEN" : "NOT_FOUND");
      },
    },
  };
  return mixin;
}

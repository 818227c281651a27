/** Reviews of new clubs: a reviewer claims one, looks at the club, and decides. */
import type { Static } from "typebox";
import type { Answer } from "../../lib/declare.ts";
import { pageOf } from "../../lib/cursor.ts";
import { AppError } from "../../lib/errors.ts";
import { expectVersion, implement, userOf } from "../../lib/implement.ts";
import type { Ctx } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { database } from "../../mixins/database.ts";
import { people } from "../../mixins/people.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import type { ClubRecord } from "../clubs/clubs.contract.ts";
import { clubsById } from "./application-present.ts";
import { reviews } from "./applications.contract.ts";
import type { ReviewTask as ReviewTaskSchema } from "./applications.contract.ts";
import {
  changeReview,
  CLAIM,
  demandFree,
  findReview,
  holdsClaim,
  openReview,
  refuseOwn,
  releaseClaim,
  releaseClaimsOf,
  releaseOutdated,
  removeOpen,
  reopen,
  reviewCursor,
  reviewPage,
  statusOf,
  sweepSteps,
  undoReview,
} from "./review-rows.ts";
import type { ReviewRow } from "./review-rows.ts";
import { demandComment } from "./state.ts";

type ReviewTask = Static<typeof ReviewTaskSchema>;

export default implement(reviews, {
  mixins: [database("applications"), sweeper()],
  methods: {
    /** A review that the caller wants to work on, with its club as it is now. @throws NOT_FOUND, SELF_REVIEW */
    async find(ctx: Ctx<{ id: string }>): Promise<{ row: ReviewRow; club: ClubRecord }> {
      const row = await findReview(this.db.primary, ctx.params.id);
      if (!row) throw new AppError("NOT_FOUND");
      const club = (await clubsById(ctx, [row.club_id])).get(row.club_id);
      if (!isShown(row, club)) throw new AppError("NOT_FOUND");
      refuseOwn(row, userOf(ctx));
      return { row, club };
    },
  },
  actions: {
    async list(ctx): Promise<Answer<"reviews.list">> {
      const { status, limit = 20, cursor } = ctx.params;
      const rows = await reviewPage(this.db.primary, { status, limit, cursor });
      const { items, nextCursor } = pageOf(rows, limit, reviewCursor);
      const clubs = await clubsById(
        ctx,
        items.map((row) => row.club_id),
      );
      const present = await presenterOf(ctx, items);
      return {
        items: items.flatMap((row) => {
          const club = clubs.get(row.club_id);
          return isShown(row, club) ? present(row, club) : [];
        }),
        nextCursor,
      };
    },
    async claim(ctx) {
      const user = userOf(ctx);
      const { row: seen, club } = await this.find(ctx);
      const present = await presenterOf(ctx, [seen], user);
      return this.change(ctx, async (tx) => {
        const now = Date.now();
        const row = await changeReview(tx, seen.id, (row) => {
          expectVersion(ctx, row.version);
          demandFree(row, user, now);
          return {
            status: "claimed",
            claimed_by: user,
            claim_until: now + CLAIM,
            claim_club_version: club.version,
          };
        });
        return present(row, club);
      });
    },
    async decide(ctx) {
      const { decision } = ctx.params;
      const comment = ctx.params.comment || null;
      const by = userOf(ctx);
      const { row: seen, club } = await this.find(ctx);
      demandComment(decision, comment);
      const present = await presenterOf(ctx, [seen], by);
      const status = decision === "approve" ? "approved" : "rejected";
      const decided = await this.change(ctx, async (tx) => {
        const now = Date.now();
        const row = await changeReview(tx, seen.id, (row) => {
          expectVersion(ctx, row.version);
          demandFree(row, by, now);
          if (!holdsClaim(row, by, now)) throw new AppError("NOT_CLAIMED");
          if (row.claim_club_version !== club.version) throw new ClubChanged(row);
          return { status, claim_until: null, comment };
        });
        await tx.tell({
          type: "reviews.decided",
          aggregate: { type: "review", id: row.id, version: row.version },
          data: {
            clubId: row.club_id,
            clubName: club.name,
            clubVersion: club.version,
            filedBy: row.filed_by,
            decision: status,
            comment,
            by,
          },
        });
        return present(row, club);
      }).catch((error: unknown) => {
        if (error instanceof ClubChanged) return error;
        throw error;
      });
      if (!(decided instanceof ClubChanged)) return decided;
      await releaseClaim(this.db.primary, decided.row);
      throw new AppError("NOT_CLAIMED");
    },
    async open(ctx) {
      const { taskId, clubId, clubName, filedBy } = ctx.params;
      return this.change(ctx, async (tx) => {
        if (await openReview(tx, ctx.params))
          await tx.tell({
            type: "reviews.opened",
            aggregate: { type: "review", id: taskId, version: 1 },
            data: { clubId, clubName, filedBy },
          });
        return { opened: true };
      });
    },
    async undoOpen(ctx) {
      await this.change(ctx, (tx) => undoReview(tx, ctx.params.sagaStep));
    },
    async onClubChanged(ctx) {
      const { type, aggregate, data } = ctx.params;
      const clubId = aggregate.id;
      const clubs = type === "clubs.reviewOutdated" ? await clubsById(ctx, [clubId]) : new Map();
      await this.consume(ctx, async (tx) => {
        if (type === "clubs.deleted") await removeOpen(tx, clubId);
        else if (type === "clubs.updated" && data["status"] === "pending")
          await releaseOutdated(tx, clubId, aggregate.version);
        else if (type === "clubs.reviewOutdated" && clubs.get(clubId)?.status === "pending")
          await reopen(tx, clubId);
      });
    },
    async onUserErased(ctx) {
      await this.consume(ctx, (tx) => releaseClaimsOf(tx, ctx.params.aggregate.id));
    },
  },
  async started() {
    this.every(3_600_000, () => sweepSteps(this.db.primary, Date.now()));
  },
});

/** The claim was made on another text of the club. */
class ClubChanged extends Error {
  readonly row: ReviewRow;

  constructor(row: ReviewRow) {
    super("The club was changed since the claim.");
    this.row = row;
  }
}

/** A review is there as long as its club is; a decided one also after the club has been dissolved. */
function isShown(row: ReviewRow, club: ClubRecord | undefined): club is ClubRecord {
  const decided = row.status === "approved" || row.status === "rejected";
  return club !== undefined && (decided || club.status !== "deleted");
}

/** Looks up who has claimed these reviews, and `also`. */
async function presenterOf(
  ctx: Ctx,
  rows: ReviewRow[],
  also?: string,
): Promise<(row: ReviewRow, club: ClubRecord) => ReviewTask> {
  const person = await people(ctx, [...rows.map((row) => row.claimed_by), also]);
  const now = Date.now();
  return (row, { createdBy: _by, revision: _revision, ...club }) => {
    const status = statusOf(row, now);
    return {
      id: row.id,
      clubId: row.club_id,
      club,
      status,
      claimedBy: status !== "open" && row.claimed_by !== null ? person(row.claimed_by) : null,
      claimExpiresAt: status === "claimed" && row.claim_until !== null ? iso(row.claim_until) : null,
      createdAt: iso(row.created_at),
      version: row.version,
    };
  };
}

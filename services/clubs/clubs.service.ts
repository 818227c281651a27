import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Envelope } from "../../lib/declare.ts";
import { audited } from "../../lib/audit.ts";
import { AppError, isRefusal } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { expectVersion, idFor, implement, respond, userOf } from "../../lib/implement.ts";
import { actedBy } from "../../mixins/acting.ts";
import { database } from "../../mixins/database.ts";
import { readYourWrites } from "../../mixins/read-your-writes.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sagas } from "../../mixins/saga.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { refuseSwitchedOff } from "../../mixins/switches.ts";
import { clubs } from "./clubs.contract.ts";
import type { Club, ClubRecord } from "./clubs.contract.ts";
import { createClub, foundClub } from "./creation.ts";
import {
  acceptPresidency,
  checkSuccessor,
  dissolve,
  editClub,
  offerPresidency,
  setStatus,
  switchStatus,
} from "./edits.ts";
import { checkCategory } from "./categories.ts";
import { checkFields, claimLogo } from "./fields.ts";
import { findByName } from "./by-name.ts";
import { searchClubs, suggestClubs } from "./finding.ts";
import { listClubs } from "./listing.ts";
import { clubLock } from "./lock.ts";
import { handOver } from "./membership.ts";
import { erasePerson, exportPage } from "./person.ts";
import { outdated, presentClubs, presentNow, rankOf, toRecord } from "./rows.ts";
import type { ClubRole, ClubRow, ClubStatus } from "./rows.ts";

/** How long a request waits for a founding that another node carries on, and between two looks (milliseconds). */
const PATIENCE = 10_000;
const LOOK = 200;
const HOUR = 3_600_000;
/** Ended foundings are kept for a day: a repeat of the request may look for its own. */
const SAGAS_KEPT = 24 * HOUR;

type ReviewDecided = {
  clubId: string;
  clubVersion: number;
  decision: "approved" | "rejected";
  comment: string | null;
  by: string;
  filedBy: string;
};

export default implement(clubs, {
  mixins: [database("clubs"), readYourWrites("clubs"), clubLock(), sagas(createClubs), sweeper()],
  methods: {
    /** The record of a club that the caller may see, at least as new as its authorization saw it. */
    async recordFor(ctx: Ctx<{ id: string }>): Promise<ClubRecord> {
      const { id } = ctx.params;
      const cached = await ctx.call("clubs.record", { id });
      if (cached && cached.revision >= Number(ctx.locals.grant["revision"])) return cached;
      await this.forget("clubs.record", id);
      const row = await this.db.primary.one<ClubRow>("SELECT * FROM clubs WHERE id = :id", { id });
      if (!row) throw new AppError("NOT_FOUND");
      return toRecord(row);
    },
    /** The founded club once its saga has ended; UNAVAILABLE where it was undone or has not ended in time. */
    async founded(id: string, sagaId: string): Promise<ClubRow> {
      for (const until = Date.now() + PATIENCE; ; await sleep(LOOK)) {
        const outcome = await this.runSaga(sagaId);
        const row = await this.db.primary.one<ClubRow>("SELECT * FROM clubs WHERE id = :id", { id });
        if (row?.ready) return row;
        if (!row || outcome === "undone" || Date.now() > until)
          throw new AppError("UNAVAILABLE", { retryAfter: 2 });
      }
    },
    async present(user: string | null, rows: ClubRow[]): Promise<Club[]> {
      return presentClubs(await this.reads(user), user, rows.map(toRecord));
    },
  },
  actions: {
    async categories(ctx) {
      const statements = await this.reads(ctx.locals.user);
      const rows = await statements.all<{ slug: string; name_en: string; name_zh: string; clubs: number }>(
        `SELECT k.slug, k.name_en, k.name_zh,
         (SELECT COUNT(*) FROM clubs c WHERE c.category = k.slug AND c.status = 'active') AS clubs
         FROM categories k ORDER BY k.position, k.slug`,
      );
      return rows.map(({ slug, name_en: en, name_zh: zh, clubs: count }) => ({
        slug,
        name: ctx.headers.lang === "zh-CN" ? zh : en,
        clubs: count,
      }));
    },
    async create(ctx) {
      refuseSwitchedOff(this.broker, "clubs.creationOpen");
      checkFields(ctx.params);
      const id = idFor(ctx);
      const club = {
        id,
        founder: userOf(ctx),
        requestId: ctx.requestID ?? null,
        acted: actedBy(ctx, { ...ctx.params, id }),
        fields: {
          reviewStages: [...runtimeOf(this.broker).live.get("applications.defaultStages")],
          ...ctx.params,
        },
      };
      await claimLogo(ctx, this.db.primary, club.id, ctx.params.logoFileId);
      // Not by `change`: the Idempotency-Key is closed when the saga has ended and not with the record.
      const found = () =>
        this.db.transaction((tx) =>
          foundClub(tx, club, (within, type, data) => this.beginSaga(within, type, data)),
        );
      const sagaId = await found().catch((error: unknown) => {
        // Of a repeat the first try may have the name, where its commit came through late: then it is found now.
        if (ctx.locals.idempotency?.repeated && isRefusal(error, "CLUB_NAME_TAKEN")) return found();
        throw error;
      });
      const row = await this.founded(club.id, sagaId);
      const [shown] = await presentClubs(this.db.primary, club.founder, [toRecord(row)]);
      return shown as Club;
    },
    async list(ctx) {
      const { user } = ctx.locals;
      if (ctx.params.mine && !user) throw new AppError("UNAUTHENTICATED");
      const { items, nextCursor } = await listClubs(await this.reads(user), ctx.params, user);
      return { items: await this.present(user, items), nextCursor };
    },
    async search(ctx) {
      return searchClubs(ctx, this.db.primary);
    },
    async suggest(ctx) {
      return suggestClubs(ctx, this.db.primary);
    },
    async get(ctx) {
      const { user } = ctx.locals;
      const record = await this.recordFor(ctx);
      const [club] = await presentClubs(await this.reads(user), user, [record]);
      return club as Club;
    },
    async update(ctx) {
      const { id, ...fields } = ctx.params;
      checkFields(fields);
      await claimLogo(ctx, this.db.primary, id, fields.logoFileId);
      return this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, id, "president");
        await checkCategory(tx, fields.category);
        expectVersion(ctx, club.version);
        if (club.status === "deleted" || (club.status !== "active" && ctx.locals.grant["byRole"]))
          throw new AppError("CLUB_NOT_ACTIVE");
        audited(ctx, { before: toRecord(club) });
        await editClub(tx, club, fields);
        return presentNow(tx, ctx.locals.user, id);
      });
    },
    async remove(ctx) {
      await this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, ctx.params.id, "president");
        expectVersion(ctx, club.version);
        audited(ctx, { before: club, after: { status: "deleted" } });
        if (club.status !== "deleted") await dissolve(tx, club);
      });
    },
    async setStatus(ctx) {
      const { id } = ctx.params;
      return this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, id, null);
        const before = await switchStatus(tx, ctx, club, { ...ctx.params, by: userOf(ctx) });
        audited(ctx, { before: { status: before } });
        return presentNow(tx, ctx.locals.user, id);
      });
    },
    async transfer(ctx) {
      const { id, userId } = ctx.params;
      return this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, id, "president", userId);
        await checkSuccessor(tx, club, userId);
        expectVersion(ctx, club.version);
        if (club.status === "deleted") throw new AppError("CLUB_NOT_ACTIVE");
        const byRole = ctx.locals.grant["byRole"] === true;
        audited(ctx, { after: byRole ? { president: userId } : { offeredTo: userId } });
        if (!byRole) return offerPresidency(tx, club, idFor(ctx), userId);
        await handOver(tx, club, userId, userOf(ctx));
        respond(ctx, { status: 200 });
        return presentNow(tx, ctx.locals.user, id);
      });
    },
    async acceptTransfer(ctx) {
      const { id } = ctx.params;
      return this.change(ctx, async (tx) => {
        const club = await this.enterClub(tx, ctx, id, "member");
        await acceptPresidency(tx, club, userOf(ctx));
        audited(ctx, { after: { president: userOf(ctx) } });
        return presentNow(tx, ctx.locals.user, id);
      });
    },
    async allows(ctx): Promise<Answer<"clubs.allows">> {
      const { id, relation, user } = ctx.params;
      const row = await this.db.primary.one<{
        status: ClubStatus;
        revision: number;
        role: ClubRole | null;
      }>(
        `SELECT c.status, c.revision, m.role FROM clubs c
         LEFT JOIN members m ON m.club_id = c.id AND m.user_id = :user WHERE c.id = :id AND c.ready = 1`,
        { id, user: user ?? "" },
      );
      if (!row || (row.status === "deleted" && !row.role)) return { verdict: "missing", grant: {} };
      // Asked only where it decides: an inactive club that is not one's own.
      const seen =
        row.status === "active" || row.role !== null || (user !== null && (await isStaff(ctx, user)));
      const needed = relation === "visible" ? 0 : rankOf(relation as ClubRole);
      if (seen && rankOf(row.role) >= needed) return { verdict: "yes", grant: row };
      return { verdict: seen ? "forbidden" : "hidden", grant: row };
    },
    async record(ctx) {
      const row = await this.db.primary.one<ClubRow>("SELECT * FROM clubs WHERE id = :id AND ready = 1", {
        id: ctx.params.id,
      });
      return row && toRecord(row);
    },
    async records(ctx) {
      const rows = await this.db.primary.all<ClubRow>(
        "SELECT * FROM clubs WHERE id IN (:ids) AND ready = 1",
        { ids: ctx.params.ids },
      );
      return rows.map(toRecord);
    },
    async files(ctx) {
      const rows = await this.db.primary.all<{ id: string; logo: string }>(
        "SELECT id, logo_file_id AS logo FROM clubs WHERE id IN (:ids) AND logo_file_id IS NOT NULL",
        { ids: ctx.params.ids },
      );
      return rows.map(({ id, logo }) => ({ id, fileIds: [logo] }));
    },
    async page(ctx) {
      const { after, limit } = ctx.params;
      const rows = await this.db.primary.all<ClubRow>(
        `SELECT * FROM clubs WHERE status = 'active' AND id > :after ORDER BY id LIMIT ${limit}`,
        { after: after ?? "" },
      );
      return rows.map(toRecord);
    },
    async findByName(ctx) {
      return findByName(this.db.primary, ctx.params);
    },
    async onReviewDecided(ctx) {
      const { clubId, clubVersion, decision, comment, by, filedBy } = (ctx as Ctx<Envelope<ReviewDecided>>)
        .params.data;
      await this.consume(ctx, async (tx) => {
        const club = await this.lockClub(tx, clubId, [filedBy, by]);
        if (club?.status !== "pending") return;
        if (club.version !== clubVersion) await tx.tell(outdated(club));
        else await setStatus(tx, club, decision === "approved" ? "active" : "rejected", by, comment);
      });
    },
    async onUserErased(ctx) {
      await this.consume(ctx, (tx) =>
        erasePerson(tx, ctx.params.aggregate.id, (...args) => this.lockClub(...args)),
      );
    },
    async exportUser(ctx) {
      return exportPage(this.db.primary, ctx.params);
    },
    async sagas(ctx) {
      return this.openSagas(ctx.params.limit ?? 1_000, ctx.params.after);
    },
    async endSaga(ctx) {
      return this.endSaga(ctx.params.id, ctx.params.way);
    },
    async presidedBy(ctx) {
      const rows = await this.db.primary.all<{ id: string }>(
        `SELECT c.id FROM members m JOIN clubs c ON c.id = m.club_id
         WHERE m.user_id = :user AND m.role = 'president' AND c.status NOT IN ('rejected', 'deleted')`,
        { user: ctx.params.user },
      );
      return rows.map(({ id }) => id);
    },
  },
  async started() {
    this.every(HOUR, async () => {
      const now = Date.now();
      await this.db.primary.run("DELETE FROM transfers WHERE expires_at < :now", { now });
      await this.db.primary.run(
        "DELETE FROM sagas WHERE state IN ('done', 'undone') AND updated_at < :before",
        { before: now - SAGAS_KEPT },
      );
    });
  },
});

function createClubs(service: Parameters<typeof createClub>[0]) {
  return [createClub(service)];
}

/** Reviewers and administrators see clubs before, and while, others do not. */
async function isStaff(ctx: Ctx, user: string): Promise<boolean> {
  const roles = await ctx.call("users.rolesOf", { id: user });
  return roles.includes("reviewer") || roles.includes("admin");
}

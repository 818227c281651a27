/** Applications to clubs: submitting, deciding, withdrawing. How one moves: state.ts. */
import type { Answer, AnswerOf } from "../../lib/declare.ts";
import { audited } from "../../lib/audit.ts";
import { AppError, isAppError } from "../../lib/errors.ts";
import { expectVersion, idFor, implement, userOf } from "../../lib/implement.ts";
import type { Ctx } from "../../lib/implement.ts";
import { pageOf } from "../../lib/cursor.ts";
import type { Tx } from "../../lib/database.ts";
import { database } from "../../mixins/database.ts";
import { names } from "../../mixins/people.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import type { ClubRecord } from "../clubs/clubs.contract.ts";
import { checkAnswers } from "./answers.ts";
import { clubsById, presenterOf } from "./application-present.ts";
import type { Application } from "./application-present.ts";
import {
  advance,
  cursorOf,
  find,
  findWhole,
  holderOf,
  insert,
  page,
  settled,
  stateOf,
  withEvents,
} from "./application-rows.ts";
import type { ApplicationRow } from "./application-rows.ts";
import {
  decideOn,
  erase,
  expireAllOf,
  refuse,
  resume,
  settle,
  settleLeft,
  startOf,
  sweepExpired,
  sweepTexts,
} from "./application-work.ts";
import { applications } from "./applications.contract.ts";
import { exportPage } from "./export.ts";
import { close, demandComment, isOpen, mayDecide, submit } from "./state.ts";
import type { Decision, Role, State, Step } from "./state.ts";

const MINUTE = 60_000;

/** Somebody is named now whom the answer cannot name yet: look people up again. */
class Outdated extends Error {}

export default implement(applications, {
  mixins: [database("applications"), sweeper()],
  methods: {
    /**
     * Makes a step on one application and answers it as it is then. People are looked up before the transaction; if
     * another's step brings in somebody new meanwhile, all is done again.
     */
    async step(
      ctx: Ctx<{ id: string }>,
      next: (state: State, club: ClubRecord | undefined) => Step,
    ): Promise<Application> {
      const { id } = ctx.params;
      for (let tries = 1; ; tries++) {
        const seen = await findWhole(this.db.primary, [id]);
        const presenter = await presenterOf(ctx, seen, { people: [userOf(ctx)] });
        try {
          return await this.change(ctx, async (tx) => {
            const row = await advance(tx, id, (row, state) => {
              expectVersion(ctx, row.version);
              return next(state, presenter.clubs.get(row.club_id));
            });
            const [whole] = await withEvents(tx, row ? [row] : []);
            if (!whole) throw new AppError("NOT_FOUND");
            if (!presenter.knows(whole)) throw new Outdated();
            audited(ctx, { before: { status: seen[0]?.row.status } });
            return presenter.present(whole);
          });
        } catch (error) {
          if (!(error instanceof Outdated) || tries >= 3) throw error;
        }
      }
    },
    async list(
      ctx: Ctx<{ status?: ApplicationRow["status"]; limit?: number; cursor?: string }>,
      column: "applicant_id" | "club_id",
      owner: string,
    ): Promise<Answer<"applications.mine">> {
      const { status, limit = 20, cursor } = ctx.params;
      const rows = await page(this.db.primary, column, owner, { status, limit, cursor });
      const { items, nextCursor } = pageOf(await withEvents(this.db.primary, rows), limit, cursorOf);
      const presenter = await presenterOf(ctx, items);
      return { items: items.map(presenter.present), nextCursor };
    },
    expiryDays(): number {
      return runtimeOf(this.broker).live.get("applications.expiryDays");
    },
    async sweep(): Promise<void> {
      const clubs = async (ids: string[]) => {
        const found = await this.broker.call<Answer<"clubs.records">, { ids: string[] }>("clubs.records", {
          ids: [...new Set(ids)],
        });
        return new Map(found.map((club) => [club.id, club]));
      };
      await sweepExpired(this.db, clubs, Date.now());
      this.relay.nudge();
    },
  },
  actions: {
    async submit(ctx) {
      const { id: clubId, message, answers } = ctx.params;
      const user = userOf(ctx);
      const presenter = await presenterOf(ctx, [], { people: [user], clubs: [clubId] });
      const club = presenter.clubs.get(clubId);
      if (!club) throw new AppError("NOT_FOUND");
      const kept = checkAnswers(club.questions, answers ?? {});
      if (club.status !== "active") throw new AppError("CLUB_NOT_ACTIVE");
      if (club.joinPolicy === "closed") throw new AppError("CLUB_CLOSED");
      const before = await settled(this.db.primary, clubId, user);
      const roles = await ctx.call("members.rolesOf", { pairs: [{ clubId, userId: user }] });
      if (roles.length > 0) throw new AppError("ALREADY_MEMBER");
      return this.change(ctx, async (tx) => {
        const id = idFor(ctx);
        const application = { id, clubId, applicantId: user, message: message || null, answers: kept };
        if (!(await insert(tx, application, submit(user), this.expiryDays())))
          throw new AppError(
            (await holderOf(tx, clubId, user)) === "approved" ? "ALREADY_MEMBER" : "ALREADY_APPLIED",
          );
        // Approved, and made a member, between the question for their role and now.
        if ((await settled(tx, clubId, user)) !== before) throw new AppError("ALREADY_MEMBER");
        const [whole] = await findWhole(tx, [id]);
        if (!whole) throw new Error("The application is not there.");
        audited(ctx, { subject: id, after: { clubId, status: whole.row.status } });
        return { application: presenter.present(whole) };
      });
    },
    async get(ctx) {
      const [whole] = await findWhole(this.db.primary, [ctx.params.id]);
      if (!whole) throw new AppError("NOT_FOUND");
      return (await presenterOf(ctx, [whole])).present(whole);
    },
    async mine(ctx) {
      return this.list(ctx, "applicant_id", userOf(ctx));
    },
    async ofClub(ctx) {
      return this.list(ctx, "club_id", ctx.params.id);
    },
    async decide(ctx) {
      const { decision } = ctx.params;
      const comment = ctx.params.comment || null;
      demandComment(decision, comment);
      const { role, passed } = ctx.locals.grant as { role: Role; passed: number };
      return this.step(ctx, (state, club) => {
        if (club?.status !== "active") throw new AppError("CLUB_NOT_ACTIVE");
        return decideOn(state, club, { decision, comment, by: userOf(ctx), role, passed });
      });
    },
    async decideMany(ctx) {
      const { id: clubId, decisions } = ctx.params;
      const by = userOf(ctx);
      const role = ctx.locals.grant["role"] as Role;
      const club = (await clubsById(ctx, [clubId])).get(clubId);
      if (club?.status !== "active") throw new AppError("CLUB_NOT_ACTIVE");
      const ids = decisions.map(({ id }) => id);
      const own = "SELECT * FROM applications WHERE club_id = :clubId AND id IN (:ids)";
      const seen = await this.db.primary.all<ApplicationRow>(own, { clubId, ids });
      const passed = new Map(seen.map((row) => [row.id, stateOf(row).deciders.length]));
      return this.change(ctx, async (tx) => {
        const codes: (string | undefined)[] = [];
        for (const [i, { id, decision, comment }] of decisions.entries()) {
          const stages = passed.get(id);
          if (stages === undefined) codes.push("NOT_FOUND");
          else if (ids.indexOf(id) < i) codes.push("ALREADY_DECIDED");
          else
            codes.push(
              await tryDecision(tx, id, club, {
                decision,
                comment: comment || null,
                by,
                role,
                passed: stages,
              }),
            );
        }
        const after = await tx.all<ApplicationRow>(own, { clubId, ids });
        const statuses = new Map(after.map(({ id, status }) => [id, status]));
        const results = ids.map((id, i) => ({
          id,
          status: statuses.get(id) ?? null,
          ...(codes[i] && { code: codes[i] }),
        }));
        audited(ctx, { after: { decisions: results } });
        return { results };
      });
    },
    async withdraw(ctx) {
      return this.step(ctx, (state) => close(state, "withdrawn", userOf(ctx)));
    },
    async allows(ctx): Promise<AnswerOf<typeof applications.actions.allows>> {
      const { id, relation, user } = ctx.params;
      const row = await find(this.db.primary, id);
      if (!row) return { verdict: "missing", grant: {} };
      if (!user) return { verdict: "hidden", grant: {} };
      const applicant = row.applicant_id === user;
      if (applicant && relation !== "decider") return { verdict: "yes", grant: {} };
      const [membership] = await ctx.call("members.rolesOf", {
        pairs: [{ clubId: row.club_id, userId: user }],
      });
      const role = membership?.role ?? null;
      const officer = role === "officer" || role === "president";
      const state = stateOf(row);
      const grant = { role, passed: state.deciders.length };
      if (relation === "applicant") return { verdict: officer ? "forbidden" : "hidden", grant };
      if (!officer) return { verdict: applicant ? "forbidden" : "hidden", grant };
      const theirs = relation !== "decider" || (await isTheirStage(ctx, row, state, role, user));
      return { verdict: theirs ? "yes" : "forbidden", grant };
    },
    async onSubmitted(ctx) {
      const { id } = ctx.params.aggregate;
      const { clubId, applicantId } = ctx.params.data as { clubId: string; applicantId: string };
      const [clubs, known] = await Promise.all([clubsById(ctx, [clubId]), names(ctx, [applicantId])]);
      const erased = known.get(applicantId)?.status === "erased";
      await this.consume(ctx, async (tx) => {
        if (erased) return erase(tx, applicantId);
        await advance(tx, id, (_row, state) => startOf(state, clubs.get(clubId)));
      });
    },
    async onClubChanged(ctx) {
      const { type, at, aggregate } = ctx.params;
      const data = ctx.params.data as { clubId: string; userId: string; applicationId: string | null };
      if (type === "clubs.deleted") {
        // Steps of their own, each harmless to repeat: there may be more than one transaction should hold.
        await expireAllOf(this.db, aggregate.id);
      } else if (type === "clubs.statusChanged") {
        const club = (await clubsById(ctx, [aggregate.id])).get(aggregate.id);
        if (club?.status === "active") await resume(this.db, club, at, this.expiryDays());
      } else {
        await this.consume(ctx, async (tx) => {
          if (type === "clubs.memberLeft") await settleLeft(tx, data.clubId, data.userId, at);
          else if (data.applicationId && type === "clubs.memberJoined") await settle(tx, data.applicationId);
          else if (data.applicationId && type === "clubs.memberRefused") await refuse(tx, data.applicationId);
        });
      }
      this.relay.nudge();
    },
    async onUserErased(ctx) {
      await this.consume(ctx, (tx) => erase(tx, ctx.params.aggregate.id));
    },
    async exportUser(ctx) {
      return exportPage(this.db.primary, ctx.params.user, ctx.params.cursor);
    },
  },
  async started() {
    this.every(MINUTE, () => this.sweep());
    this.every(60 * MINUTE, () => sweepTexts(this.db, Date.now()));
  },
});

/** A decision among others: its refusal is an answer. */
async function tryDecision(
  tx: Tx,
  id: string,
  club: ClubRecord,
  decision: Decision,
): Promise<string | undefined> {
  try {
    await advance(tx, id, (_row, state) => decideOn(state, club, decision));
    return undefined;
  } catch (error) {
    if (isAppError(error)) return error.type;
    throw error;
  }
}

/** Whether the stage that an open application waits for, or will when its review begins, is this officer's. */
async function isTheirStage(
  ctx: Ctx,
  row: ApplicationRow,
  state: State,
  role: Role | null,
  user: string,
): Promise<boolean> {
  if (!isOpen(state)) return true;
  if (state.status === "under_review") return mayDecide(state, role, user);
  const club = (await clubsById(ctx, [row.club_id])).get(row.club_id);
  return mayDecide({ ...state, status: "under_review", stages: club?.reviewStages ?? [] }, role, user);
}

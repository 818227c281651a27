import { encodeQR } from "qr";
import type { Answer, Params } from "../../lib/declare.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError, invalid, isRefusal } from "../../lib/errors.ts";
import { implement, respond, userOf } from "../../lib/implement.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { documents } from "../../mixins/documents.ts";
import { gauges } from "../../mixins/gauges.ts";
import { people } from "../../mixins/people.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { refuseSwitchedOff } from "../../mixins/switches.ts";
import type { Where } from "./attendance.ts";
import { attendanceCsv, exportPage, pageOfPeople, positionsOf, presentOwn } from "./attendance.ts";
import { codeFor, readCode } from "./check-in-codes.ts";
import type { Desk } from "./desk.ts";
import { Desks } from "./desks.ts";
import { keeping } from "./keeping.ts";
import { participations } from "./participations.contract.ts";
import type { ActivityDocument } from "./records.ts";
import { rosterId } from "./records.ts";
import { RosterBook } from "./roster-book.ts";
import type { Standing } from "./roster.ts";
import { settleActivity } from "./settling.ts";
import { clubReader, teller } from "./surroundings.ts";
import { isCancelled, namedOccurrence, termsOf } from "./terms.ts";

const CURSOR = "participants";
const MINE_CURSOR = "myActivities";
const SWEEP = 30_000;

interface Methods {
  desks: Desks;
  /** The activity and the desk of the occurrence that a request names. */
  deskFor(
    ctx: Ctx<{ id: string; occurrence?: string }>,
  ): Promise<{ desk: Desk; activity: ActivityDocument; occurrence: number }>;
  need(id: string): Promise<ActivityDocument>;
  /** What a list of people is about. */
  whereOf(params: Pick<Params<"participations.csv">, "id" | "status" | "occurrence">): Promise<Where>;
  byCode(ctx: Ctx<{ id: string; code: string }>): Promise<CheckIn>;
  /** An occurrence in which the person has a place. */
  placeOf(activityId: string, user: string): Promise<number | null>;
  byOfficer(ctx: Ctx<{ id: string; userId: string; occurrence?: string }>): Promise<CheckIn>;
}
/** Whom to check in where, and what is known of the code. */
interface CheckIn {
  user: string;
  occurrence: number;
  desk: Desk;
  code: "none" | "valid" | "invalid";
}

const own: Mixin<Methods> = {};

export default implement(participations, {
  mixins: [keeping(), documents("activities", { tells: true }), sweeper(), gauges(), own],
  methods: {
    async need(id: string): Promise<ActivityDocument> {
      const activity = await this.activity(id);
      if (!activity) throw new AppError("NOT_FOUND");
      return activity;
    },
    async deskFor(ctx: Ctx<{ id: string; occurrence?: string }>) {
      const { id, occurrence: name } = ctx.params;
      const activity = await this.need(id);
      const occurrence = namedOccurrence(activity, name);
      // One that was taken out of the series while people were signed up for it is cancelled, and not unknown.
      const exists = termsOf(activity, occurrence) !== null || isCancelled(activity, occurrence);
      if (!exists && (await this.store.rosters.count({ _id: rosterId(id, occurrence) })) === 0)
        throw invalid({ field: "occurrence", code: "NO_SUCH_OCCURRENCE" });
      return { activity, occurrence, desk: this.desks.of(id, occurrence) };
    },
    async whereOf({
      id,
      status,
      occurrence,
    }: Pick<Params<"participations.csv">, "id" | "status" | "occurrence">) {
      const activity = await this.need(id);
      const at = occurrence === undefined ? undefined : namedOccurrence(activity, occurrence);
      return { activityId: id, status, occurrence: at };
    },
    async byCode(ctx: Ctx<{ id: string; code: string }>): Promise<CheckIn> {
      const { id, code } = ctx.params;
      const { checkInKey, originalStart } = await this.need(id);
      const read = readCode(checkInKey, id, code, Date.now());
      const user = userOf(ctx);
      // A code that is none names no occurrence: who has a place in any hears of the code, others that they have none.
      const occurrence = read ?? (await this.placeOf(id, user)) ?? originalStart;
      const desk = this.desks.of(id, occurrence);
      return { user, occurrence, desk, code: read === null ? "invalid" : "valid" };
    },
    async placeOf(activityId: string, user: string): Promise<number | null> {
      const [place] = await this.store.participations.find(
        { user, activityId, status: "confirmed" },
        { limit: 1, projection: ["occurrence"] },
      );
      return place?.occurrence ?? null;
    },
    async byOfficer(ctx: Ctx<{ id: string; userId: string; occurrence?: string }>): Promise<CheckIn> {
      const { id, userId } = ctx.params;
      const question = { id, relation: "officer", user: userOf(ctx), write: true };
      const { verdict } = await ctx.call("activities.allows", question);
      if (verdict !== "yes") throw new AppError("FORBIDDEN");
      const { desk, occurrence } = await this.deskFor(ctx);
      return { user: userId, occurrence, desk, code: "none" };
    },
  },
  actions: {
    async join(ctx) {
      refuseSwitchedOff(this.broker, "activities.signUpOpen");
      const { desk } = await this.deskFor(ctx);
      const { changed, status, position } = await desk.ask({
        kind: "join",
        user: userOf(ctx),
        mark: ctx.headers.mark,
      });
      respond(ctx, { status: changed ? 201 : 200 });
      return status === "waitlisted"
        ? { status, position: position as number }
        : { status: "confirmed" as const };
    },
    async leave(ctx) {
      const { desk } = await this.deskFor(ctx);
      await desk.ask({ kind: "leave", user: userOf(ctx), mark: ctx.headers.mark });
    },
    async mine(ctx) {
      const { desk } = await this.deskFor(ctx);
      return presentStanding(await desk.ask({ kind: "look", user: userOf(ctx) }));
    },
    async list(ctx) {
      const { limit = 20, cursor } = ctx.params;
      const where = await this.whereOf(ctx.params);
      const after = readCursor(cursor, CURSOR, ["number", "number", "string"]) as
        [number, number, string] | null;
      const rows = await pageOfPeople(this.store, where, after, limit + 1);
      const { items, nextCursor } = pageOf(rows, limit, (row) =>
        writeCursor(CURSOR, [row.occurrence, row.seq, row._id]),
      );
      const [person, positions] = await Promise.all([
        people(
          ctx,
          items.map(({ user }) => user),
        ),
        positionsOf(this.store, items),
      ]);
      return {
        items: items.map((row) => {
          const position = positions.get(row._id);
          return {
            user: person(row.user ?? ""),
            occurrence: iso(row.occurrence),
            status: row.status,
            ...(position !== undefined && { position }),
            checkedInAt: row.checkedInAt === null ? null : iso(row.checkedInAt),
          };
        }),
        nextCursor,
      };
    },
    async csv(ctx) {
      const where = await this.whereOf(ctx.params);
      respond(ctx, { headers: { "Content-Disposition": 'attachment; filename="participants.csv"' } });
      return attendanceCsv(ctx, this.store, where);
    },
    async mineAll(ctx) {
      const { limit = 20, cursor } = ctx.params;
      const after = readCursor(cursor, MINE_CURSOR, ["number", "string"]) as [number, string] | null;
      const rows = await this.store.participations.find(
        {
          user: userOf(ctx),
          ...(after && {
            $or: [{ occurrence: { $lt: after[0] } }, { occurrence: after[0], _id: { $lt: after[1] } }],
          }),
        },
        { sort: { occurrence: -1, _id: -1 }, limit: limit + 1 },
      );
      const { items, nextCursor } = pageOf(rows, limit, (row) =>
        writeCursor(MINE_CURSOR, [row.occurrence, row._id]),
      );
      return { items: await presentOwn(ctx, this.store, items), nextCursor };
    },
    async checkInCode(ctx) {
      const { id, occurrence: name } = ctx.params;
      const activity = await this.need(id);
      const occurrence = namedOccurrence(activity, name);
      const terms = termsOf(activity, occurrence);
      if (!terms && !isCancelled(activity, occurrence))
        throw invalid({ field: "occurrence", code: "NO_SUCH_OCCURRENCE" });
      if (!terms || terms.cancelled || terms.endsAt <= Date.now()) throw new AppError("ACTIVITY_OVER");
      const { code, expiresAt } = codeFor(activity.checkInKey, id, occurrence, Date.now());
      return { code, expiresAt: iso(expiresAt), qr: encodeQR(code, "svg") };
    },
    async checkIn(ctx) {
      const { user, occurrence, desk, code } = await ("code" in ctx.params
        ? this.byCode(ctx as Ctx<{ id: string; code: string }>)
        : this.byOfficer(ctx as Ctx<{ id: string; userId: string; occurrence?: string }>));
      const { changed, checkedInAt } = await desk.ask({
        kind: "checkIn",
        user,
        code,
        mark: ctx.headers.mark,
      });
      respond(ctx, { status: changed ? 201 : 200 });
      return { userId: user, occurrence: iso(occurrence), checkedInAt: iso(checkedInAt as number) };
    },
    async settle(ctx) {
      const { id } = ctx.params;
      const activity = await this.activity(id);
      if (!activity) return;
      const settle = (roster: string) => this.desks.of(id, Number(roster.split(":")[1])).settle();
      await settleActivity(this.store, activity, settle, Date.now());
    },
    async erase(ctx) {
      const { id, user, occurrences } = ctx.params;
      for (const occurrence of occurrences)
        await this.desks
          .of(id, occurrence)
          .ask({ kind: "erase", user })
          .catch((error: unknown) => {
            // Erased before.
            if (!isRefusal(error, "NOT_FOUND")) throw error;
          });
    },
    async onUserErased(ctx) {
      const user = ctx.params.aggregate.id;
      const rows = await this.store.participations.find(
        { user },
        { projection: ["activityId", "occurrence"] },
      );
      for (const [id, own] of Map.groupBy(rows, ({ activityId }) => activityId)) {
        const occurrences = own.map(({ occurrence }) => occurrence);
        await ctx.call("participations.erase", { id, user, occurrences });
      }
      await this.store.calendarTokens.deleteMany({ _id: user });
      await this.idempotencyKeys.forget(user);
    },
    async exportUser(ctx) {
      const { user, cursor } = ctx.params;
      return exportPage(this.store, user, cursor);
    },
  },
  async started() {
    this.desks = new Desks({
      book: new RosterBook(this.store, teller(this.broker, this.outbox, this.relay)),
      activity: (id) => this.activity(id),
      clubIsActive: clubReader(this.broker),
      membersOf: (pairs) => this.broker.call("members.rolesOf", { pairs }),
      warn: (text, data) => this.logger.warn(text, data),
    });
    const { desks } = this;
    this.measure("club_alliance_rosters_people", () => [{ value: desks.people }]);
    this.every(SWEEP, () => desks.sweep(Date.now()));
    this.every(3_600_000, () => this.idempotencyKeys.sweep(Date.now()));
  },
  async stopped() {
    await this.desks?.stop();
  },
});

function presentStanding({ status, position, checkedInAt }: Standing): Answer<"participations.mine"> {
  return {
    status,
    ...(position !== null && { position }),
    checkedInAt: checkedInAt === null ? null : iso(checkedInAt),
  };
}

import type { Params } from "../../lib/declare.ts";
import { audited } from "../../lib/audit.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { expectVersion, idFor, implement } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import {
  announcementOf,
  checkEnd,
  listAnnouncements,
  lockedAnnouncement,
  messageOf,
  millisecondsOf,
  present,
  stateOf,
} from "./announcement-rows.ts";
import type { AnnouncementRow } from "./announcement-rows.ts";
import { announcements } from "./announcements.contract.ts";
import type { Audience } from "./announcements.contract.ts";

/** Milliseconds that how many are reached is waited for. */
const REACH_LIMIT = 3_000;

export default implement(announcements, {
  mixins: [database("admin")],
  actions: {
    async list(ctx) {
      const now = Date.now();
      const { items, nextCursor } = await listAnnouncements(this.db.primary, ctx.params, now);
      return { items: items.map((row) => present(row, now)), nextCursor };
    },
    async get(ctx) {
      const row = await announcementOf(this.db.primary, ctx.params.id);
      // What is announced can be read, and changed, whether or not anybody counts.
      const reach = await ctx
        .call("bulletin.reach", { id: row.id }, { timeout: REACH_LIMIT })
        .catch(() => null);
      return { ...present(row), reach };
    },
    async create(ctx) {
      const { title, body, level, audience } = ctx.params;
      const now = Date.now();
      const startsAt = timeOf(ctx.params, "startsAt") ?? now;
      const endsAt = timeOf(ctx.params, "endsAt") ?? null;
      checkEnd(startsAt, endsAt, now);
      await checkClubs(ctx, audience);
      const row: AnnouncementRow = {
        id: idFor(ctx),
        title,
        body,
        level,
        audience: JSON.stringify(audience),
        starts_at: startsAt,
        ends_at: endsAt,
        withdrawn_at: null,
        version: 1,
        created_at: now,
        updated_at: now,
      };
      return this.change(ctx, async (tx) => {
        await tx.insert("announcements", { ...row });
        await tx.tell(messageOf(row));
        return present(row, now);
      });
    },
    async update(ctx) {
      const { id, audience } = ctx.params;
      await announcementOf(this.db.primary, id);
      if (audience) await checkClubs(ctx, audience);
      return this.change(ctx, async (tx) => {
        const now = Date.now();
        const row = await lockedAnnouncement(tx, id);
        const next = changed(row, ctx.params);
        if (next.ends_at !== row.ends_at || next.starts_at !== row.starts_at)
          checkEnd(next.starts_at, next.ends_at, now);
        expectVersion(ctx, row.version);
        refuseLate(row, next, now);
        audited(ctx, { before: present(row, now), after: present(next, now) });
        if (JSON.stringify(next) === JSON.stringify(row)) return present(row, now);
        Object.assign(next, { version: row.version + 1, updated_at: now });
        await tx.run(
          `UPDATE announcements SET title = :title, body = :body, level = :level, audience = :audience,
           starts_at = :starts_at, ends_at = :ends_at, version = :version, updated_at = :updated_at WHERE id = :id`,
          { ...next },
        );
        await tx.tell(messageOf(next));
        return present(next, now);
      });
    },
    async withdraw(ctx) {
      await this.change(ctx, async (tx) => {
        const now = Date.now();
        const row = await lockedAnnouncement(tx, ctx.params.id);
        expectVersion(ctx, row.version);
        const before = { state: stateOf(row, now) };
        audited(ctx, { before, after: { state: "withdrawn" } });
        if (row.withdrawn_at !== null) return;
        const next = { ...row, withdrawn_at: now, version: row.version + 1, updated_at: now };
        await tx.run(
          `UPDATE announcements SET withdrawn_at = :withdrawn_at, version = :version, updated_at = :updated_at
           WHERE id = :id`,
          { ...next },
        );
        await tx.tell(messageOf(next));
      });
    },
  },
});

type Changes = Params<"announcements.update">;

/** Undefined where it is not named, null where it is to be none. */
function timeOf(
  params: Pick<Changes, "startsAt" | "endsAt">,
  field: "startsAt" | "endsAt",
): number | null | undefined {
  const time = params[field];
  return typeof time === "string" ? millisecondsOf(time, field) : time;
}

function changed(row: AnnouncementRow, params: Changes): AnnouncementRow {
  const { title = row.title, body = row.body, level = row.level, audience } = params;
  const endsAt = timeOf(params, "endsAt");
  return {
    ...row,
    title,
    body,
    level,
    audience: audience ? JSON.stringify(audience) : row.audience,
    starts_at: timeOf(params, "startsAt") ?? row.starts_at,
    ends_at: endsAt === undefined ? row.ends_at : endsAt,
  };
}

/** Who has been told cannot be untold, so whom it is for, and from when, is settled when it starts. */
function refuseLate(row: AnnouncementRow, next: AnnouncementRow, now: number): void {
  if (row.withdrawn_at !== null) throw new AppError("ALREADY_WITHDRAWN");
  const moved = next.audience !== row.audience || next.starts_at !== row.starts_at;
  if (moved && stateOf(row, now) !== "scheduled") throw new AppError("ALREADY_STARTED");
}

async function checkClubs(ctx: Ctx, { clubIds }: Audience): Promise<void> {
  if (!clubIds) return;
  const found = await ctx.call("clubs.records", { ids: clubIds });
  const there = new Set(
    found.filter(({ status }) => status === "active" || status === "suspended").map(({ id }) => id),
  );
  const bad = clubIds.flatMap((id, i) =>
    there.has(id) ? [] : [{ field: `audience.clubIds[${i}]`, code: "INVALID_REFERENCE" as const }],
  );
  if (bad.length > 0) throw invalid(...bad);
}

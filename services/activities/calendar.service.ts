import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Answer } from "../../lib/declare.ts";
import type { Occurrence } from "../../lib/recurrence.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import { feedOf } from "../../lib/icalendar.ts";
import { implement, userOf } from "../../lib/implement.ts";
import type { Mixin } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { documents } from "../../mixins/documents.ts";
import { gatewayUrl, runtimeOf } from "../../mixins/runtime.ts";
import { calendar } from "./calendar.contract.ts";
import { directory } from "./directory.ts";
import type { Listed } from "./directory.ts";
import { entryOf, ownEntries } from "./feeds.ts";
import { keeping } from "./keeping.ts";
import { timeOf } from "./terms.ts";

const CURSOR = "calendar";
const DAY = 24 * 3_600_000;
const LONGEST = 366 * DAY;
/** A feed goes back and has at most so much. */
const FEED_PAST = 366 * DAY;
const MOST_IN_FEED = 2_000;

interface Methods {
  holderOf(token: string): Promise<string | null>;
}

const own: Mixin<Methods> = {};

export default implement(calendar, {
  mixins: [directory(), keeping(), documents("activities", { tells: true }), own],
  methods: {
    /** Whose token it is; null for none of ours. */
    async holderOf(token: string): Promise<string | null> {
      const [user = "", secret = ""] = token.split(".");
      const known = await this.store.calendarTokens.findOne({ _id: user });
      if (!known) return null;
      return timingSafeEqual(Buffer.from(known.hash), Buffer.from(hashOf(secret))) ? user : null;
    },
  },
  actions: {
    async page(ctx) {
      const { clubId, limit = 20, cursor } = ctx.params;
      const [from, to] = [timeOf(ctx.params.from, "from"), timeOf(ctx.params.to, "to")];
      if (to <= from) throw invalid({ field: "to", code: "NOT_AFTER_FROM" });
      if (to - from > LONGEST) throw invalid({ field: "to", code: "WINDOW_TOO_LONG" });
      const after = readCursor(cursor, CURSOR, ["number", "string", "number"]) as
        [number, string, number] | null;
      const place = after && { startsAt: after[0], id: after[1], occurrence: after[2] };
      const found = await this.page({ from, to, ...(clubId && { clubId }), after: place, limit: limit + 1 });
      const { items, nextCursor } = pageOf(found, limit, ({ activity, occurrence }) =>
        writeCursor(CURSOR, [occurrence.startsAt, activity.id, occurrence.occurrence]),
      );
      const now = Date.now();
      return { items: items.map((each) => present(each, now)), nextCursor };
    },
    async club(ctx) {
      const { id: clubId } = ctx.params;
      const [club] = await ctx.call("clubs.records", { ids: [clubId] });
      const since = Date.now() - FEED_PAST;
      const ids = await this.find({
        from: since,
        clubId,
        before: null,
        limit: MOST_IN_FEED,
      });
      const found = await this.store.activities.find({ _id: { $in: ids } });
      return feed(
        club?.name ?? "",
        found.map((activity) => entryOf(activity)),
      );
    },
    async mine(ctx) {
      const user = await this.holderOf(ctx.params.token);
      const [person] = user ? await ctx.call("users.names", { ids: [user] }) : [];
      if (!user || !person || person.status !== "active") throw new AppError("INVALID_TOKEN");
      const since = Date.now() - FEED_PAST;
      const rows = await this.store.participations.find(
        { user, occurrence: { $gte: since } },
        { sort: { occurrence: -1 }, limit: MOST_IN_FEED },
      );
      const mine = Map.groupBy(rows, ({ activityId }) => activityId);
      const found = await this.store.activities.find({ _id: { $in: [...mine.keys()] } });
      const entries = found.flatMap((activity) => ownEntries(activity, mine.get(activity._id) ?? []));
      return feed(person.displayName, entries);
    },
    async renewToken(ctx) {
      const user = userOf(ctx);
      const secret = randomBytes(24).toString("base64url");
      await this.store.calendarTokens.updateOne(
        { _id: user },
        { $set: { hash: hashOf(secret), createdAt: Date.now() } },
        { upsert: true },
      );
      const base = gatewayUrl(runtimeOf(this.broker));
      return { url: `${base}/users/me/calendar.ics?token=${user}.${secret}` };
    },
  },
});

function feed(name: string, entries: Parameters<typeof feedOf>[0]["entries"]): string {
  return feedOf({ name, productId: "-//Club Alliance//Calendar//EN", entries, now: Date.now() });
}

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

function present(
  { activity, occurrence, cancelled }: { activity: Listed; occurrence: Occurrence; cancelled: boolean },
  now: number,
): Answer<"calendar.page">["items"][number] {
  const { id: activityId, title, timezone, clubId } = activity;
  const off = cancelled || activity.status === "cancelled";
  return {
    activityId,
    title,
    timezone,
    clubId,
    occurrence: iso(occurrence.occurrence),
    startsAt: iso(occurrence.startsAt),
    endsAt: iso(occurrence.endsAt),
    location: occurrence.location ?? activity.location,
    status: off ? "cancelled" : occurrence.endsAt <= now ? "finished" : "published",
  };
}

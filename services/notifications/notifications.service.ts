import type { Language } from "../../lib/declare.ts";
import { implement, userOf } from "../../lib/implement.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import { iso } from "../../lib/types.ts";
import { documents } from "../../mixins/documents.ts";
import { names, nobody } from "../../mixins/people.ts";
import { sweeper } from "../../mixins/sweeper.ts";
import { batches, Inbox } from "./inbox.ts";
import type { NotificationDocument, Place } from "./inbox.ts";
import { notifications } from "./notifications.contract.ts";
import { noticesOf } from "./recipients.ts";
import type { Told } from "./recipients.ts";
import { textOf, UNNAMED } from "./texts.ts";

const HOUR = 3_600_000;
const EXPORT_PAGE = 200;
const CURSOR = "notifications";

const own: Mixin<{ inbox: Inbox }> = {};

export default implement(notifications, {
  mixins: [documents("notifications"), sweeper(), own],
  actions: {
    async list(ctx) {
      const user = userOf(ctx);
      const { unread = false, limit = 20, cursor } = ctx.params;
      const docs = await this.inbox.page(user, { unread, after: placeOf(cursor), limit: limit + 1 });
      const { items, nextCursor } = pageOf(docs, limit, cursorOf);
      const unreadCount = await this.inbox.unread(user);
      return { items: await present(ctx, user, items), nextCursor, unreadCount };
    },
    async read(ctx) {
      const user = userOf(ctx);
      await this.inbox.read(user, "ids" in ctx.params ? ctx.params.ids : null, Date.now());
      return { unreadCount: await this.inbox.unread(user) };
    },
    async onMessage(ctx) {
      // The relay brings what domains have told, and those are typed by the same declarations.
      const message = ctx.params as unknown as Told;
      const notices = await noticesOf(message, {
        officersOf: (clubId) => ctx.call("members.officersOf", { clubId }),
        reviewers: () => ctx.call("users.withRole", { role: "reviewer" }),
        moderators: () => ctx.call("users.withRole", { role: "moderator" }),
      });
      const told = await this.inbox.tell(message, notices);
      // Asked afterwards: whoever is erased in between is either known to be so now, or their notices go with users.erased.
      for (const some of batches(told)) {
        const people = await names(ctx, some);
        const gone = some.filter((id) => (people.get(id)?.status ?? "erased") === "erased");
        if (gone.length > 0) await this.inbox.forget(gone);
      }
    },
    async onUserErased(ctx) {
      const user = ctx.params.aggregate.id;
      await this.inbox.forget([user]);
      await this.idempotencyKeys.forget(user);
    },
    async exportUser(ctx) {
      const { user, cursor } = ctx.params;
      const page = { unread: false, after: placeOf(cursor), limit: EXPORT_PAGE + 1 };
      const { items, nextCursor } = pageOf(await this.inbox.page(user, page), EXPORT_PAGE, cursorOf);
      return { records: items.map(recordOf), nextCursor };
    },
  },
  async started() {
    this.inbox = await Inbox.open(this.documents);
    this.every(HOUR, async () => {
      await this.inbox.sweep(Date.now());
      await this.idempotencyKeys.sweep(Date.now());
    });
  },
});

function cursorOf({ createdAt, _id }: NotificationDocument): string {
  return writeCursor(CURSOR, [createdAt, _id]);
}

function placeOf(cursor: string | null | undefined): Place | null {
  const values = readCursor(cursor, CURSOR, ["number", "string"]);
  return values && { createdAt: values[0] as number, id: values[1] as string };
}

function recordOf({ _id: id, kind, event, subject, values, createdAt, readAt }: NotificationDocument) {
  return { id, kind, event, subject, values, createdAt: iso(createdAt), readAt: isoOrNull(readAt) };
}

/** As the reader sees them: names are asked in one batch each. An inbox can be read while those domains are away. */
async function present(ctx: Ctx, reader: string, docs: NotificationDocument[]) {
  if (docs.length === 0) return [];
  const [clubs, people, activities] = await Promise.all([
    clubNames(ctx, docs),
    peopleOf(ctx, reader, docs),
    activitiesOf(ctx, docs),
  ]);
  const language = ctx.headers.lang ?? people?.get(reader)?.locale ?? "en";
  const unnamed = UNNAMED[language];
  return docs.map(({ _id: id, kind, event, subject, values, createdAt, readAt }) => ({
    id,
    kind,
    ...textOf(
      event,
      values,
      {
        club: clubs?.get(values.clubId ?? "") ?? unnamed.club,
        person: personName(people, values.personId, language),
        activity: activities?.get(values.activityId ?? "")?.title ?? unnamed.activity,
        timezone: activities?.get(values.activityId ?? "")?.timezone ?? unnamed.timezone,
      },
      language,
    ),
    subject,
    createdAt: iso(createdAt),
    readAt: isoOrNull(readAt),
  }));
}

type People = Awaited<ReturnType<typeof names>>;

function personName(people: People | null, id: string | undefined, language: Language): string {
  if (!people || !id) return UNNAMED[language].person;
  const person = people.get(id);
  return !person || person.status === "erased" ? nobody(language).displayName : person.displayName;
}

async function clubNames(ctx: Ctx, docs: NotificationDocument[]): Promise<Map<string, string> | null> {
  const ids = [...new Set(docs.flatMap(({ values }) => values.clubId ?? []))];
  if (ids.length === 0) return null;
  const clubs = await ctx.call("clubs.records", { ids }).catch(() => []);
  return new Map(clubs.map(({ id, name }) => [id, name]));
}

async function activitiesOf(
  ctx: Ctx,
  docs: NotificationDocument[],
): Promise<Map<string, { title: string; timezone: string }> | null> {
  const ids = [...new Set(docs.flatMap(({ values }) => values.activityId ?? []))];
  if (ids.length === 0) return null;
  const activities = await ctx.call("activities.records", { ids }).catch(() => []);
  return new Map(activities.map((activity) => [activity.id, activity]));
}

function peopleOf(ctx: Ctx, reader: string, docs: NotificationDocument[]): Promise<People | null> {
  const ids = docs.map(({ values }) => values.personId);
  return names(ctx, ctx.headers.lang ? ids : [...ids, reader]).catch(() => null);
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}

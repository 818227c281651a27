/** Notices as their reader sees them: in the reader's language, with the names that ids have by now. */
import type { Language } from "../../lib/declare.ts";
import type { Ctx } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { names, nobody } from "../../mixins/people.ts";
import type { Bulletin, Bulletins } from "./bulletins.ts";
import type { NotificationDocument } from "./inbox.ts";
import { textOf, UNNAMED } from "./texts.ts";
import type { Names } from "./texts.ts";

export interface Reader {
  id: string;
  /** Without one it is the person's own. */
  language?: Language | undefined;
  /** Whether it is refused while names cannot be asked for; else there are words in their place. */
  strict?: true;
}

/** Names are asked in one batch each. */
export async function present(
  ctx: Ctx,
  reader: Reader,
  docs: NotificationDocument[],
  bulletins: Pick<Bulletins, "byIds">,
) {
  if (docs.length === 0) return [];
  const [announced, clubs, people, activities] = await Promise.all([
    bulletins.byIds([...new Set(docs.flatMap(({ values }) => values.announcementId ?? []))]),
    unlessAway(reader, clubNames(ctx, docs)),
    unlessAway(reader, peopleOf(ctx, reader, docs)),
    unlessAway(reader, activitiesOf(ctx, docs)),
  ]);
  const language = reader.language ?? people?.get(reader.id)?.locale ?? "en";
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
        announcement: announcementOf(announced.get(values.announcementId ?? "")),
      },
      language,
    ),
    subject,
    createdAt: iso(createdAt),
    readAt: isoOrNull(readAt),
  }));
}

function announcementOf(bulletin: Bulletin | undefined): Names["announcement"] {
  return bulletin ? { ...bulletin, withdrawn: bulletin.withdrawnAt !== null } : null;
}

/** A time as the contract writes it, where there is one. */
export function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}

function unlessAway<T>({ strict }: Reader, asked: Promise<T>): Promise<T | null> {
  return strict ? asked : asked.catch(() => null);
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
  const clubs = await ctx.call("clubs.records", { ids });
  return new Map(clubs.map(({ id, name }) => [id, name]));
}

async function activitiesOf(
  ctx: Ctx,
  docs: NotificationDocument[],
): Promise<Map<string, { title: string; timezone: string }> | null> {
  const ids = [...new Set(docs.flatMap(({ values }) => values.activityId ?? []))];
  if (ids.length === 0) return null;
  const activities = await ctx.call("activities.records", { ids });
  return new Map(activities.map((activity) => [activity.id, activity]));
}

function peopleOf(ctx: Ctx, reader: Reader, docs: NotificationDocument[]): Promise<People> {
  const ids = docs.map(({ values }) => values.personId);
  return names(ctx, reader.language ? ids : [...ids, reader.id]);
}

/** Lists of people and of their activities, from the participations. */
import { toCsv } from "../../lib/csv.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Answer } from "../../lib/declare.ts";
import type { Query } from "../../lib/documents.ts";
import type { Ctx } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { names } from "../../mixins/people.ts";
import { presentMine, statusOf } from "./present.ts";
import type { ParticipationDocument, Status, Store } from "./records.ts";
import { scheduled, termsOf } from "./terms.ts";

const CSV_PAGE = 1_000;
export const EXPORT_PAGE = 500;
const COLUMNS = [
  "username",
  "displayName",
  "college",
  "major",
  "grade",
  "occurrence",
  "status",
  "position",
  "since",
  "checkedInAt",
];

export interface Where {
  activityId: string;
  status: Status | undefined;
  occurrence: number | undefined;
}
type Place = [occurrence: number, seq: number, id: string];

/** In order of admission, occurrence by occurrence. */
export function pageOfPeople(
  store: Store,
  { activityId, status, occurrence }: Where,
  after: Place | null,
  limit: number,
): Promise<ParticipationDocument[]> {
  const query: Query<ParticipationDocument> = {
    activityId,
    ...(status && { status }),
    ...(occurrence !== undefined && { occurrence }),
    ...(after && {
      $or: [
        { occurrence: { $gt: after[0] } },
        { occurrence: after[0], seq: { $gt: after[1] } },
        { occurrence: after[0], seq: after[1], _id: { $gt: after[2] } },
      ],
    }),
  };
  return store.participations.find(query, { sort: { occurrence: 1, seq: 1, _id: 1 }, limit });
}

/** Places in the waitlist of those who wait, by participation; the rows are in order of admission. */
export async function positionsOf(
  store: Store,
  rows: readonly ParticipationDocument[],
): Promise<Map<string, number>> {
  const positions = new Map<string, number>();
  const waiting = rows.filter(({ status }) => status === "waitlisted");
  for (const [roster, own] of Map.groupBy(waiting, (row) => row.roster)) {
    const { seq } = own[0] as ParticipationDocument;
    const before = await store.participations.count({ roster, status: "waitlisted", seq: { $lt: seq } });
    own.forEach((row, i) => positions.set(row._id, before + i + 1));
  }
  return positions;
}

/** The whole list; names are asked page by page. */
export async function attendanceCsv(ctx: Ctx, store: Store, where: Where): Promise<string> {
  const lines: (string | number | null)[][] = [];
  let after: Place | null = null;
  for (;;) {
    const rows: ParticipationDocument[] = await pageOfPeople(store, where, after, CSV_PAGE);
    const [known, positions] = await Promise.all([
      names(
        ctx,
        rows.map(({ user }) => user),
      ),
      positionsOf(store, rows),
    ]);
    lines.push(...rows.map((row) => lineOf(row, known.get(row.user ?? ""), positions.get(row._id) ?? null)));
    const last = rows.at(-1);
    if (rows.length < CSV_PAGE || !last) return toCsv(COLUMNS, lines);
    after = [last.occurrence, last.seq, last._id];
  }
}

function lineOf(
  { occurrence, status, at, checkedInAt }: ParticipationDocument,
  person: Answer<"users.names">[number] | undefined,
  position: number | null,
): (string | number | null)[] {
  const shown = person?.status === "erased" ? undefined : person;
  return [
    shown?.username ?? null,
    shown?.displayName ?? null,
    shown?.college ?? null,
    shown?.major ?? null,
    shown?.grade ?? null,
    iso(occurrence),
    status,
    position,
    iso(at),
    checkedInAt === null ? null : iso(checkedInAt),
  ];
}

/** One's own, with their activities as they are by now. */
export async function presentOwn(
  ctx: Ctx,
  store: Store,
  rows: readonly ParticipationDocument[],
): Promise<Answer<"participations.mineAll">["items"]> {
  const ids = [...new Set(rows.map(({ activityId }) => activityId))];
  if (ids.length === 0) return [];
  const known = new Map((await store.activities.find({ _id: { $in: ids } })).map((each) => [each._id, each]));
  return Promise.all(
    rows.flatMap((row) => {
      const activity = known.get(row.activityId);
      if (!activity) return [];
      const { _id: id, clubId, title, location, timezone } = activity;
      const terms = termsOf(activity, row.occurrence);
      const length = scheduled(activity).endsAt - scheduled(activity).startsAt;
      const cancelled = terms === null || terms.cancelled;
      const shown = {
        activity: {
          id,
          clubId,
          title,
          timezone,
          location: terms?.location ?? location,
          status: cancelled ? ("cancelled" as const) : statusOf(activity, Date.now()),
        },
        startsAt: iso(terms?.startsAt ?? row.occurrence),
        endsAt: iso(terms?.endsAt ?? row.occurrence + length),
      };
      return [presentMine(ctx, row).then((participation) => ({ ...shown, participation }))];
    }),
  );
}

/** What is kept about a person, page by page. */
export async function exportPage(
  store: Store,
  user: string,
  cursor: string | null,
): Promise<Answer<"participations.exportUser">> {
  const [after = ""] = (readCursor(cursor, "participations:export", ["string"]) ?? []) as string[];
  const rows = await store.participations.find(
    { user, _id: { $gt: after } },
    { sort: { _id: 1 }, limit: EXPORT_PAGE },
  );
  const last = rows.at(-1);
  return {
    records: rows.map(({ activityId, occurrence, status, at, checkedInAt }) => ({
      activityId,
      occurrence: iso(occurrence),
      status,
      since: iso(at),
      checkedInAt: checkedInAt === null ? null : iso(checkedInAt),
    })),
    nextCursor: rows.length === EXPORT_PAGE && last ? writeCursor("participations:export", [last._id]) : null,
  };
}

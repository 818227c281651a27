/** Applications as the API shows them. */
import type { Static } from "typebox";
import type { Ctx } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import { people } from "../../mixins/people.ts";
import type { ClubRecord } from "../clubs/clubs.contract.ts";
import type { Answers } from "./answers.ts";
import type { Application as ApplicationSchema } from "./applications.contract.ts";
import { stateOf } from "./application-rows.ts";
import type { Whole } from "./application-rows.ts";
import { stageOf } from "./state.ts";

export type Application = Static<typeof ApplicationSchema>;

export interface Presenter {
  /** The clubs that were looked up, by id. */
  clubs: ReadonlyMap<string, ClubRecord>;
  /** Whether everyone in it was looked up. */
  knows: (whole: Whole) => boolean;
  present: (whole: Whole) => Application;
}

/**
 * Looks up, in one call each, the clubs and people of some applications and of what is to be done to them.
 * @param also more people and clubs that the answer will name
 */
export async function presenterOf(
  ctx: Ctx,
  wholes: Whole[],
  also: { people?: string[]; clubs?: string[] } = {},
): Promise<Presenter> {
  const named = new Set([...wholes.flatMap(peopleIn), ...(also.people ?? [])]);
  const [clubs, person] = await Promise.all([
    clubsById(ctx, [...wholes.map(({ row }) => row.club_id), ...(also.clubs ?? [])]),
    people(ctx, named),
  ]);
  return {
    clubs,
    knows: (whole) => peopleIn(whole).every((id) => named.has(id)),
    present: ({ row, events }) => {
      const club = clubs.get(row.club_id);
      return {
        id: row.id,
        clubId: row.club_id,
        club: { id: row.club_id, name: club?.name ?? "", logoFileId: club?.logoFileId ?? null },
        applicant: person(row.applicant_id),
        message: row.message,
        answers: JSON.parse(row.answers) as Answers,
        status: row.status,
        stage: stageOf(stateOf(row)),
        version: row.version,
        createdAt: iso(row.created_at),
        updatedAt: iso(row.updated_at),
        timeline: events.map((event) => ({
          at: iso(event.at),
          from: event.from_status,
          to: event.to_status,
          by: event.by_id === null ? null : person(event.by_id),
          comment: event.comment,
        })),
      };
    },
  };
}

function peopleIn({ row, events }: Whole): string[] {
  return [row.applicant_id, ...events.flatMap(({ by_id: by }) => by ?? [])];
}

/** Clubs as services know them, in one uncached call. */
export async function clubsById(ctx: Ctx, ids: string[]): Promise<Map<string, ClubRecord>> {
  if (ids.length === 0) return new Map();
  const found = await ctx.call("clubs.records", { ids: [...new Set(ids)] });
  return new Map(found.map((club) => [club.id, club]));
}

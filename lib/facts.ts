/**
 * What statistics count, in one shape, whether a message tells it or a domain reads it from its own rows: so that numbers
 * that were counted live and those of a rebuild are made of the same (docs/statistics.md).
 */
import { Type as T } from "typebox";
import type { Static } from "typebox";
import { isId } from "./ids.ts";
import { Nullable } from "./types.ts";

/** What is counted by the time at which it happened. */
export const COUNTED = [
  "new_users",
  "new_clubs",
  "applications",
  "approvals",
  "activities",
  "sign_ups",
  "check_ins",
  "posts",
  "comments",
] as const;
export type Counted = (typeof COUNTED)[number];

/** What is known of one subject. */
export const Fact = T.Object({
  /** `<kind>:<id>`: what was counted of a subject once is not counted again. */
  id: T.String(),
  /** Of two facts about a subject the one with the higher version says whether it is there. */
  version: T.Integer(),
  /** Counts in the totals. */
  there: T.Boolean(),
  club: Nullable(T.String()),
  /** Whose doing it is; null also where nobody knows any more. */
  user: Nullable(T.String()),
  /** What happened when (milliseconds). */
  happened: T.Partial(
    T.Object({
      new_users: T.Integer(),
      new_clubs: T.Integer(),
      applications: T.Integer(),
      approvals: T.Integer(),
      activities: T.Integer(),
      sign_ups: T.Integer(),
      check_ins: T.Integer(),
      posts: T.Integer(),
      comments: T.Integer(),
    }),
  ),
  /** Milliseconds from the submission to the approval. */
  took: T.Optional(T.Integer()),
  /** The occurrence of a participation. */
  roster: T.Optional(T.String()),
  /** A club as of this revision, whose members of then are known. */
  revision: T.Optional(T.Integer()),
  /** The person is erased: from now on nobody knows what they did. `undone`: the account never came to be. */
  gone: T.Optional(T.Union([T.Literal("erased"), T.Literal("undone")])),
});
export type Fact = Static<typeof Fact>;

/** One occurrence of an activity. */
export const RosterFact = T.Object({
  id: T.String(),
  version: T.Integer(),
  startsAt: T.Integer(),
  endsAt: T.Integer(),
  cancelled: T.Boolean(),
});
export type RosterFact = Static<typeof RosterFact>;

/** A page of a domain's history after `after`, in an order in which nothing is left out; `next` null at the end. */
export const historyPage = {
  params: T.Object({ after: Nullable(T.String()), limit: T.Integer({ minimum: 1, maximum: 2000 }) }),
  returns: T.Object({
    facts: T.Array(Fact),
    rosters: T.Array(RosterFact),
    next: Nullable(T.String()),
  }),
  access: "service",
  safe: true,
  timeout: 10_000,
} as const;
export type HistoryPage = Static<(typeof historyPage)["returns"]>;

/** When a thing was made, by its id (UUIDv7). @param otherwise for ids of another form */
export function madeAt(id: string, otherwise = 0): number {
  return isId(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : otherwise;
}

/** The version of an account that did not come to be. */
export const UNDONE = 3;

export function personFact(id: string, gone?: "erased" | "undone"): Fact {
  const version = gone === undefined ? 1 : gone === "erased" ? 2 : UNDONE;
  return {
    id: `user:${id}`,
    version,
    there: gone === undefined,
    club: null,
    user: id,
    happened: { new_users: madeAt(id) },
    ...(gone && { gone }),
  };
}

/** @param revision where its members of then are told besides */
export function clubFact(id: string, version: number, active: boolean, revision?: number): Fact {
  return {
    id: `club:${id}`,
    version,
    there: active,
    club: id,
    user: null,
    happened: { new_clubs: madeAt(id) },
    ...(revision !== undefined && { revision }),
  };
}

/** @param revision of the club, as of which the person is or is not a member */
export function memberFact(club: string, user: string, revision: number, there: boolean): Fact {
  return { id: `member:${club}:${user}`, version: revision, there, club, user: null, happened: {} };
}

/** @param approval when it was approved, and how long that took */
export function applicationFact(
  id: string,
  club: string,
  user: string,
  approval: { at: number; took: number } | null,
): Fact {
  return {
    id: `application:${id}`,
    version: 1,
    there: true,
    club,
    user,
    happened: { applications: madeAt(id), ...(approval && { approvals: approval.at }) },
    ...(approval && { took: approval.took }),
  };
}

/** @param publishedAt null where the teller does not say it */
export function activityFact(
  id: string,
  club: string,
  version: number,
  publishedAt: number | null,
  there: boolean,
): Fact {
  const happened = publishedAt === null ? {} : { activities: publishedAt };
  return { id: `activity:${id}`, version, there, club, user: null, happened };
}

export interface ParticipationState {
  /** Its own part of the participation's id: a hash, which leads back to nobody. */
  key: string;
  user: string | null;
  status: string;
  op: number;
  admittedAt: number;
  checkedInAt: number | null;
}

export function participationFact(
  roster: string,
  club: string,
  { key, user, status, op, admittedAt, checkedInAt }: ParticipationState,
): Fact {
  return {
    id: `place:${key}`,
    version: op,
    there: status === "confirmed",
    club,
    user,
    happened: { sign_ups: admittedAt, ...(checkedInAt !== null && { check_ins: checkedInAt }) },
    roster,
  };
}

export function contentFact(
  kind: "post" | "comment",
  id: string,
  club: string | null,
  user: string,
  version: number,
  published: boolean,
): Fact {
  const metric = kind === "post" ? "posts" : "comments";
  return { id: `${kind}:${id}`, version, there: published, club, user, happened: { [metric]: madeAt(id) } };
}

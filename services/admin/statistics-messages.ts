/** What messages say, as facts. */
import type { Static } from "typebox";
import type { Envelope } from "../../lib/declare.ts";
import {
  activityFact,
  applicationFact,
  clubFact,
  contentFact,
  memberFact,
  participationFact,
  personFact,
} from "../../lib/facts.ts";
import type { Fact, RosterFact } from "../../lib/facts.ts";
import type { activityMessages } from "../activities/activities.contract.ts";
import type { applicationMessages } from "../applications/applications.contract.ts";
import type { clubMessages } from "../clubs/messages.contract.ts";
import type { commentMessages } from "../posts/comments.contract.ts";
import type { postMessages } from "../posts/posts.contract.ts";
import type { COUNTED_MESSAGES } from "./statistics.contract.ts";

type Told = typeof activityMessages &
  typeof applicationMessages &
  typeof clubMessages &
  typeof commentMessages &
  typeof postMessages;
type DataOf<K extends keyof Told> = Static<Told[K]>;

export interface Facts {
  facts: Fact[];
  rosters: RosterFact[];
}

type Reader = (envelope: Envelope) => Fact[];

const reader =
  <K extends keyof Told>(read: (data: DataOf<K>, envelope: Envelope) => Fact[]): Reader =>
  // What a domain tells is typed by its contract.
  (envelope) =>
    read(envelope.data as DataOf<K>, envelope);

const READERS: Record<(typeof COUNTED_MESSAGES)[number], Reader> = {
  "users.registered": ({ aggregate }) => [personFact(aggregate.id)],
  // Nobody asks for the end of an account that did not come to be.
  "users.erased": ({ aggregate, actor }) => [personFact(aggregate.id, actor === null ? "undone" : "erased")],
  "clubs.created": reader<"clubs.created">(({ createdBy }, { aggregate: { id } }) => [
    // What it is by now others say.
    clubFact(id, 0, false),
    // Whoever founds a club is in it before anything else happens to it.
    memberFact(id, createdBy, 0, true),
  ]),
  "clubs.updated": reader<"clubs.updated">(({ status }, { aggregate: { id, version } }) => [
    clubFact(id, version, status === "active"),
  ]),
  "clubs.statusChanged": reader<"clubs.statusChanged">(({ to }, { aggregate: { id, version } }) => [
    clubFact(id, version, to === "active"),
  ]),
  "clubs.deleted": ({ aggregate: { id, version } }) => [clubFact(id, version, false)],
  "clubs.memberJoined": reader<"clubs.memberJoined">(({ clubId, userId, revision }) => [
    memberFact(clubId, userId, revision, true),
  ]),
  "clubs.memberLeft": reader<"clubs.memberLeft">(({ clubId, userId, revision }) => [
    memberFact(clubId, userId, revision, false),
  ]),
  "applications.submitted": reader<"applications.submitted">(({ clubId, applicantId }, { aggregate }) => [
    applicationFact(aggregate.id, clubId, applicantId, null),
  ]),
  "applications.decided": reader<"applications.decided">(
    ({ clubId, applicantId, status, at, submittedAt }, { aggregate }) => {
      const approval = status === "approved" ? { at, took: at - submittedAt } : null;
      return [applicationFact(aggregate.id, clubId, applicantId, approval)];
    },
  ),
  "activities.published": reader<"activities.published">(
    ({ clubId, publishedAt }, { aggregate: { id, version } }) => [
      activityFact(id, clubId, version, publishedAt, true),
    ],
  ),
  "activities.cancelled": reader<"activities.cancelled">(
    ({ clubId, occurrence }, { aggregate: { id, version } }) =>
      occurrence === null ? [activityFact(id, clubId, version, null, false)] : [],
  ),
  "participations.recorded": reader<"participations.recorded">(({ clubId, people }, { aggregate }) =>
    people.map((person) => participationFact(aggregate.id, clubId, person)),
  ),
  "posts.published": post(true),
  "posts.held": post(false),
  "posts.removed": post(false),
  "comments.published": comment(true),
  "comments.held": comment(false),
  "comments.removed": comment(false),
};

function post(published: boolean): Reader {
  return reader<"posts.held">(({ clubId, authorId }, { aggregate: { id, version } }) => [
    contentFact("post", id, clubId, authorId, version, published),
  ]);
}

function comment(published: boolean): Reader {
  return reader<"comments.held">(({ authorId }, { aggregate: { id, version } }) => [
    contentFact("comment", id, null, authorId, version, published),
  ]);
}

/** What a message says. */
export function factsOf(envelope: Envelope): Facts {
  const facts = (READERS as Record<string, Reader>)[envelope.type]?.(envelope) ?? [];
  if (envelope.type !== "participations.recorded") return { facts, rosters: [] };
  const { startsAt, endsAt, cancelled } = envelope.data as DataOf<"participations.recorded">;
  const { id, version } = envelope.aggregate;
  return { facts, rosters: [{ id, version, startsAt, endsAt, cancelled }] };
}

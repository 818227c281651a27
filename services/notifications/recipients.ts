/** Who is told what of a message. Nobody is told of their own deed. */
import type { Static } from "typebox";
import type { Envelope } from "../../lib/declare.ts";
import type { messages } from "../contracts.ts";
import type { KINDS, notifications } from "./notifications.contract.ts";
import type { EventName } from "./texts.ts";
import type { Values } from "./values.ts";

type Type = (typeof notifications.actions.onMessage.consumes)[number];
/** A message that notifications take, with `data` by its type. */
export type Told = {
  [T in Type]: Omit<Envelope<Static<(typeof messages)[T]>>, "type"> & { type: T };
}[Type];

export interface Subject {
  type: "application" | "review" | "club" | "activity" | "post" | "comment" | "announcement";
  id: string;
}

export interface Notice {
  to: string[];
  kind: (typeof KINDS)[number];
  event: EventName;
  subject: Subject;
  values: Values;
  /** While somebody has an unread notice of this key they get no second one. */
  collapse?: string;
  /** Of those that may be taken away together. */
  batch?: string;
}

export interface Sources {
  /** A club's officers and its president. */
  officersOf(clubId: string): Promise<{ userId: string; role: string }[]>;
  reviewers(): Promise<string[]>;
  moderators(): Promise<string[]>;
}

/** The notices of a message. Who is in several of them gets the first. */
export async function noticesOf(message: Told, sources: Sources): Promise<Notice[]> {
  switch (message.type) {
    case "applications.advanced":
    case "applications.decided":
    case "applications.withdrawn":
    case "applications.expired":
      return ofApplication(message, await officers(sources, message.data.clubId), message.actor);
    case "clubs.memberRefused": {
      const { clubId, userId, applicationId, reason } = message.data;
      const notice = about("application", applicationId, { clubId, personId: userId, reason });
      const told = (await officers(sources, clubId)).all;
      return [
        ...(reason === "club" ? [notice("application.void", [userId])] : []),
        notice("application.refused", others(told, message.actor)),
      ];
    }
    case "reviews.opened": {
      const { clubId, filedBy } = message.data;
      const notice = about("review", message.aggregate.id, { clubId });
      return [notice("review.opened", others(await sources.reviewers(), filedBy))];
    }
    case "reviews.decided": {
      const { clubId, filedBy, decision, comment } = message.data;
      const notice = about("club", clubId, { clubId, comment: comment || null }, "review");
      return [notice(decision === "approved" ? "review.approved" : "review.rejected", [filedBy])];
    }
    case "clubs.statusChanged":
    case "clubs.deleted":
      return ofClub(message, sources);
    case "clubs.memberLeft":
    case "clubs.memberRoleChanged":
    case "clubs.transferOffered":
      return ofMember(message);
    case "participations.promoted":
    case "participations.calledOff":
    case "participations.moved":
    case "participations.reminded":
      return [ofParticipations(message)];
    case "moderation.held":
    case "moderation.decided":
    case "moderation.removed":
      return ofModeration(message, sources);
    default:
      return message satisfies never;
  }
}

type Of<T extends Type> = Extract<Told, { type: T }>;

interface Officers {
  all: string[];
  presidents: string[];
}

async function officers(sources: Sources, clubId: string): Promise<Officers> {
  const all = await sources.officersOf(clubId);
  return {
    all: all.map(({ userId }) => userId),
    presidents: all.filter(({ role }) => role === "president").map(({ userId }) => userId),
  };
}

function ofApplication(
  message: Of<
    "applications.advanced" | "applications.decided" | "applications.withdrawn" | "applications.expired"
  >,
  { all, presidents }: Officers,
  actor: string | null,
): Notice[] {
  const { clubId, applicantId } = message.data;
  const values = { clubId, personId: applicantId };
  const notice = about("application", message.aggregate.id, values);
  switch (message.type) {
    case "applications.advanced": {
      const { first, stage } = message.data;
      const deciders = others(stage === "president" ? presidents : all, actor);
      return [
        notice(first ? "application.underReview" : "application.advanced", [applicantId]),
        notice(first ? "application.received" : "application.forwarded", deciders),
      ];
    }
    case "applications.decided": {
      const { status, by } = message.data;
      const outcome = about("application", message.aggregate.id, { ...values, status });
      return [
        notice(status === "approved" ? "application.approved" : "application.rejected", [applicantId]),
        outcome("application.outcome", others(all, by, actor)),
      ];
    }
    case "applications.withdrawn":
      return [notice("application.withdrawn", others(all, applicantId, actor))];
    case "applications.expired":
      return [notice("application.expired", [applicantId]), notice("application.lapsed", others(all, actor))];
    default:
      return message satisfies never;
  }
}

/** A pending club that becomes active or is rejected is told by its review. */
async function ofClub(
  message: Of<"clubs.statusChanged" | "clubs.deleted">,
  sources: Sources,
): Promise<Notice[]> {
  const clubId = message.aggregate.id;
  if (message.type === "clubs.deleted") {
    const told = others((await officers(sources, clubId)).all, message.actor);
    return [about("club", clubId, { clubId })("club.deleted", told)];
  }
  const { from, to, reason, by } = message.data;
  const suspended = to === "suspended";
  if (!suspended && !(from === "suspended" && to === "active")) return [];
  const notice = about("club", clubId, { clubId, comment: reason || null });
  const told = others((await officers(sources, clubId)).all, by, message.actor);
  return [notice(suspended ? "club.suspended" : "club.reactivated", told)];
}

function ofMember(
  message: Of<"clubs.memberLeft" | "clubs.memberRoleChanged" | "clubs.transferOffered">,
): Notice[] {
  const { clubId, userId } = message.data;
  switch (message.type) {
    case "clubs.memberLeft": {
      // Without somebody who did it they have left by themselves, or are erased.
      const told = message.data.by ? others([userId], message.data.by) : [];
      return [about("club", clubId, { clubId })("membership.removed", told)];
    }
    case "clubs.memberRoleChanged": {
      const { role, by } = message.data;
      const told = others([userId], by, message.actor);
      return [about("club", clubId, { clubId, role })("membership.role", told)];
    }
    case "clubs.transferOffered": {
      const { expiresAt } = message.data;
      const told = others([userId], message.actor);
      return [about("club", clubId, { clubId, expiresAt })("membership.offered", told)];
    }
    default:
      return message satisfies never;
  }
}

/** Whom it concerns only the roster knows, so the message names them: also whoever did it, since it is news to them. */
function ofParticipations(
  message: Of<
    | "participations.promoted"
    | "participations.calledOff"
    | "participations.moved"
    | "participations.reminded"
  >,
): Notice {
  const { activityId, clubId, occurrence, startsAt, users } = message.data;
  const values = { activityId, clubId, occurrence, startsAt };
  switch (message.type) {
    case "participations.promoted":
      return about("activity", activityId, values, "waitlist")("participation.promoted", users);
    case "participations.calledOff": {
      const { reason, dissolved } = message.data;
      const why = { comment: reason || null, ...(dissolved && { reason: "club" as const }) };
      return about("activity", activityId, { ...values, ...why })("participation.calledOff", users);
    }
    case "participations.moved": {
      const { endsAt, location } = message.data;
      return about("activity", activityId, { ...values, endsAt, location })("participation.moved", users);
    }
    case "participations.reminded": {
      const { location, minutes } = message.data;
      return about(
        "activity",
        activityId,
        { ...values, location, minutes },
        "reminder",
      )("participation.reminded", users);
    }
    default:
      return message satisfies never;
  }
}

/** Authors know of a word when they have written it; moderators are told once, however much waits. */
async function ofModeration(
  message: Of<"moderation.held" | "moderation.decided" | "moderation.removed">,
  sources: Sources,
): Promise<Notice[]> {
  const { subject, authorId } = message.data;
  const author = others([authorId], message.actor);
  const notice = about(subject.type, subject.id, { content: subject.type });
  switch (message.type) {
    case "moderation.held": {
      const moderators = others(await sources.moderators(), authorId);
      return [
        ...(message.data.why === "reports" ? [notice("moderation.held", [authorId])] : []),
        { ...notice("moderation.waiting", moderators), collapse: "moderation.waiting" },
      ];
    }
    case "moderation.decided": {
      const { decision, comment } = message.data;
      const decided = about(subject.type, subject.id, { content: subject.type, comment });
      return [decided(decision === "approve" ? "moderation.approved" : "moderation.removed", author)];
    }
    case "moderation.removed":
      return [notice("moderation.removed", author)];
    default:
      return message satisfies never;
  }
}

const KIND_OF = {
  application: "application",
  review: "review",
  club: "membership",
  activity: "activity",
  post: "moderation",
  comment: "moderation",
} as const;

/** Makes notices about one thing. */
function about(type: keyof typeof KIND_OF, id: string, values: Values, kind: Notice["kind"] = KIND_OF[type]) {
  return (event: EventName, to: string[]): Notice => ({ to, kind, event, subject: { type, id }, values });
}

function others(people: string[], ...doers: (string | null)[]): string[] {
  return people.filter((person) => !doers.includes(person));
}

/** Activities as entries of iCalendar feeds. */
import type { FeedEntry } from "../../lib/icalendar.ts";
import type { ActivityDocument, ParticipationDocument } from "./records.ts";
import { scheduled } from "./terms.ts";

const STATUSES = { confirmed: "CONFIRMED", waitlisted: "TENTATIVE", cancelled: "CANCELLED" } as const;

/** An activity in its club's feed. */
export function entryOf(activity: ActivityDocument): FeedEntry {
  const { _id, title, description, location, sequence, publishedAt, createdAt, updatedAt } = activity;
  return {
    uid: `${_id}@club-alliance`,
    schedule: scheduled(activity),
    title,
    description,
    location,
    sequence,
    status: activity.status === "cancelled" ? "CANCELLED" : "CONFIRMED",
    createdAt: publishedAt ?? createdAt,
    updatedAt,
    cancelled: activity.cancelledOccurrences.map(({ occurrence }) => occurrence),
  };
}

/** What somebody is signed up for, in their own feed: each occurrence with how they stand in it. */
export function ownEntries(activity: ActivityDocument, own: readonly ParticipationDocument[]): FeedEntry[] {
  const entry = entryOf(activity);
  return own.map(({ occurrence, status, at, op }) => ({
    ...entry,
    status: entry.status === "CANCELLED" ? entry.status : STATUSES[status],
    // Grows with what changes either; a version of a roster is worth a thousand.
    sequence: entry.sequence + Math.floor(op / 1_000),
    updatedAt: Math.max(entry.updatedAt, at),
    only: [occurrence],
  }));
}

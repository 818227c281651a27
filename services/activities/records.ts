/** What the domain keeps: activities, a roster for each occurrence, a participation for each person in it. */
import type { Told } from "../../lib/queue-documents.ts";
import { hash } from "node:crypto";
import { v5 } from "uuid";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import type { Recurrence, Schedule } from "../../lib/recurrence.ts";

const NAMESPACE = "5a1c1e0b-6d0a-4f0e-9a57-0e6f6a5f3f11";

/** Times are milliseconds since 1970. */
export interface ActivityDocument {
  _id: string;
  clubId: string;
  title: string;
  description: string;
  startsAt: number;
  endsAt: number;
  timezone: string;
  location: string;
  capacity: number | null;
  waitlist: boolean;
  signUpOpensAt: number | null;
  signUpClosesAt: number | null;
  audience: "everyone" | "members";
  recurrence: Recurrence | null;
  /** Names the only occurrence of what is no series; follows the start until it is published. */
  originalStart: number;
  cancelledOccurrences: { occurrence: number; reason: string }[];
  /** Minutes before the start. */
  reminders: number[];
  /** Up to when reminders were seen to, and when the next one is due. */
  remindedUntil: number;
  nextReminderAt: number | null;
  fileIds: string[];
  attributes: Record<string, string | number | boolean>;
  status: "draft" | "published" | "cancelled";
  cancelReason: string | null;
  version: number;
  /** SEQUENCE of RFC 5545: grows with what changes the schedule. */
  sequence: number;
  createdAt: number;
  updatedAt: number;
  publishedAt: number | null;
  /** Signs the check-in codes; never leaves the domain. */
  checkInKey: string;
  /** Its rosters may not know yet what it says by now. */
  unsettled: boolean;
  /** Messages that are not in the outbox yet, and whether there are any. */
  outbox: Told[];
  pending: boolean;
}

/** What an activity says of one occurrence, as of a version of the activity. */
export interface Terms {
  revision: number;
  startsAt: number;
  endsAt: number;
  location: string;
  capacity: number | null;
  waitlist: boolean;
  opensAt: number;
  closesAt: number;
  membersOnly: boolean;
  cancelled: boolean;
  /** Why it was cancelled, as somebody wrote it; dissolved: with its club. */
  reason: string | null;
  dissolved: boolean;
}

export type Status = "confirmed" | "waitlisted" | "cancelled";

/** What one decision did to one person. */
export interface Entry {
  kind: "confirmed" | "waitlisted" | "promoted" | "cancelled" | "checkedIn" | "erased";
  /** Version of the roster × 1,000 + place in its batch: grows with every decision of a roster. */
  op: number;
  /** The participation's id, and whose it is; null once the person is erased. */
  key: string;
  user: string | null;
  status: Status;
  seq: number;
  at: number;
  /** When the person first came in. */
  admittedAt: number;
  checkedInAt: number | null;
  /** The request that asked for it; null where nobody did. */
  by: string | null;
  /** The person was not in the roster before this batch. */
  first: boolean;
}

/** The truth of one occurrence; each version is one decision of a batch (docs/sign-up.md). */
export interface RosterDocument {
  _id: string;
  activityId: string;
  clubId: string;
  occurrence: number;
  version: number;
  terms: Terms;
  confirmed: number;
  waitlisted: number;
  nextSeq: number;
  /** What the last commits decided and is perhaps not in the participations yet. */
  journal: Entry[];
  /** What the people in it are to be told of the terms that the last commit took up. */
  notice: Notice | null;
  /** Whether the last commit decided anything or took up other terms; by this what a dead node has left is found. */
  pending: boolean;
  touchedAt: number;
}

export interface ParticipationDocument {
  /** `<roster>:<hash of roster and user>`: who is erased leaves no name behind. */
  _id: string;
  roster: string;
  activityId: string;
  occurrence: number;
  user: string | null;
  status: Status;
  seq: number;
  op: number;
  /** Since when the status holds. */
  at: number;
  /** When the person first came in; missing in what is older than the field. */
  admittedAt?: number;
  checkedInAt: number | null;
  by: string | null;
}

/** What is told to everyone in a roster. */
export interface Notice {
  type: "participations.calledOff" | "participations.moved" | "participations.reminded";
  data: Record<string, unknown>;
}

/** People who are signed up are to be told something, page by page; a reminder is one. */
export interface TellingDocument extends Notice {
  _id: string;
  roster: string;
  activityId: string;
  clubId: string;
  occurrence: number;
  /** The roster's, when it came up. */
  version: number;
  /** In how many parts, and how many of them have been told. */
  parts: number;
  told: number;
  dueAt: number;
  /** Of no use later; milliseconds. */
  expiresAt: number | null;
}

export interface CalendarToken {
  /** The user. */
  _id: string;
  hash: string;
  createdAt: number;
}

export interface Store {
  activities: Collection<ActivityDocument>;
  rosters: Collection<RosterDocument>;
  participations: Collection<ParticipationDocument>;
  tellings: Collection<TellingDocument>;
  calendarTokens: Collection<CalendarToken>;
}

/** Indexes of the collections; on MongoDB they are made by migrations. */
export const INDEXES = {
  activities: [["clubId"], ["status"], ["updatedAt"], ["nextReminderAt"], ["unsettled"], ["pending"]],
  rosters: [["activityId"], ["pending", "touchedAt"]],
  participations: [
    ["roster", "op"],
    ["roster", "status", "seq"],
    ["user", "occurrence"],
    ["activityId", "occurrence", "seq"],
  ],
  tellings: [["dueAt"]],
  calendarTokens: [["hash"]],
} as const;

export async function openStore(documents: DocumentStore): Promise<Store> {
  const open = <D extends { _id: string }>(name: keyof typeof INDEXES): Promise<Collection<D>> =>
    documents.collection<D>(name, { indexes: INDEXES[name].map((fields) => ({ fields })) });
  return {
    activities: await open("activities"),
    rosters: await open("rosters"),
    participations: await open("participations"),
    tellings: await open("tellings"),
    calendarTokens: await open("calendarTokens"),
  };
}

export function rosterId(activityId: string, occurrence: number): string {
  return `${activityId}:${occurrence}`;
}

/** What a roster's id says. */
export function partsOf(roster: string): { activityId: string; occurrence: number } {
  const [activityId, occurrence] = roster.split(":") as [string, string];
  return { activityId, occurrence: Number(occurrence) };
}

/** A name for a message that is always the same for the same thing, so that telling twice is telling once. */
export function messageId(...parts: (string | number)[]): string {
  return v5(parts.join(":"), NAMESPACE);
}

export function participationId(roster: string, user: string): string {
  return `${roster}:${hash("sha256", `${roster}:${user}`, "base64url").slice(0, 22)}`;
}

type Scheduling = Pick<ActivityDocument, "startsAt" | "endsAt" | "timezone" | "recurrence" | "originalStart">;

export function scheduleOf(activity: Scheduling): Schedule {
  const { startsAt, endsAt, timezone, recurrence, originalStart } = activity;
  return { startsAt, endsAt, timezone, recurrence, ...(!recurrence && { originalStart }) };
}

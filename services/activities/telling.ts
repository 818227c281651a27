/**
 * Tells people who are signed up something, some hundred at a time. People are in parts by their participation's id, and
 * the message to a part has always the same name, so that a crash or a second node at the same work tells nobody twice
 * and leaves nobody out.
 */
import type { Envelope } from "../../lib/declare.ts";
import type {
  Notice,
  ParticipationDocument,
  RosterDocument,
  Store,
  TellingDocument,
  Terms,
} from "./records.ts";
import { messageId, partsOf } from "./records.ts";

/** What ids of participations go on with, in the order of strings. */
const SYMBOLS = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz".split("");
const IN_ONE_PART = 300;

type Outbox = { tell(messages: Envelope[]): Promise<void> };

/** What people in a roster are to be told when its terms become others; null when nothing that they would notice. */
export function noticeOf(before: Terms, after: Terms): Notice | null {
  const { startsAt, endsAt, location, reason, dissolved } = after;
  if (after.cancelled)
    return before.cancelled
      ? null
      : { type: "participations.calledOff", data: { startsAt, reason, dissolved } };
  const moved =
    before.startsAt !== after.startsAt ||
    before.endsAt !== after.endsAt ||
    before.location !== after.location;
  return moved ? { type: "participations.moved", data: { startsAt, endsAt, location } } : null;
}

type Addressed = Pick<RosterDocument, "_id" | "clubId" | "version" | "confirmed" | "waitlisted">;

/** @param name what makes it another telling than those before */
export function newTelling(
  roster: Addressed,
  told: Notice & Pick<TellingDocument, "expiresAt">,
  name: readonly (string | number)[],
  now: number,
): TellingDocument {
  const { _id, clubId, version, confirmed, waitlisted } = roster;
  const { activityId, occurrence } = partsOf(_id);
  const people = confirmed + waitlisted;
  return {
    _id: messageId(_id, told.type, ...name),
    roster: _id,
    activityId,
    clubId,
    occurrence,
    version,
    ...told,
    parts: people <= IN_ONE_PART ? 1 : people <= 8 * IN_ONE_PART ? 8 : 64,
    told: 0,
    dueAt: now,
  };
}

/** Tells everyone whom it concerns; true when there is nobody left. */
export async function tellAll(
  store: Store,
  outbox: Outbox,
  telling: TellingDocument,
  stopped: () => boolean,
): Promise<boolean> {
  for (let part = telling.told; part < telling.parts; part++) {
    if (stopped()) return false;
    const users = (await peopleIn(store, telling, part)).flatMap(({ user }) => user ?? []);
    if (users.length > 0) await outbox.tell([messageFor(telling, part, users)]);
    await store.tellings.updateOne({ _id: telling._id, told: part }, { $set: { told: part + 1 } });
  }
  await store.tellings.deleteMany({ _id: telling._id });
  return true;
}

function peopleIn(
  store: Store,
  { roster, type, parts }: TellingDocument,
  part: number,
): Promise<Pick<ParticipationDocument, "user" | "_id">[]> {
  const width = SYMBOLS.length / parts;
  const [first, next] = [SYMBOLS[part * width] as string, SYMBOLS[(part + 1) * width]];
  // ";" is what follows ":".
  const range = { $gte: `${roster}:${first}`, $lt: next === undefined ? `${roster};` : `${roster}:${next}` };
  const confirmedOnly = type === "participations.reminded";
  return store.participations.find(
    { _id: range, status: confirmedOnly ? "confirmed" : { $in: ["confirmed", "waitlisted"] } },
    { projection: ["user"] },
  );
}

function messageFor(telling: TellingDocument, part: number, users: string[]): Envelope {
  const { _id, type, roster, activityId, clubId, occurrence, version, data } = telling;
  return {
    id: messageId(_id, part),
    type,
    at: Date.now(),
    aggregate: { type: "roster", id: roster, version },
    actor: null,
    requestId: null,
    data: { activityId, clubId, occurrence, users, ...data },
  };
}

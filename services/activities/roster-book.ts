/** Rosters in the store: each step can be repeated, by whoever finds it undone (docs/sign-up.md). */
import { v5 } from "uuid";
import type { Envelope } from "../../lib/declare.ts";
import type { Entry, ParticipationDocument, RosterDocument, Store, Terms } from "./records.ts";
import { OPS_PER_VERSION, Roster } from "./roster.ts";

/** Participations that are read at once. */
const PAGE = 20_000;
/** Names messages by what they tell of, so that telling twice is telling once. */
const NAMESPACE = "5a1c1e0b-6d0a-4f0e-9a57-0e6f6a5f3f11";

export type RosterChanges = Pick<
  RosterDocument,
  "terms" | "confirmed" | "waitlisted" | "nextSeq" | "journal" | "touchedAt"
>;

type Outbox = { tell(messages: Envelope[]): Promise<void> };

export class RosterBook {
  readonly #store: Pick<Store, "rosters" | "participations">;
  readonly #outbox: Outbox;

  constructor(store: Pick<Store, "rosters" | "participations">, outbox: Outbox) {
    this.#store = store;
    this.#outbox = outbox;
  }

  /**
   * The roster as it is by now; `known` is brought up to date where it is given. What its journal holds is carried out
   * first, so that nobody writes over what is not in the participations yet. Null: there is none. Others may write
   * between the readings: then it fits no version, and what is decided by it will not match.
   */
  async load(id: string, known: Roster | null): Promise<Roster | null> {
    const document = await this.#store.rosters.findOne({ _id: id });
    if (!document) return null;
    await this.apply(document, document.journal);
    const since = known ? (known.version + 1) * OPS_PER_VERSION : 0;
    const changed = await this.#participations(id, since);
    const roster = known ?? new Roster(document);
    roster.catchUp(document, changed);
    return roster;
  }

  async create(id: string, clubId: string, terms: Terms, now: number): Promise<void> {
    const [activityId, occurrence] = id.split(":") as [string, string];
    await this.#store.rosters.insertOne({
      _id: id,
      activityId,
      clubId,
      occurrence: Number(occurrence),
      version: 1,
      terms,
      confirmed: 0,
      waitlisted: 0,
      nextSeq: 1,
      journal: [],
      pending: false,
      touchedAt: now,
    });
  }

  async isAt(id: string, version: number): Promise<boolean> {
    const found = await this.#store.rosters.find({ _id: id }, { projection: ["version"], limit: 1 });
    return found[0]?.version === version;
  }

  /** The moment of decision: true when the roster was at `version` and is now what the changes say, one version later. */
  async commit(id: string, version: number, changes: RosterChanges): Promise<boolean> {
    const { matched } = await this.#store.rosters.updateOne(
      { _id: id, version },
      { $set: { ...changes, version: version + 1, pending: changes.journal.length > 0 } },
    );
    return matched === 1;
  }

  /** Carries decisions into the participations and tells them. Of a person what was decided last stays, in any order. */
  async apply(
    document: Pick<RosterDocument, "_id" | "clubId" | "version" | "terms">,
    entries: readonly Entry[],
  ): Promise<void> {
    if (entries.length === 0) return;
    const [added, changed] = parted(lastOfEach(entries), ({ first }) => first);
    const { participations } = this.#store;
    // Where one is there already it is from this batch or a later one.
    if (added.length > 0)
      await participations.insertMany(added.map((entry) => documentOf(document._id, entry)));
    if (changed.length > 0)
      await participations.upsertMany(changed.map((entry) => changeOf(document._id, entry)));
    await this.#outbox.tell(messagesOf(document, entries));
  }

  async #participations(roster: string, since: number): Promise<ParticipationDocument[]> {
    const all: ParticipationDocument[] = [];
    for (let after = since - 1; ;) {
      const page = await this.#store.participations.find(
        { roster, op: { $gt: after } },
        { sort: { op: 1 }, limit: PAGE },
      );
      all.push(...page);
      const last = page.at(-1);
      if (page.length < PAGE || !last) return all;
      after = last.op;
    }
  }
}

/** A batch may confirm somebody and, a moment later, take them out again. */
function lastOfEach(entries: readonly Entry[]): Entry[] {
  return [...new Map(entries.map((entry) => [entry.key, entry])).values()];
}

function parted<T>(all: readonly T[], is: (one: T) => boolean): [T[], T[]] {
  return [all.filter(is), all.filter((one) => !is(one))];
}

function documentOf(
  roster: string,
  { key, op, user, status, seq, at, checkedInAt, by }: Entry,
): ParticipationDocument {
  const [activityId, occurrence] = roster.split(":") as [string, string];
  return {
    _id: key,
    roster,
    activityId,
    occurrence: Number(occurrence),
    user,
    status,
    seq,
    op,
    at,
    checkedInAt,
    by,
  };
}

function changeOf(roster: string, entry: Entry) {
  const { _id, ...fields } = documentOf(roster, entry);
  return { query: { _id, op: { $lt: entry.op } }, update: { $set: fields } };
}

const TYPES = {
  confirmed: "participations.confirmed",
  waitlisted: "participations.waitlisted",
  promoted: "participations.promoted",
  cancelled: "participations.cancelled",
  checkedIn: "participations.checkedIn",
} as const;

/** A message for each kind of decision, with all whom it met. Whoever is erased is told nothing. */
function messagesOf(
  { _id: roster, clubId, version, terms }: Pick<RosterDocument, "_id" | "clubId" | "version" | "terms">,
  entries: readonly Entry[],
): Envelope[] {
  const [activityId, name] = roster.split(":") as [string, string];
  const occurrence = Number(name);
  return Object.entries(TYPES).flatMap(([kind, type]) => {
    const own = entries.filter((entry) => entry.kind === kind);
    const users = own.flatMap(({ user }) => user ?? []);
    if (users.length === 0) return [];
    const data = {
      activityId,
      clubId,
      occurrence,
      users,
      ...(kind === "promoted" && { startsAt: terms.startsAt }),
    };
    return [
      {
        id: messageId(roster, version, kind),
        type,
        at: own[0]?.at ?? 0,
        aggregate: { type: "roster", id: roster, version },
        actor: null,
        requestId: null,
        data,
      },
    ];
  });
}

/** A name for a message that is always the same for the same thing. */
export function messageId(...parts: (string | number)[]): string {
  return v5(parts.join(":"), NAMESPACE);
}

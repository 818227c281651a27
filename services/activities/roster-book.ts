/** Rosters in the store: each step can be repeated, by whoever finds it undone (docs/sign-up.md). */
import type { Envelope } from "../../lib/declare.ts";
import type { Entry, ParticipationDocument, RosterDocument, Store, Terms } from "./records.ts";
import { messageId, partsOf } from "./records.ts";
import { OPS_PER_VERSION, Roster } from "./roster.ts";
import { newTelling } from "./telling.ts";

/** Participations that are read at once. */
const PAGE = 20_000;

export type RosterChanges = Pick<
  RosterDocument,
  "terms" | "confirmed" | "waitlisted" | "nextSeq" | "journal" | "notice" | "pending" | "touchedAt"
>;

type Outbox = { tell(messages: Envelope[]): Promise<void> };

/** A roster as a commit has left it. */
export type Committed = Omit<RosterDocument, "activityId" | "occurrence" | "nextSeq">;

export class RosterBook {
  readonly #store: Pick<Store, "rosters" | "participations" | "tellings">;
  readonly #outbox: Outbox;

  constructor(store: Pick<Store, "rosters" | "participations" | "tellings">, outbox: Outbox) {
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
    await this.apply(document);
    const since = known ? (known.version + 1) * OPS_PER_VERSION : 0;
    const changed = await this.#participations(id, since);
    const roster = known ?? new Roster(document);
    roster.catchUp(document, changed);
    return roster;
  }

  async create(id: string, clubId: string, terms: Terms, now: number): Promise<void> {
    const { activityId, occurrence } = partsOf(id);
    await this.#store.rosters.insertOne({
      _id: id,
      activityId,
      clubId,
      occurrence,
      version: 1,
      terms,
      confirmed: 0,
      waitlisted: 0,
      nextSeq: 1,
      journal: [],
      notice: null,
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
      { $set: { ...changes, version: version + 1 } },
    );
    return matched === 1;
  }

  /**
   * Carries out what the last commit decided: participations, then messages, then what everyone in it is to be told. Of a
   * person what was decided last stays, in any order; the rest is there once however often it is put in.
   */
  async apply(document: Committed): Promise<void> {
    const { _id, journal, notice, pending } = document;
    if (journal.length > 0) {
      const [added, changed] = parted(lastOfEach(journal), ({ first }) => first);
      const { participations } = this.#store;
      // Where one is there already it is from this batch or a later one.
      if (added.length > 0) await participations.insertMany(added.map((entry) => documentOf(_id, entry)));
      if (changed.length > 0) await participations.upsertMany(changed.map((entry) => changeOf(_id, entry)));
    }
    if (pending) await this.#outbox.tell(messagesOf(document));
    // Last: by now everyone who was let in by the old terms is in the participations.
    if (notice)
      await this.#store.tellings.insertOne(
        newTelling(document, { ...notice, expiresAt: null }, [document.version], document.touchedAt),
      );
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
  { key, op, user, status, seq, at, admittedAt, checkedInAt, by }: Entry,
): ParticipationDocument {
  const { activityId, occurrence } = partsOf(roster);
  return {
    _id: key,
    roster,
    activityId,
    occurrence,
    user,
    status,
    seq,
    op,
    at,
    admittedAt,
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

/** A message for each kind of decision, with all whom it met, and one with what they came to. */
function messagesOf(document: Committed): Envelope[] {
  const { _id: roster, clubId, version, terms, journal } = document;
  const { activityId, occurrence } = partsOf(roster);
  const decided = Object.entries(TYPES).flatMap(([kind, type]) => {
    const own = journal.filter((entry) => entry.kind === kind);
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
  return [...decided, recordOf(document)];
}

/** What the roster, and everyone whom the batch met, are by now; of somebody who is erased without the name. */
function recordOf({ _id: roster, clubId, version, terms, journal, touchedAt }: Committed): Envelope {
  const { startsAt, endsAt, cancelled } = terms;
  const people = lastOfEach(journal).map(({ key, user, status, op, admittedAt, checkedInAt }) => ({
    key: key.slice(roster.length + 1),
    user,
    status,
    op,
    admittedAt,
    checkedInAt,
  }));
  return {
    id: messageId(roster, version, "recorded"),
    type: "participations.recorded",
    at: touchedAt,
    aggregate: { type: "roster", id: roster, version },
    actor: null,
    requestId: null,
    data: { ...partsOf(roster), clubId, startsAt, endsAt, cancelled, people },
  };
}

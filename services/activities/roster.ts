/**
 * The roster of one occurrence in memory, and the rules by which requests are decided. It knows no store: a batch is
 * decided here, and undone again when it could not be written. The rules: docs/sign-up.md.
 */
import { AppError } from "../../lib/errors.ts";
import type { Entry, ParticipationDocument, RosterDocument, Status, Terms } from "./records.ts";
import { participationId } from "./records.ts";

/** How many decisions a version holds, so that their numbers never meet: promotions first, then two for a request. */
export const OPS_PER_VERSION = 1_000;
const MAX_PROMOTED = 400;
export const MAX_REQUESTS = 250;
/** Before the start (milliseconds). */
export const CHECK_IN_OPENS = 60 * 60_000;

/** A person in the roster. */
interface Person {
  key: string;
  user: string | null;
  status: Status;
  seq: number;
  op: number;
  admittedAt: number;
  checkedInAt: number | null;
  by: string | null;
}

export type Request = { by: string } & (
  | { kind: "join"; user: string; member: boolean }
  | { kind: "leave" | "look" | "erase"; user: string }
  | { kind: "checkIn"; user: string; code: "none" | "valid" | "invalid" }
);

/** What a request gets: whether it changed something, and where the person stands. */
export interface Standing {
  changed: boolean;
  status: Status;
  /** Rank in the waitlist, from 1. */
  position: number | null;
  checkedInAt: number | null;
}

/** Counters as they are written. */
export type Counters = Pick<RosterDocument, "confirmed" | "waitlisted" | "nextSeq">;

interface Undo {
  people: Map<string, Person | undefined>;
  counters: Counters;
  terms: Terms;
}

export class Roster {
  readonly id: string;
  version: number;
  terms: Terms;
  confirmed = 0;
  waitlisted = 0;
  nextSeq = 1;
  /** The document holds what the last commit decided still. */
  untidy = false;
  readonly #people = new Map<string, Person>();
  /** In order of admission. */
  #waiting: Person[] = [];
  #undo: Undo | null = null;
  #entries: Entry[] = [];
  #now = 0;

  constructor({ _id, version, terms, confirmed, waitlisted, nextSeq }: RosterDocument) {
    this.id = _id;
    this.version = version;
    this.terms = terms;
    Object.assign(this, { confirmed, waitlisted, nextSeq });
  }

  /** How many people it knows, for the bound on memory. */
  get size(): number {
    return this.#people.size;
  }

  get counters(): Counters {
    const { confirmed, waitlisted, nextSeq } = this;
    return { confirmed, waitlisted, nextSeq };
  }

  /** Takes over what others have decided since: the roster's document, with the participations written after ours. */
  catchUp(document: RosterDocument, participations: readonly ParticipationDocument[]): void {
    const { version, terms, confirmed, waitlisted, nextSeq, pending: untidy } = document;
    Object.assign(this, { version, terms, confirmed, waitlisted, nextSeq, untidy });
    for (const { _id: key, user, status, seq, op, at, admittedAt = at, checkedInAt, by } of participations)
      this.#people.set(key, { key, user, status, seq, op, admittedAt, checkedInAt, by });
    this.#sortWaiting();
  }

  /** Whether whoever is not in yet would be refused for want of room. */
  get full(): boolean {
    return !this.#hasRoom() && !this.terms.waitlist;
  }

  has(user: string): boolean {
    const person = this.#people.get(participationId(this.id, user));
    return person !== undefined && person.status !== "cancelled";
  }

  // Deciding

  /**
   * Opens a batch; what it decides can be taken back until `keep`.
   * @param now milliseconds
   * @param terms what the activity says as of `revision`; null where it does not have the occurrence any more
   */
  begin(now: number, revision: number, terms: Terms | null): void {
    this.#undo = { people: new Map(), counters: this.counters, terms: this.terms };
    this.#entries = [];
    this.#now = now;
    // Another node may know a later version of the activity than this one has read.
    if (revision > this.terms.revision) this.terms = terms ?? { ...this.terms, revision, cancelled: true };
    this.#promote(MAX_PROMOTED);
  }

  /** Whether more wait than one batch could confirm. */
  get behind(): boolean {
    return this.#waiting.length > 0 && this.#hasRoom() && !this.terms.cancelled && !this.#over;
  }

  /** What the batch has decided so far. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** The terms before this batch, where it has taken up others. */
  get termsBefore(): Terms | null {
    return this.#undo !== null && this.#undo.terms !== this.terms ? this.#undo.terms : null;
  }

  /** The batch is written. */
  keep(version: number): void {
    this.version = version;
    this.#undo = null;
  }

  /** The batch was not written, or nobody knows. */
  takeBack(): void {
    const undo = this.#undo;
    if (!undo) return;
    for (const [key, person] of undo.people) {
      if (person) this.#people.set(key, person);
      else this.#people.delete(key);
    }
    Object.assign(this, undo.counters);
    this.terms = undo.terms;
    this.#undo = null;
    // A batch of looks alone has changed nobody: to sort twenty thousand for it would hold up all others.
    if (undo.people.size > 0) this.#sortWaiting();
  }

  /** Decides one request. @throws AppError with the refusal */
  decide(request: Request): Standing {
    const key = participationId(this.id, request.user);
    const person = this.#people.get(key);
    // The same request again, whose first answer was lost on the way.
    if (person?.by === request.by && request.kind !== "look") return this.#standing(person, true);
    switch (request.kind) {
      case "join":
        return this.#join(key, person, request);
      case "leave":
        return this.#leave(person, request.by);
      case "checkIn":
        return this.#checkIn(person, request);
      case "erase":
        return this.#erase(person, request.by);
      case "look":
        if (!person || person.user === null) throw new AppError("NOT_FOUND");
        return this.#standing(person, false);
      default:
        return request satisfies never;
    }
  }

  #join(key: string, person: Person | undefined, request: Request & { kind: "join" }): Standing {
    const { terms } = this;
    if (terms.membersOnly && !request.member) throw new AppError("MEMBERS_ONLY");
    if (terms.cancelled) throw new AppError("SIGN_UP_CLOSED");
    if (person && person.status !== "cancelled") return this.#standing(person, false);
    // An occurrence that was moved forward may be over before its sign-up would close.
    if (this.#now < terms.opensAt || this.#now >= terms.closesAt || this.#over)
      throw new AppError("SIGN_UP_CLOSED");
    // Where more wait than one batch could confirm, the places that are left are theirs.
    const status = this.#hasRoom(this.#waiting.length) ? "confirmed" : "waitlisted";
    if (status === "waitlisted" && !terms.waitlist) throw new AppError("ACTIVITY_FULL");
    const seq = this.nextSeq++;
    const { user, by } = request;
    const admittedAt = person?.admittedAt ?? this.#now;
    const joined = this.#write(status, { key, user, status, seq, op: 0, admittedAt, checkedInAt: null, by });
    return this.#standing(joined, true);
  }

  #leave(person: Person | undefined, by: string): Standing {
    if (!person || person.user === null) throw new AppError("NOT_FOUND");
    if (person.status === "cancelled") return this.#standing(person, false);
    if (person.checkedInAt !== null || this.#over) throw new AppError("SIGN_UP_CLOSED");
    const left = this.#write("cancelled", { ...person, status: "cancelled", by });
    this.#promote(1);
    return this.#standing(left, true);
  }

  #checkIn(person: Person | undefined, { by, code }: Request & { kind: "checkIn" }): Standing {
    if (person?.status !== "confirmed") throw new AppError("NOT_CONFIRMED");
    if (code === "invalid") throw new AppError("INVALID_CODE");
    if (person.checkedInAt !== null) return this.#standing(person, false);
    const { startsAt, endsAt, cancelled } = this.terms;
    if (cancelled || this.#now < startsAt - CHECK_IN_OPENS || this.#now >= endsAt)
      throw new AppError("CHECK_IN_CLOSED");
    return this.#standing(this.#write("checkedIn", { ...person, checkedInAt: this.#now, by }), true);
  }

  /** Whoever is erased leaves what is to come; of what is over it stays that somebody was there. */
  #erase(person: Person | undefined, by: string): Standing {
    if (!person || person.user === null) throw new AppError("NOT_FOUND");
    const status = this.#over ? person.status : "cancelled";
    const gone = this.#write("erased", { ...person, user: null, status, by });
    this.#promote(1);
    return this.#standing(gone, true);
  }

  /** Confirms those who wait the longest while there is room, until the occurrence has ended. */
  #promote(most: number): void {
    for (let promoted = 0; promoted < most && this.behind; promoted++) {
      const [first] = this.#waiting as [Person];
      this.#write("promoted", { ...first, status: "confirmed", by: null });
    }
  }

  get #over(): boolean {
    return this.#now >= this.terms.endsAt;
  }

  /** For one more, behind so many others. */
  #hasRoom(others = 0): boolean {
    return this.terms.capacity === null || this.confirmed + others < this.terms.capacity;
  }

  /** Puts a person's new state into memory and into the journal. */
  #write(kind: Entry["kind"], state: Person): Person {
    const before = this.#people.get(state.key);
    const undo = this.#undo;
    if (!undo) throw new Error("A roster is changed in a batch only.");
    if (!undo.people.has(state.key)) undo.people.set(state.key, before);
    const op = (this.version + 1) * OPS_PER_VERSION + this.#entries.length;
    const after = { ...state, op };
    this.#people.set(after.key, after);
    this.#count(before, -1);
    this.#count(after, 1);
    if (before?.status === "waitlisted") this.#waiting.splice(this.#rank(before.seq), 1);
    if (after.status === "waitlisted") this.#waiting.splice(this.#rank(after.seq), 0, after);
    const first = undo.people.get(after.key) === undefined;
    this.#entries.push({ kind, ...after, at: this.#now, first });
    return after;
  }

  #count(person: Person | undefined, by: 1 | -1): void {
    if (person?.status === "confirmed") this.confirmed += by;
    if (person?.status === "waitlisted") this.waitlisted += by;
  }

  /** How many wait with a smaller number. */
  #rank(seq: number): number {
    let [low, high] = [0, this.#waiting.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#waiting[middle] as Person).seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #standing({ status, seq, checkedInAt }: Person, changed: boolean): Standing {
    const position = status === "waitlisted" ? this.#rank(seq) + 1 : null;
    return { changed, status, position, checkedInAt };
  }

  #sortWaiting(): void {
    this.#waiting = [...this.#people.values()]
      .filter(({ status }) => status === "waitlisted")
      .toSorted((a, b) => a.seq - b.seq);
  }
}

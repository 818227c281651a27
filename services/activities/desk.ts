/**
 * Where the sign-ups of one occurrence are decided: requests that arrive while a batch is being written wait for the
 * next. A batch is one conditional write of the roster's document, fenced by its version; what it decided is then
 * carried into the participations and told, before anybody is answered. The protocol and its crash points: docs/sign-up.md.
 */
import { randomBytes } from "node:crypto";
import { AppError, isAppError } from "../../lib/errors.ts";
import type { Terms } from "./records.ts";
import type { RosterBook, RosterChanges } from "./roster-book.ts";
import { Line, PATIENCE } from "./line.ts";
import type { Waiting } from "./line.ts";
import type { Roster } from "./roster.ts";
import type { Request, Standing } from "./roster.ts";
import { noticeOf } from "./telling.ts";

/** For so long it is believed that nothing has changed in a full occurrence (milliseconds). */
const STAYS_FULL = 100;
/** After so long without requests the journal is emptied (milliseconds). */
const TIDY = 1_000;
/** Tries of a batch whose write met somebody else's. */
const TRIES = 5;

export interface Asked {
  kind: Request["kind"];
  user: string;
  code?: "none" | "valid" | "invalid";
  /** Names the request, also when another desk has had it before; by default a name of this desk's. */
  mark?: string | undefined;
}

/** What is true around the roster when a batch is decided. */
export interface Gate {
  /** What the activity says, as of this version of it; null: it has no such occurrence. */
  revision: number;
  terms: Terms | null;
  clubId: string;
  clubActive: boolean;
  /** Who of those who ask is a member; null where everyone may. */
  members: ReadonlySet<string> | null;
}

export interface DeskSources {
  book: RosterBook;
  /** @param users who ask to come in @param writes whether any request changes something */
  gate(users: readonly string[], writes: boolean): Promise<Gate>;
  now(): number;
  warn(text: string, data: object): void;
}

export class Desk {
  readonly id: string;
  readonly #sources: DeskSources;
  readonly #line = new Line();
  readonly #me = randomBytes(6).toString("base64url");
  #count = 0;
  #roster: Roster | null = null;
  #running: Promise<void> | null = null;
  #batchSince = 0;
  #fullUntil = 0;
  #tidying: NodeJS.Timeout | undefined;
  #stopped = false;
  lastUsed = 0;

  constructor(id: string, sources: DeskSources) {
    this.id = id;
    this.#sources = sources;
  }

  /** How many people it holds in memory. */
  get size(): number {
    return this.#roster?.size ?? 0;
  }

  get idle(): boolean {
    return this.#running === null && this.#line.length === 0;
  }

  /** Decides a request within half a second. @throws AppError, OVERLOADED with the time to come again */
  ask({ kind, user, code = "none", mark }: Asked): Promise<Standing> {
    if (kind === "join" && this.#staysFull(user)) return Promise.reject(new AppError("ACTIVITY_FULL"));
    const by = mark ?? `${this.#me}${(this.#count++).toString(36)}`;
    const request: Request =
      kind === "join"
        ? { kind, user, member: false, by }
        : kind === "checkIn"
          ? { kind, user, code, by }
          : { kind, user, by };
    // Only who settles gets nothing.
    return this.#enter(request) as Promise<Standing>;
  }

  /** Takes up what the activity says by now, confirms who may be, and empties the journal. */
  async settle(): Promise<void> {
    await this.#enter({ kind: "settle", by: "" });
  }

  /** Ends when the batch under way has; nobody is taken any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#tidying);
    this.#line.close(new AppError("UNAVAILABLE", { retryAfter: 1 }));
    await this.#running;
  }

  #staysFull(user: string): boolean {
    const roster = this.#roster;
    if (!roster || roster.terms.membersOnly || this.#sources.now() >= this.#fullUntil) return false;
    return !roster.has(user);
  }

  #enter(request: Waiting["request"]): Promise<Standing | null> {
    this.lastUsed = this.#sources.now();
    if (this.#stopped) return Promise.reject(new AppError("UNAVAILABLE", { retryAfter: 1 }));
    if (this.#isLate()) return Promise.reject(this.#line.busy());
    if (request.kind === "leave" || request.kind === "settle" || request.kind === "erase")
      this.#fullUntil = 0;
    const answer = this.#line.enter(request);
    this.#start();
    return answer;
  }

  /** Whether a request that came now would wait too long: by those before it, or because the store does not answer. */
  #isLate(): boolean {
    const now = this.#sources.now();
    if (this.#running && now - this.#batchSince > PATIENCE) return true;
    return this.#line.full;
  }

  #start(): void {
    if (this.#running) return;
    clearTimeout(this.#tidying);
    this.#batchSince = this.#sources.now();
    this.#running = this.#work().finally(() => {
      this.#running = null;
      if (this.#line.length > 0 && !this.#stopped) this.#start();
      else if (this.#roster?.untidy && !this.#stopped) this.#tidying = this.#tidyLater();
    });
  }

  #tidyLater(): NodeJS.Timeout {
    return setTimeout(() => void this.settle().catch(() => undefined), TIDY).unref();
  }

  async #work(): Promise<void> {
    // What has arrived in the same turn of the loop belongs to one batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#line.length > 0) {
      const batch = this.#line.take();
      if (batch.length === 0) continue;
      this.#batchSince = this.#sources.now();
      try {
        await this.#serve(batch);
      } catch (error) {
        if (!isAppError(error))
          this.#sources.warn("A batch of sign-ups failed", { roster: this.id, error: String(error) });
        for (const waiting of batch)
          this.#line.refuse(waiting, isAppError(error) ? error : this.#line.busy());
      }
    }
  }

  async #serve(batch: Waiting[]): Promise<void> {
    const asked = batch.flatMap(({ request }) => (request.kind === "settle" ? [] : [request]));
    const joining = asked.filter(({ kind }) => kind === "join").map(({ user }) => user);
    const gate = await this.#sources.gate(
      joining,
      asked.some(({ kind }) => kind === "join" || kind === "checkIn"),
    );
    for (const request of asked)
      if (request.kind === "join") request.member = gate.members?.has(request.user) ?? true;
    const admitted = batch.filter((waiting) => this.#passes(waiting, gate));
    if (admitted.length === 0) return;
    const answers = await this.#decide(admitted, gate);
    for (const [waiting, answer] of answers) {
      if (answer instanceof AppError) this.#line.refuse(waiting, answer);
      else this.#line.answer(waiting, answer);
    }
    // More people may be confirmed than fitted into one batch.
    if (this.#roster?.behind) void this.settle().catch(() => undefined);
  }

  /** In a club that is not active places can be given up, and nothing else. */
  #passes(waiting: Waiting, gate: Gate): boolean {
    const { kind } = waiting.request;
    const refusal =
      (kind === "join" || kind === "checkIn") && !gate.clubActive ? new AppError("CLUB_NOT_ACTIVE") : null;
    if (refusal) this.#line.refuse(waiting, refusal);
    return refusal === null;
  }

  /** Decides a batch and writes it; again from what is there where somebody else wrote meanwhile, or nobody knows. */
  async #decide(batch: Waiting[], gate: Gate): Promise<Map<Waiting, Standing | AppError | null>> {
    for (let tries = 1; ; tries++) {
      try {
        const roster = (this.#roster ??= await this.#open(batch, gate));
        if (!roster) return new Map(batch.map((each) => [each, absent(each)]));
        return await this.#write(roster, batch, gate);
      } catch (error) {
        if (!(error instanceof Conflict) || tries === TRIES) {
          this.#roster = null;
          throw error instanceof Conflict ? this.#line.busy() : error;
        }
        await this.#catchUp();
      }
    }
  }

  /** The roster from the store, made where somebody wants to come in; null where there is none. */
  async #open(batch: Waiting[], gate: Gate): Promise<Roster | null> {
    const { book } = this.#sources;
    const known = await book.load(this.id, null);
    if (known) return known;
    if (!gate.terms || batch.every(({ request }) => request.kind !== "join")) return null;
    await book.create(this.id, gate.clubId, gate.terms, this.#sources.now());
    return book.load(this.id, null);
  }

  async #catchUp(): Promise<void> {
    this.#roster = await this.#sources.book.load(this.id, this.#roster);
  }

  async #write(
    roster: Roster,
    batch: Waiting[],
    gate: Gate,
  ): Promise<Map<Waiting, Standing | AppError | null>> {
    const { book } = this.#sources;
    const at = this.#sources.now();
    roster.begin(at, gate.revision, gate.terms);
    const answers = new Map(batch.map((each) => [each, decided(roster, each)]));
    const journal = [...roster.entries];
    const before = roster.termsBefore;
    const tidy = roster.untidy && batch.some(({ request }) => request.kind === "settle");
    if (journal.length === 0 && !before && !tidy) {
      const same = await book.isAt(this.id, roster.version);
      roster.takeBack();
      if (!same) throw new Conflict();
    } else {
      // In the same write, whoever takes the terms up: people are told of them then.
      const notice = before && noticeOf(before, roster.terms);
      await this.#commit(roster, gate.clubId, {
        ...roster.counters,
        terms: roster.terms,
        journal,
        notice,
        pending: journal.length > 0 || before !== null,
        touchedAt: at,
      });
    }
    this.#fullUntil = roster.full ? this.#sources.now() + STAYS_FULL : 0;
    return answers;
  }

  /** @throws Conflict where it was not written, or nobody knows */
  async #commit(roster: Roster, clubId: string, changes: RosterChanges): Promise<void> {
    const { book } = this.#sources;
    const written = await book.commit(this.id, roster.version, changes).catch(() => false);
    if (!written) {
      roster.takeBack();
      throw new Conflict();
    }
    roster.keep(roster.version + 1);
    roster.untidy = changes.pending;
    await book.apply({ ...changes, _id: this.id, clubId, version: roster.version });
  }
}

/** Somebody else has written the roster, or the store did not say whether we have. */
class Conflict extends Error {}

function decided(roster: Roster, { request }: Waiting): Standing | AppError | null {
  if (request.kind === "settle") return null;
  try {
    return roster.decide(request);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

/** What is answered where nobody ever came in. */
function absent({ request }: Waiting): AppError | null {
  if (request.kind === "settle") return null;
  return new AppError(
    request.kind === "checkIn" ? "NOT_CONFIRMED" : request.kind === "join" ? "SIGN_UP_CLOSED" : "NOT_FOUND",
  );
}

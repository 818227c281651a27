/** The desks of a node: one for each occurrence that it has to do with. */
import { Desk } from "./desk.ts";
import type { DeskSources, Gate } from "./desk.ts";
import { AppError } from "../../lib/errors.ts";
import type { Answer } from "../../lib/declare.ts";
import type { ActivityDocument } from "./records.ts";
import type { RosterBook } from "./roster-book.ts";
import { termsOf } from "./terms.ts";

/** Milliseconds. */
const KEPT_IDLE = 5 * 60_000;
/** People in memory, some 200 bytes each; beyond that the desks that were used the longest ago go. */
const MOST_PEOPLE = 300_000;
const ROLES_AT_ONCE = 1_000;

/** What desks ask of others. */
export interface Surroundings {
  book: RosterBook;
  /** As it is after the question. */
  activity(id: string): Promise<ActivityDocument | null>;
  clubIsActive(clubId: string): Promise<boolean>;
  membersOf(pairs: { clubId: string; userId: string }[]): Promise<Answer<"members.rolesOf">>;
  warn(text: string, data: object): void;
}

export class Desks {
  readonly #around: Surroundings;
  readonly #all = new Map<string, Desk>();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  get people(): number {
    return [...this.#all.values()].reduce((sum, { size }) => sum + size, 0);
  }

  of(activityId: string, occurrence: number): Desk {
    const id = `${activityId}:${occurrence}`;
    const known = this.#all.get(id);
    if (known) return known;
    const made = new Desk(id, this.#sources(activityId, occurrence));
    this.#all.set(id, made);
    return made;
  }

  /** Lets go of desks that nobody has come to for a while, and of more where they hold too many people. */
  async sweep(now: number): Promise<void> {
    const idle = [...this.#all.values()]
      .filter((desk) => desk.idle)
      .toSorted((a, b) => a.lastUsed - b.lastUsed);
    let { people } = this;
    for (const desk of idle) {
      if (now - desk.lastUsed < KEPT_IDLE && people <= MOST_PEOPLE) return;
      people -= desk.size;
      this.#all.delete(desk.id);
      await desk.stop();
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#all.values()].map((desk) => desk.stop()));
  }

  #sources(activityId: string, occurrence: number): DeskSources {
    return {
      book: this.#around.book,
      warn: (text, data) => this.#around.warn(text, data),
      now: () => Date.now(),
      gate: (users, writes) => this.#gate(activityId, occurrence, users, writes),
    };
  }

  async #gate(
    activityId: string,
    occurrence: number,
    users: readonly string[],
    writes: boolean,
  ): Promise<Gate> {
    const activity = await this.#around.activity(activityId);
    if (!activity) throw new AppError("NOT_FOUND");
    const { clubId, version: revision, audience } = activity;
    const [clubActive, members] = await Promise.all([
      writes ? this.#around.clubIsActive(clubId) : true,
      audience === "members" && users.length > 0 ? this.#members(clubId, users) : null,
    ]);
    return { revision, terms: termsOf(activity, occurrence), clubId, clubActive, members };
  }

  async #members(clubId: string, users: readonly string[]): Promise<Set<string>> {
    const pairs = users.slice(0, ROLES_AT_ONCE).map((userId) => ({ clubId, userId }));
    return new Set((await this.#around.membersOf(pairs)).map(({ userId }) => userId));
  }
}

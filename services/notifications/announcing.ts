/**
 * Tells the people of announcements at their start: looks them up in pages, which are kept as parts, and tells one part
 * after another. Every step is kept before the next and may be done twice, so whichever nodes die, everybody is told once:
 * the id of a notice is made of the announcement and the person. What is over takes its unread notices away.
 */
import { setImmediate as breath } from "node:timers/promises";
import type { Logger } from "moleculer";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import type { Bulletin, Bulletins } from "./bulletins.ts";
import { unplanned } from "./bulletins.ts";
import { batches } from "./inbox.ts";
import type { Inbox } from "./inbox.ts";
import type { Notice } from "./recipients.ts";

/** Some people of an announcement. */
interface Part {
  /** Also the key by which their notices are found. */
  _id: string;
  bulletin: string;
  plan: number;
  /** Who is to be told; nobody once they are. */
  users: string[];
  people: number;
  /** Where the next part goes on. */
  after: string | null;
  /** When they are told, or told by another node if this one dies (milliseconds); missing when they are. */
  dueAt?: number;
}

export interface AnnouncingParts {
  bulletins: Bulletins;
  inbox: Inbox;
  /** The next people of an audience. */
  page(
    audience: Bulletin["audience"],
    after: string | null,
  ): Promise<{ ids: string[]; after: string | null }>;
  tell(message: { id: string; at: number }, notices: Notice[]): Promise<void>;
  log: Pick<Logger, "warn">;
}

/** How many are reached. */
export interface Reach {
  people: number;
  told: number;
  read: number;
}

/** Longer than one page, or one part, takes. */
const LEASE = 30_000;
/** After a failure. */
const PAUSE = 3_000;
const AT_ONCE = 4;
/** Looked up before some are told. */
const PAGES = 20;
/** Parts whose notices are counted in one question. */
const COUNTED = 10;

export class Announcing {
  readonly #given: AnnouncingParts;
  readonly #parts: Collection<Part>;
  #working = false;
  #stopped = false;

  constructor(given: AnnouncingParts, parts: Collection<Part>) {
    this.#given = given;
    this.#parts = parts;
  }

  static async open(store: DocumentStore, given: AnnouncingParts): Promise<Announcing> {
    return new Announcing(given, await partsOf(store));
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Does what is due, unless this node is at it already; never rejects. */
  async work(): Promise<void> {
    if (this.#working || this.#stopped) return;
    this.#working = true;
    try {
      while (!this.#stopped && (await this.#round())) await breath();
    } catch (error) {
      this.#given.log.warn("Announcements wait", { error: String(error) });
    }
    this.#working = false;
  }

  /** Returns whether there was something to do. */
  async #round(): Promise<boolean> {
    const bulletins = await this.#given.bulletins.due(Date.now());
    for (const bulletin of bulletins) await this.#settle(bulletin);
    const parts = await this.#parts.find(
      { dueAt: { $lte: Date.now() } },
      { sort: { dueAt: 1, _id: 1 }, limit: AT_ONCE },
    );
    for (const part of parts) if (!this.#stopped) await this.#tell(part);
    return bulletins.length + parts.length > 0;
  }

  /** Takes the next steps of an announcement, and says when there is another one. */
  async #settle(bulletin: Bulletin): Promise<void> {
    const { bulletins, log } = this.#given;
    const now = Date.now();
    if (!(await bulletins.advance(bulletin, { dueAt: now + LEASE }))) return;
    try {
      if (bulletin.until <= now) await this.#clear(bulletin);
      else if (bulletin.startsAt > now) await bulletins.advance(bulletin, { dueAt: bulletin.startsAt });
      else await this.#plan(bulletin);
    } catch (error) {
      log.warn("An announcement is looked at later", { announcement: bulletin._id, error: String(error) });
      await bulletins.advance(bulletin, { dueAt: Date.now() + PAUSE });
    }
  }

  /** Some of its people. An announcement that was over and goes on tells those anew who have not read it. */
  async #plan(bulletin: Bulletin): Promise<void> {
    const { bulletins } = this.#given;
    if (bulletin.cleared)
      return void (await bulletins.advance(bulletin, {
        ...unplanned(bulletin.plan + 1),
        cleared: false,
        dueAt: Date.now(),
      }));
    for (let pages = 0; !bulletin.planned && pages < PAGES; pages++) {
      const after = await this.#lookUp(bulletin);
      const next = { after, planned: after === null, parts: bulletin.parts + 1, dueAt: Date.now() + LEASE };
      if (!(await bulletins.advance(bulletin, next))) return;
    }
    const { until, planned } = bulletin;
    const end = until === Number.MAX_SAFE_INTEGER ? null : until;
    await bulletins.advance(bulletin, { dueAt: planned ? end : Date.now() });
  }

  /** Keeps the next part; returns where the one after it goes on, null after the last. */
  async #lookUp({ _id: bulletin, audience, plan, parts, after }: Bulletin): Promise<string | null> {
    const _id = `${bulletin}:${digits(plan)}:${digits(parts)}`;
    const { ids: users, after: next } = await this.#given.page(audience, after);
    const part = { _id, bulletin, plan, users, people: users.length, after: next, dueAt: Date.now() };
    if (await this.#parts.insertOne(part)) return next;
    // A node that died after this has left it, and others may have come in between since then.
    return (await this.#parts.findOne({ _id }))?.after ?? null;
  }

  async #tell(part: Part): Promise<void> {
    const { bulletins, inbox, log } = this.#given;
    const { _id, bulletin: id, plan, users, dueAt } = part;
    const mine = Date.now() + LEASE;
    const { matched } = await this.#parts.updateOne({ _id, dueAt: dueAt ?? null }, { $set: { dueAt: mine } });
    // Another node was faster.
    if (matched === 0) return;
    try {
      const on = isOn(await bulletins.one(id), plan);
      if (on) await this.#given.tell({ id, at: Date.now() }, [noticeOf(id, _id, users)]);
      // Whoever takes its notices away meanwhile has either seen these, or it is over by what is read now.
      if (on && isOver(await bulletins.one(id))) await inbox.takeAway(_id);
      const done = { users: [], ...(!on && { people: 0 }) };
      await this.#parts.updateOne({ _id, dueAt: mine }, { $set: done, $unset: { dueAt: true } });
    } catch (error) {
      log.warn("People of an announcement are told later", { announcement: id, error: String(error) });
      await this.#parts.updateOne({ _id, dueAt: mine }, { $set: { dueAt: Date.now() + PAUSE } });
    }
  }

  /** It is over: nobody is told any more, and who has not read it need not. */
  async #clear(bulletin: Bulletin): Promise<void> {
    const parts = await this.#parts.find({ bulletin: bulletin._id }, { projection: ["_id"] });
    for (const { _id } of parts) {
      await this.#given.inbox.takeAway(_id);
      await breath();
    }
    await this.#given.bulletins.advance(bulletin, { cleared: true, dueAt: null });
  }
}

/** Of the people as they were looked up last. */
export async function reachOf(
  { store, bulletins, inbox }: { store: DocumentStore; bulletins: Bulletins; inbox: Inbox },
  id: string,
): Promise<Reach | null> {
  const bulletin = await bulletins.one(id);
  if (!bulletin) return null;
  const parts = await (
    await partsOf(store)
  ).find({ bulletin: id }, { projection: ["plan", "people", "dueAt"], sort: { _id: 1 } });
  const planned = parts.filter(({ plan }) => plan === bulletin.plan);
  const told = planned.filter(({ dueAt }) => dueAt === undefined);
  let read = 0;
  for (const some of batches(parts, COUNTED)) {
    read += await inbox.readBetween(some[0]?._id ?? "", some.at(-1)?._id ?? "");
    await breath();
  }
  return { people: sum(planned), told: sum(told), read };
}

function sum(parts: { people: number }[]): number {
  return parts.reduce((all, { people }) => all + people, 0);
}

function partsOf(store: DocumentStore): Promise<Collection<Part>> {
  return store.collection<Part>("bulletinParts", {
    indexes: [{ fields: ["dueAt"] }, { fields: ["bulletin"] }],
  });
}

function noticeOf(id: string, batch: string, to: string[]): Notice {
  return {
    to,
    kind: "announcement",
    event: "announcement.made",
    subject: { type: "announcement", id },
    values: { announcementId: id },
    batch,
  };
}

function isOver(bulletin: Bulletin | null): boolean {
  return bulletin === null || bulletin.until <= Date.now();
}

/** Whether the people of this plan are still to be told. */
function isOn(bulletin: Bulletin | null, plan: number): boolean {
  return bulletin !== null && bulletin.plan === plan && !isOver(bulletin);
}

/** Of one length, so that they are in order. */
function digits(n: number): string {
  return String(n).padStart(6, "0");
}

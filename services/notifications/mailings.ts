/**
 * Who is to have a mail about their notices, and when. One document of each person holds up to which number they were
 * mailed (`mailed`), and up to which the mail under way goes (`to`): what is in a mail is settled by one conditional
 * update before it is sent, and names the mail, so that no notice is in two mails, or in none, whichever nodes die.
 */
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import type { Inbox, NotificationDocument } from "./inbox.ts";
import type { Kind } from "./preferences.ts";

export interface Mailing {
  _id: string;
  /** Absent before the first mail. */
  mailed?: number;
  /** Of the mail under way; null, or absent, while there is none. */
  to?: number | null;
  /** Milliseconds; null when nothing waits. */
  dueAt: number | null;
  /** Rises with every notice, so that one that comes while a mail is sent is not forgotten. */
  told: number;
}

/** A mail that this node is to send. */
export interface Digest {
  mailing: Mailing;
  to: number;
  /** The same whoever sends it. */
  id: string;
  docs: NotificationDocument[];
}

/** Nobody waits for a digest to hear of these. */
const AT_ONCE: ReadonlySet<Kind> = new Set(["waitlist", "reminder", "activity"]);
/** How long a node has to send a mail before another one does. */
const LEASE = 60_000;
/** Notices in one mail; the rest are in the next. */
const MOST = 100;

export class Mailings {
  readonly #all: Collection<Mailing>;
  readonly #inbox: Inbox;

  constructor(all: Collection<Mailing>, inbox: Inbox) {
    this.#all = all;
    this.#inbox = inbox;
  }

  static async open(store: DocumentStore, inbox: Inbox): Promise<Mailings> {
    return new Mailings(
      await store.collection<Mailing>("mailings", { indexes: [{ fields: ["dueAt"] }] }),
      inbox,
    );
  }

  /** Notices are there; those that are to go out by mail do so in time. @param wait of a digest, in milliseconds */
  async told(docs: NotificationDocument[], wait: number): Promise<void> {
    const due = docs.filter(({ byMail, readAt }) => byMail && readAt === null);
    if (due.length === 0) return;
    const times = due.map((doc) => [doc.user, dueAt(doc, wait)] as const);
    // Whose document is not there, or at rest: mostly that is everybody.
    const wake = times.map(([_id, at]) => ({
      query: { _id, dueAt: null },
      update: { $set: { dueAt: at }, $inc: { told: 1 } },
    }));
    if ((await this.#all.upsertMany(wake)) === wake.length) return;
    await this.#all.upsertMany([
      // First of all, so that whoever ends a mail meanwhile either sees it or leaves `dueAt` to what follows.
      ...times.map(([_id]) => ({ query: { _id }, update: { $inc: { told: 1 } } })),
      ...wake,
      ...times.map(([_id, at]) => ({
        query: { _id, to: null, dueAt: { $gt: at } },
        update: { $set: { dueAt: at } },
      })),
    ]);
  }

  /** The oldest first, as the index has them: to sort all that wait takes long when they are many. */
  due(now: number, limit: number): Promise<Mailing[]> {
    return this.#all.find({ dueAt: { $lte: now } }, { limit });
  }

  /** Settles what is in a person's mail, for this node to send; null when it is not due, or another node's. */
  async claim(mailing: Mailing, wait: number, now: number): Promise<Digest | null> {
    const { _id, mailed = 0 } = mailing;
    const docs = await this.#inbox.forMail(_id, mailed, MOST);
    const settled = mailing.to ?? null;
    if (settled === null) {
      const next = nextDue(docs, wait);
      if (next === null || next > now) {
        await this.#all.updateOne(unchanged(mailing), { $set: { dueAt: next } });
        return null;
      }
    }
    const to = settled ?? docs.at(-1)?.seq ?? mailed;
    const claimed = { to, dueAt: now + LEASE };
    const { matched } = await this.#all.updateOne(
      { ...unchanged(mailing), dueAt: mailing.dueAt },
      { $set: claimed },
    );
    if (matched === 0) return null;
    return {
      mailing: { ...mailing, ...claimed },
      to,
      id: `digest:${_id}:${mailed}`,
      docs: docs.filter(({ seq }) => seq <= to),
    };
  }

  /** The mail is out, or there is none to send. What came meanwhile is looked at in the next round. */
  async done({ mailing, to }: Digest, now: number): Promise<void> {
    const { _id, mailed, told } = mailing;
    const end = { mailed: to, to: null };
    // Not `dueAt`: whoever took it over has the same mail in hand.
    const own = { _id, to, mailed: mailed ?? null };
    const more = to > (mailed ?? 0) && (await this.#inbox.forMail(_id, to, 1)).length > 0;
    if (!more) {
      const { matched } = await this.#all.updateOne({ ...own, told }, { $set: { ...end, dueAt: null } });
      if (matched > 0) return;
    }
    await this.#all.updateOne(own, { $set: { ...end, dueAt: now } });
  }

  /** It could not be sent: at the time given it is tried again, as it is. */
  async postpone({ mailing, to }: Digest, until: number): Promise<void> {
    await this.#all.updateOne({ _id: mailing._id, to }, { $set: { dueAt: until } });
  }

  async forget(users: string[]): Promise<void> {
    await this.#all.deleteMany({ _id: { $in: users } });
  }
}

/** The document as it was read, but for its time. */
function unchanged({ _id, mailed, to, told }: Mailing) {
  return { _id, mailed: mailed ?? null, to: to ?? null, told };
}

/** When the first of these is to be out; null where there is none. */
function nextDue(docs: NotificationDocument[], wait: number): number | null {
  return docs.length === 0 ? null : Math.min(...docs.map((doc) => dueAt(doc, wait)));
}

function dueAt({ kind, createdAt }: NotificationDocument, wait: number): number {
  return AT_ONCE.has(kind) ? createdAt : createdAt + wait;
}

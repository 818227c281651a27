/** What everyone has been told, kept as documents; each person's notices are numbered without gaps. */
import { setImmediate as breath } from "node:timers/promises";
import type { Collection, DocumentStore, Query } from "../../lib/documents.ts";
import { numbered } from "./numbering.ts";
import type { Channels } from "./preferences.ts";
import type { Notice, Subject } from "./recipients.ts";
import type { EventName } from "./texts.ts";
import type { Values } from "./values.ts";

export interface NotificationDocument {
  /** `<message>:<recipient>`, so that a message that comes again meets it. */
  _id: string;
  user: string;
  /** 1, 2, 3… of the person: n + 1 is put in only when n is there, so whoever reads past n misses nothing. */
  seq: number;
  kind: Notice["kind"];
  event: EventName;
  subject: Subject;
  values: Values;
  /** When it happened (milliseconds). */
  createdAt: number;
  readAt: number | null;
  /** The person wants such notices elsewhere, but not in the inbox. */
  unlisted?: true;
  /** Nor in the stream. */
  unstreamed?: true;
  /** The person is to have it by mail, unless it is read before. */
  byMail?: true;
  /** While it is unread no other of this key is made. */
  collapse?: string;
  /** Of those that are taken away, or counted, together. */
  batch?: string;
}

/** The last number of a person. It may lag behind the notices, and is never ahead of them. */
interface Head {
  _id: string;
  seq: number;
}

/** Where a page ended. */
export interface Place {
  createdAt: number;
  id: string;
}

/** What a person wants of a kind; of those who are asked for in one batch. */
export type Wishes = (users: string[]) => Promise<(user: string, kind: Notice["kind"]) => Channels>;

type Draft = Omit<NotificationDocument, "seq">;

const YEAR = 365 * 24 * 3_600_000;
/** One write is one transaction that the process waits for. */
const BATCH = 500;
/** Recipients that are told at a time: more would hold up everybody else. */
const AT_ONCE = 300;
/** Ids of one question: an embedded store compares each document that it finds with all of them. */
const ASKED = 100;

export class Inbox {
  readonly #all: Collection<NotificationDocument>;
  readonly #heads: Collection<Head>;

  constructor(all: Collection<NotificationDocument>, heads: Collection<Head>) {
    this.#all = all;
    this.#heads = heads;
  }

  static async open(store: DocumentStore): Promise<Inbox> {
    const indexes = [
      { fields: ["user", "createdAt"] },
      { fields: ["createdAt"] },
      { fields: ["user", "seq"], unique: true },
      { fields: ["batch", "readAt"] },
    ];
    return new Inbox(
      await store.collection<NotificationDocument>("notifications", { indexes, upgrade: numbered }),
      await store.collection<Head>("heads", { indexes: [] }),
    );
  }

  /**
   * Tells the recipients of a message; those who know of it already are left out.
   * @param after called with the notices of each batch once they are there, also with those that were before
   * @returns who is told, in all
   */
  async tell(
    message: { id: string; at: number },
    notices: Notice[],
    wishes: Wishes,
    after: (told: NotificationDocument[]) => Promise<void>,
  ): Promise<string[]> {
    const firsts = new Map<string, Notice>();
    for (const notice of notices)
      for (const user of notice.to) if (!firsts.has(user)) firsts.set(user, notice);
    for (const batch of batches([...firsts], AT_ONCE)) {
      const wanted = await wishes(batch.map(([user]) => user));
      const drafts = batch.flatMap(([user, notice]) => draftOf(message, user, notice, wanted) ?? []);
      const told = await this.#insert(drafts);
      // An embedded store answers without a turn of the event loop, so everybody else would wait for all batches.
      await breath();
      await after(told);
      await breath();
    }
    return [...firsts.keys()];
  }

  /** One notice of each person at most. Who meets a number that is taken tries again after the last one. */
  async #insert(drafts: Draft[]): Promise<NotificationDocument[]> {
    const all: NotificationDocument[] = [];
    let last = await this.#headsOf(drafts);
    for (let open = drafts; open.length > 0;) {
      // After the numbers were read: what is put in since then takes a number, and this is tried again.
      open = await this.#uncollapsed(open);
      const docs = open.map((draft) => ({ ...draft, seq: (last.get(draft.user) ?? 0) + 1 }));
      const added = docs.length > 0 ? await this.#all.insertMany(docs) : 0;
      const there = added === docs.length ? docs : await this.#known(open);
      await breath();
      await this.#raise(there);
      all.push(...there);
      const done = new Set(there.map(({ _id }) => _id));
      open = open.filter(({ _id }) => !done.has(_id));
      if (open.length > 0) last = await this.#lastOf(open);
    }
    return all;
  }

  /** Those of whom no unread notice has the same key. */
  async #uncollapsed(drafts: Draft[]): Promise<Draft[]> {
    const keys = [...new Set(drafts.flatMap(({ collapse }) => collapse ?? []))];
    if (keys.length === 0) return drafts;
    const users = drafts.filter(({ collapse }) => collapse).map(({ user }) => user);
    const waiting = await this.#all.find(
      { user: { $in: users }, readAt: null, collapse: { $in: keys } },
      { projection: ["user", "collapse"] },
    );
    const has = new Set(waiting.map(({ user, collapse }) => `${user} ${collapse}`));
    return drafts.filter(({ user, collapse }) => !has.has(`${user} ${collapse}`));
  }

  #known(drafts: Draft[]): Promise<NotificationDocument[]> {
    return this.#all.find({ _id: { $in: drafts.map(({ _id }) => _id) } });
  }

  async #headsOf(drafts: Draft[]): Promise<Map<string, number>> {
    return this.heads(drafts.map(({ user }) => user));
  }

  /** As the notices have it, since the heads may lag behind; and as the heads have it, since old notices are deleted. */
  async #lastOf(drafts: Draft[]): Promise<Map<string, number>> {
    const heads = await this.#headsOf(drafts);
    const found = await Promise.all(
      drafts.map(({ user }) =>
        this.#all.find({ user }, { sort: { seq: -1 }, limit: 1, projection: ["user", "seq"] }),
      ),
    );
    for (const { user, seq } of found.flat()) heads.set(user, Math.max(seq, heads.get(user) ?? 0));
    return heads;
  }

  async #raise(docs: Pick<NotificationDocument, "user" | "seq">[]): Promise<void> {
    if (docs.length === 0) return;
    await this.#heads.upsertMany(
      docs.map(({ user, seq }) => ({ query: { _id: user, seq: { $lt: seq } }, update: { $set: { seq } } })),
    );
  }

  /** The last number of each person, who has none where there is no notice; it may lag behind for a moment. */
  async heads(users: string[]): Promise<Map<string, number>> {
    const found = await Promise.all(
      batches(users, ASKED).map((some) => this.#heads.find({ _id: { $in: some } })),
    );
    return new Map(found.flat().map(({ _id, seq }) => [_id, seq]));
  }

  /** The number of a person's notice; null for one that is not theirs. */
  async seqOf(user: string, id: string): Promise<number | null> {
    return (await this.#all.findOne({ _id: id, user }))?.seq ?? null;
  }

  /** The notices after a number in their order, without a gap, up to `limit`; also those that the stream leaves out. */
  async after(user: string, seq: number, limit: number): Promise<NotificationDocument[]> {
    const docs = await this.#after(user, { $gt: seq }, limit);
    const last = docs.at(-1)?.seq ?? seq;
    if (last - seq === docs.length) return docs;
    // A read is no snapshot: it may miss what came into its middle meanwhile. Whatever it saw has all before it there now.
    return this.#after(user, { $gt: seq, $lte: last }, limit);
  }

  #after(user: string, seq: { $gt: number; $lte?: number }, limit: number): Promise<NotificationDocument[]> {
    return this.#all.find({ user, seq }, { sort: { seq: 1 }, limit });
  }

  /** What a person is to have by mail after a number, read or not. */
  forMail(user: string, seq: number, limit: number): Promise<NotificationDocument[]> {
    return this.#all.find({ user, seq: { $gt: seq }, byMail: true }, { sort: { seq: 1 }, limit });
  }

  /** Newest first, up to `limit`; with `all` also what is not in the inbox. */
  page(
    user: string,
    {
      unread = false,
      all = false,
      after,
      limit,
    }: { unread?: boolean; all?: boolean; after: Place | null; limit: number },
  ): Promise<NotificationDocument[]> {
    const query: Query<NotificationDocument> = {
      user,
      ...(unread && { readAt: null }),
      ...(!all && { unlisted: { $ne: true } }),
      ...(after && {
        $or: [
          { createdAt: { $lt: after.createdAt } },
          { createdAt: after.createdAt, _id: { $lt: after.id } },
        ],
      }),
    };
    return this.#all.find(query, { sort: { createdAt: -1, _id: -1 }, limit });
  }

  unread(user: string): Promise<number> {
    return this.#all.count({ user, readAt: null, unlisted: { $ne: true } });
  }

  /** Marks the person's own as read, those of `ids` or all; what was read before keeps its time. */
  async read(user: string, ids: string[] | null, now: number): Promise<void> {
    const own = { user, readAt: null, ...(ids && { _id: { $in: ids } }) };
    await this.#all.updateMany(own, { $set: { readAt: now } });
  }

  /** Deletes the notices of a batch that nobody has read. */
  async takeAway(batch: string): Promise<void> {
    const unread = { batch, readAt: null };
    const docs = await this.#all.find(unread, { projection: ["user", "seq"] });
    // First, so that no number is given twice: without the notices only the heads know the last one.
    await this.#raise(docs);
    await breath();
    await this.#all.deleteMany(unread);
  }

  /** How many notices of the batches from the first to the last are read. */
  readBetween(first: string, last: string): Promise<number> {
    return this.#all.count({ batch: { $gte: first, $lte: last }, readAt: { $gt: 0 } });
  }

  async forget(users: string[]): Promise<void> {
    await this.#all.deleteMany({ user: { $in: users } });
    await this.#heads.deleteMany({ _id: { $in: users } });
  }

  /** Deletes what is older than a year. */
  async sweep(now: number): Promise<void> {
    await this.#all.deleteMany({ createdAt: { $lt: now - YEAR } });
  }
}

/** Null where the person wants nothing of the kind. */
function draftOf(
  { id, at }: { id: string; at: number },
  user: string,
  { to: _to, ...notice }: Notice,
  wanted: (user: string, kind: Notice["kind"]) => Channels,
): Draft | null {
  const { inbox, stream, email } = wanted(user, notice.kind);
  if (!inbox && !stream && !email) return null;
  return {
    _id: `${id}:${user}`,
    user,
    ...notice,
    createdAt: at,
    readAt: null,
    ...(!inbox && { unlisted: true }),
    ...(!stream && { unstreamed: true }),
    ...(email && { byMail: true }),
  };
}

/** A list in pieces that are small enough for one write, or one question. */
export function batches<T>(list: T[], size = BATCH): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  );
}

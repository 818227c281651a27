/** What everyone has been told, kept as documents. */
import type { Collection, DocumentStore, Query } from "../../lib/documents.ts";
import type { Notice, Subject } from "./recipients.ts";
import type { EventName, Values } from "./texts.ts";

export interface NotificationDocument {
  /** `<message>:<recipient>`, so that a message that comes again meets it. */
  _id: string;
  user: string;
  kind: Notice["kind"];
  event: EventName;
  subject: Subject;
  values: Values;
  /** When it happened (milliseconds). */
  createdAt: number;
  readAt: number | null;
}

/** Where a page ended. */
export interface Place {
  createdAt: number;
  id: string;
}

const YEAR = 365 * 24 * 3_600_000;
/** One write is one transaction that the process waits for. */
const BATCH = 500;

export class Inbox {
  readonly #all: Collection<NotificationDocument>;

  constructor(all: Collection<NotificationDocument>) {
    this.#all = all;
  }

  static async open(store: DocumentStore): Promise<Inbox> {
    const indexes = [{ fields: ["user", "createdAt"] }, { fields: ["createdAt"] }];
    return new Inbox(await store.collection<NotificationDocument>("notifications", { indexes }));
  }

  /** Tells the recipients of a message; those who know of it already are left out. Returns who is told, in all. */
  async tell(message: { id: string; at: number }, notices: Notice[]): Promise<string[]> {
    const docs = new Map<string, NotificationDocument>();
    for (const { to, ...notice } of notices) {
      for (const user of to.filter((each) => !docs.has(each))) {
        const _id = `${message.id}:${user}`;
        docs.set(user, { _id, user, ...notice, createdAt: message.at, readAt: null });
      }
    }
    for (const batch of batches([...docs.values()])) await this.#all.insertMany(batch);
    return [...docs.keys()];
  }

  /** Newest first, up to `limit`. */
  page(
    user: string,
    { unread, after, limit }: { unread: boolean; after: Place | null; limit: number },
  ): Promise<NotificationDocument[]> {
    const query: Query<NotificationDocument> = {
      user,
      ...(unread && { readAt: null }),
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
    return this.#all.count({ user, readAt: null });
  }

  /** Marks the person's own as read, those of `ids` or all; what was read before keeps its time. */
  async read(user: string, ids: string[] | null, now: number): Promise<void> {
    const own = { user, readAt: null, ...(ids && { _id: { $in: ids } }) };
    await this.#all.updateMany(own, { $set: { readAt: now } });
  }

  async forget(users: string[]): Promise<void> {
    await this.#all.deleteMany({ user: { $in: users } });
  }

  /** Deletes what is older than a year. */
  async sweep(now: number): Promise<void> {
    await this.#all.deleteMany({ createdAt: { $lt: now - YEAR } });
  }
}

/** A list in pieces that are small enough for one write, or one question. */
export function batches<T>(list: T[]): T[][] {
  return Array.from({ length: Math.ceil(list.length / BATCH) }, (_, i) =>
    list.slice(i * BATCH, (i + 1) * BATCH),
  );
}

/** What is announced, as the admin domain tells it; and how far its people are told (announcing.ts). */
import type { Static } from "typebox";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import type { Audience } from "../admin/announcements.contract.ts";
import type { messages } from "../contracts.ts";

export interface Bulletin {
  _id: string;
  version: number;
  title: string;
  body: string;
  level: "info" | "warning";
  audience: Audience;
  /** Milliseconds, as all times here. */
  startsAt: number;
  endsAt: number | null;
  createdAt: number;
  withdrawnAt: number | null;
  /** When it is over: its end, or since when it is withdrawn. */
  until: number;
  /** When something is to be done about it, or another node does it if this one dies; null: nothing is. */
  dueAt: number | null;
  /** Rises whenever its people are looked up anew. */
  plan: number;
  /** All of them are looked up. */
  planned: boolean;
  /** The last person who was looked up, and in how many parts they are so far. */
  after: string | null;
  parts: number;
  /** Its unread notices were taken away when it was over. */
  cleared: boolean;
}

type Content = Static<(typeof messages)["announcements.changed"]> & { withdrawnAt?: number };

/** Later than any end. */
const NEVER = Number.MAX_SAFE_INTEGER;
/** Milliseconds for which what is current is not read again. */
const FRESH = 1_000;
const AT_ONCE = 10;

export class Bulletins {
  readonly #all: Collection<Bulletin>;
  #read: Promise<Bulletin[]> | null = null;
  #readAt = -FRESH;

  constructor(all: Collection<Bulletin>) {
    this.#all = all;
  }

  static async open(store: DocumentStore): Promise<Bulletins> {
    const indexes = [{ fields: ["dueAt"] }, { fields: ["until"] }];
    return new Bulletins(await store.collection<Bulletin>("bulletins", { indexes }));
  }

  /** Keeps what was told, unless it is older than what is known. */
  async take(id: string, version: number, { withdrawnAt = null, ...content }: TakenContent): Promise<void> {
    const told = { ...content, version, withdrawnAt, until: withdrawnAt ?? content.endsAt ?? NEVER };
    for (;;) {
      const due = { ...told, dueAt: Date.now() };
      const known = await this.#all.findOne({ _id: id });
      if (known && known.version >= version) return;
      if (!known && (await this.#all.insertOne({ _id: id, ...due, ...unplanned(0), cleared: false }))) return;
      if (!known) continue;
      // Those who were looked up already are not those who are meant: who has been told is not told again.
      const others = JSON.stringify(known.audience) !== JSON.stringify(told.audience);
      const { matched } = await this.#all.updateOne(
        { _id: id, version: known.version, plan: known.plan },
        { $set: { ...due, ...(others && unplanned(known.plan + 1)) } },
      );
      if (matched > 0) return;
    }
  }

  /** What is announced now, newest first: as it was a second ago, with what has started or ended since then. */
  async current(now: number): Promise<Bulletin[]> {
    const all = await this.#coming();
    return all.filter(({ startsAt, until }) => startsAt <= now && until > now);
  }

  /** What is not over, read once in a second however many ask. */
  async #coming(): Promise<Bulletin[]> {
    const asked = performance.now();
    if (this.#read && asked - this.#readAt < FRESH) return this.#read;
    this.#readAt = asked;
    const read = this.#all.find({ until: { $gt: Date.now() } }, { sort: { startsAt: -1, _id: -1 } });
    this.#read = read;
    read.catch(() => {
      if (this.#read === read) this.#read = null;
    });
    return read;
  }

  /** Those that are known, by id. */
  async byIds(ids: readonly string[]): Promise<Map<string, Bulletin>> {
    const found = ids.length > 0 ? await this.#all.find({ _id: { $in: [...ids] } }) : [];
    return new Map(found.map((bulletin) => [bulletin._id, bulletin]));
  }

  one(id: string): Promise<Bulletin | null> {
    return this.#all.findOne({ _id: id });
  }

  due(now: number): Promise<Bulletin[]> {
    return this.#all.find({ dueAt: { $lte: now } }, { sort: { dueAt: 1, _id: 1 }, limit: AT_ONCE });
  }

  /**
   * Goes on from what was read: false where somebody else has, or where another content was told meanwhile.
   * @param fields what is so from now on; the bulletin itself is changed with them
   */
  async advance(bulletin: Bulletin, fields: Partial<Omit<Bulletin, "_id">>): Promise<boolean> {
    const { _id, version, plan, dueAt } = bulletin;
    const { matched } = await this.#all.updateOne({ _id, version, plan, dueAt }, { $set: fields });
    if (matched > 0) Object.assign(bulletin, fields);
    return matched > 0;
  }
}

type TakenContent = Omit<Content, "withdrawnAt"> & { withdrawnAt?: number | null };

/** Nobody is looked up yet. */
export function unplanned(plan: number) {
  return { plan, planned: false, after: null, parts: 0 };
}

/**
 * Posts in an order (the hottest, the newest), of all or of a club (its pinned ones first). The documents are the truth;
 * the first of each scope are kept on a board beside them, which may be away or missing at any time.
 */
import type { Query } from "../../lib/documents.ts";
import type { PostDocument, Store } from "./records.ts";

export const ALL = "all";
/** So many are on a board. */
export const ON_BOARD = 1_000;
/** Lifts the pinned posts of a club above any score. */
const PINNED = 1e6;

export type Ranked = Pick<PostDocument, "_id" | "clubId" | "shown" | "pinned" | "score">;

export interface Entry {
  id: string;
  rank: number;
}

/** The first of each scope. A board that cannot be reached rejects. */
export interface Board {
  /**
   * Entries behind `after` in their order, at most `limit`. `ends`: behind them there is nothing in the documents
   * either. null: the board of this scope is not there.
   */
  read(
    scope: string,
    after: Entry | null,
    limit: number,
  ): Promise<{ entries: Entry[]; ends: boolean } | null>;
  /** Only where the board is there: it is built whole, or not at all. */
  put(scope: string, entry: Entry): Promise<void>;
  drop(scope: string, id: string): Promise<void>;
  /** To be asked for before what `fill` gets is read. */
  generation(scope: string): Promise<string>;
  /** Without effect where the board is there, or when something was put since `generation` was asked for. */
  fill(scope: string, entries: readonly Entry[], whole: boolean, generation: string): Promise<void>;
}

export interface Order {
  rank(post: Ranked, scope: string): number;
  orderBy(scope: string): { pinned?: -1; score?: -1; _id: -1 };
  behind(scope: string, after: Entry): Query<PostDocument>;
}

export class Ranking {
  readonly #store: Store;
  readonly #board: Board | null;
  readonly #order: Order;
  /** Whom the board has not taken: put again by `catchUp`. */
  readonly #missed = new Set<string>();

  constructor(store: Store, board: Board | null, order = HOT) {
    this.#store = store;
    this.#board = board;
    this.#order = order;
  }

  /** At most `limit` entries behind `after` in their order. */
  async page(scope: string, after: Entry | null, limit: number): Promise<Entry[]> {
    // Until the board has what it missed it is not asked.
    const found = this.#missed.size === 0 ? await this.#fromBoard(scope, after, limit) : null;
    if (!found) return this.#fromDocuments(scope, after, limit);
    const { entries, ends } = found;
    if (ends || entries.length >= limit) return entries;
    const rest = await this.#fromDocuments(scope, entries.at(-1) ?? after, limit - entries.length);
    return [...entries, ...rest];
  }

  /** Never fails: what the board does not take is put again later. */
  async changed(post: Ranked): Promise<void> {
    if (!this.#board) return;
    try {
      await this.#put(post);
    } catch {
      this.#missed.add(post._id);
    }
  }

  /** Puts what the board has not taken. */
  async catchUp(): Promise<void> {
    if (!this.#board || this.#missed.size === 0) return;
    const ids = [...this.#missed].slice(0, ON_BOARD);
    for (const post of await this.#store.posts.find({ _id: { $in: ids } }, { projection: RANKED })) {
      await this.#put(post);
      this.#missed.delete(post._id);
    }
  }

  async #put(post: Ranked): Promise<void> {
    const board = this.#board;
    if (!board) return;
    const { _id: id, clubId, shown } = post;
    const scopes = clubId === null ? [ALL] : [ALL, clubId];
    const put = (scope: string) => board.put(scope, { id, rank: this.#order.rank(post, scope) });
    await Promise.all(scopes.map((scope) => (shown ? put(scope) : board.drop(scope, id))));
  }

  async #fromBoard(scope: string, after: Entry | null, limit: number) {
    const board = this.#board;
    if (!board) return null;
    try {
      const found = await board.read(scope, after, limit);
      if (found || after) return found;
      const generation = await board.generation(scope);
      const entries = await this.#fromDocuments(scope, null, ON_BOARD + 1);
      const whole = entries.length <= ON_BOARD;
      await board.fill(scope, entries.slice(0, ON_BOARD), whole, generation);
      return await board.read(scope, after, limit);
    } catch {
      return null;
    }
  }

  async #fromDocuments(scope: string, after: Entry | null, limit: number): Promise<Entry[]> {
    const shown: Query<PostDocument> = scope === ALL ? { shown: true } : { clubId: scope, shown: true };
    const found = await this.#store.posts.find(
      after ? { $and: [shown, this.#order.behind(scope, after)] } : shown,
      {
        sort: this.#order.orderBy(scope),
        limit,
        projection: RANKED,
      },
    );
    return found.map((post) => ({ id: post._id, rank: this.#order.rank(post, scope) }));
  }
}

export const RANKED = ["clubId", "shown", "pinned", "score"] as const;

export const HOT: Order = {
  rank: (post, scope) => post.score + lift(post, scope),
  orderBy: (scope) => (scope === ALL ? { score: -1, _id: -1 } : { pinned: -1, score: -1, _id: -1 }),
  behind(scope, { id, rank }) {
    const score = isLifted(rank, scope) ? rank - PINNED : rank;
    // A pinned one's score has lost its last digits in its rank.
    const lower = { _id: { $ne: id }, $or: [{ score: { $lt: score } }, { score, _id: { $lt: id } }] };
    return behindOf(lower, rank, scope);
  },
};

export const NEW: Order = {
  rank: lift,
  orderBy: (scope) => (scope === ALL ? { _id: -1 } : { pinned: -1, _id: -1 }),
  behind: (scope, { id, rank }) => behindOf({ _id: { $lt: id } }, rank, scope),
};

function lift(post: Ranked, scope: string): number {
  return scope !== ALL && post.pinned ? PINNED : 0;
}

function isLifted(rank: number, scope: string): boolean {
  return scope !== ALL && rank >= PINNED;
}

/** @param lower behind it among those that are pinned as it is */
function behindOf(lower: Query<PostDocument>, rank: number, scope: string): Query<PostDocument> {
  if (scope === ALL) return lower;
  return isLifted(rank, scope)
    ? { $or: [{ pinned: false }, { pinned: true, ...lower }] }
    : { pinned: false, ...lower };
}

/** Whether `one` is behind `other`. */
export function isBehind(one: Entry, other: Entry): boolean {
  return one.rank < other.rank || (one.rank === other.rank && one.id < other.id);
}

/**
 * Document collections with the part of MongoDB's interface that the domains use, so that a domain runs on MongoDB
 * and embedded (documents/) alike.
 */
import type { Pool } from "./pools.ts";

type Path = `${string}.${string}`;
type Element<T> = NonNullable<T> extends readonly (infer E)[] ? E : NonNullable<T>;
/** Ordering is for single values: over a list MongoDB and NeDB mean different things. */
type Range<T> = NonNullable<T> extends string | number ? { $lt?: T; $lte?: T; $gt?: T; $gte?: T } : unknown;
type Comparable<T> = Extract<Element<T>, string | number | boolean> | null;
type Condition<T> =
  | Comparable<T>
  | ({
      $in?: readonly Comparable<T>[];
      $nin?: readonly Comparable<T>[];
      $ne?: Comparable<T>;
      $exists?: boolean;
    } & Range<T>);

/** All must hold. Of a list: an element does (`$ne`, `$nin`: none does). null is also a field that is missing. */
export type Query<D> = { [K in keyof D]?: Condition<D[K]> } & {
  [path in Path]?: Condition<string | number> | boolean;
} & { $and?: readonly Query<D>[]; $or?: readonly Query<D>[] };

type ListsOf<D> = {
  [K in keyof D as NonNullable<D[K]> extends readonly unknown[] ? K : never]: Element<D[K]>;
};
type NumbersOf<D> = { [K in keyof D as NonNullable<D[K]> extends number ? K : never]: number };
type Anywhere = { [path in Path]?: unknown };
type Added<D> = { [K in keyof ListsOf<D>]?: ListsOf<D>[K] | { $each: readonly ListsOf<D>[K][] } };
type Pulled<D> = { [K in keyof ListsOf<D>]?: Partial<ListsOf<D>[K]> | { $in: readonly ListsOf<D>[K][] } };

/** Undefined values are left out. `$pull` takes a value, `{ $in }`, or fields that the elements have. */
export interface Update<D> {
  $set?: Partial<Omit<D, "_id">> & Anywhere;
  $unset?: { [K in Exclude<keyof D, "_id"> | Path]?: true };
  $inc?: Partial<NumbersOf<D>> & { [path in Path]?: number };
  $push?: Added<D> & Anywhere;
  $addToSet?: Added<D> & Anywhere;
  $pull?: Pulled<D> & Anywhere;
}

/** The query names the `_id`. */
export interface Upsert<D> {
  query: Query<D>;
  update: Update<D>;
}

export interface FindOptions<D, K extends keyof D> {
  /** The first key counts most. Missing fields and null come first. Strings compare by code, not by language. */
  sort?: { [key in keyof D | Path]?: 1 | -1 };
  skip?: number;
  limit?: number;
  /** Fields of the answer; `_id` is always there. */
  projection?: readonly K[];
}

/**
 * Documents are JSON: times as milliseconds, undefined fields left out; they are copied in and out. Each call is atomic
 * for one document; embedded it is so for all of them. What is answered is on disk. A write that the disk refuses
 * rejects with UNAVAILABLE and has changed nothing.
 */
export interface Collection<D extends { _id: string }> {
  /** False when the `_id`, or what another unique index holds, is there already: a repeat is harmless. */
  insertOne(doc: D): Promise<boolean>;
  /** Skips those that `insertOne` would refuse; returns how many are new. */
  insertMany(docs: readonly D[]): Promise<number>;
  findOne(query: Query<D>): Promise<D | null>;
  /** Without `sort` in no order that could be relied on. */
  find<K extends keyof D = keyof D>(
    query: Query<D>,
    options?: FindOptions<D, K>,
  ): Promise<Pick<D, K | "_id">[]>;
  count(query: Query<D>): Promise<number>;
  /**
   * Changes one document that the query matches. `modified` is 1 when something was written, so 0 also when the
   * document was like that before. With `upsert` (the query names the `_id`) a document that is not there is made from
   * what the query demands to be equal, then updated: `matched` 0, `modified` 1; where the `_id` exists but the rest of
   * the query does not match, nothing happens: 0 and 0.
   * @throws DuplicateKeyError when a unique index forbids it (not with an upsert that would insert)
   */
  updateOne(
    query: Query<D>,
    update: Update<D>,
    options?: { upsert?: boolean },
  ): Promise<{ matched: number; modified: number }>;
  /**
   * Each change as `updateOne` with `upsert` would do it. Embedded one after another, all or none; on MongoDB those of
   * one document in their order, and one that fails does not stop the others. What a unique index forbids is left out,
   * also of an update. Returns how many of the changes changed or made something.
   */
  upsertMany(changes: readonly Upsert<D>[]): Promise<number>;
  /** Returns how many documents it changed. @throws DuplicateKeyError when a unique index forbids one of the changes */
  updateMany(query: Query<D>, update: Update<D>): Promise<number>;
  /** Returns how many it deleted. */
  deleteMany(query: Query<D>): Promise<number>;
}

/** In a unique index a missing field counts as null, and the fields hold single values. */
export interface IndexDefinition {
  fields: readonly string[];
  unique?: boolean;
}

/** A document as it stands in the store, whatever its fields. */
export type AnyDocument = { _id: string } & Record<string, unknown>;

export interface CollectionOptions {
  indexes: readonly IndexDefinition[];
  /**
   * For stores without migrations: of the documents that are there, before the indexes hold for them, those that must
   * change, as they shall be.
   */
  upgrade?: (docs: readonly AnyDocument[]) => AnyDocument[];
}

export interface DocumentStore {
  /** Opens a collection; the same name gives the same collection, with the options of the first call. */
  collection<D extends { _id: string }>(name: string, options: CollectionOptions): Promise<Collection<D>>;
  /** Rejects when the store does not answer. */
  ping(): Promise<void>;
  /** Of a server: how busy the connections to it are. */
  pool?: () => Pool;
  /** Waits for what is being written; later calls reject. */
  close(): Promise<void>;
}

export { openDocuments } from "./documents/store.ts";
export { DuplicateKeyError } from "./documents/unique-index.ts";

/** The document store on MongoDB (docs/decisions/0015-mongodb.md). Needs nothing that a standalone server lacks. */
import { MongoClient } from "mongodb";
import type {
  BulkWriteResult,
  Collection as DriverCollection,
  Db,
  Document as Loose,
  Filter,
  UpdateFilter,
} from "mongodb";
import type { Collection, DocumentStore, FindOptions, Query, Update, Upsert } from "../documents.ts";
import type { Pool } from "../pools.ts";
import { SettingsError } from "../settings.ts";
import { answered, duplicatesOf, explained, isDuplicate } from "./mongo-errors.ts";
import { countConnections } from "./mongo-pool.ts";
import { equalities, nedbQuery, plain, updater } from "./rules.ts";
import { DuplicateKeyError } from "./unique-index.ts";

type Document = { _id: string };

/** Milliseconds; a request waits 10 s at most. */
const LIMITS = {
  serverSelectionTimeoutMS: 2_000,
  connectTimeoutMS: 2_000,
  waitQueueTimeoutMS: 2_000,
  socketTimeoutMS: 5_000,
  heartbeatFrequencyMS: 2_000,
  minHeartbeatFrequencyMS: 500,
  maxPoolSize: 20,
};

/**
 * Opens the database that the URL names. It need not answer yet: calls reject with UNAVAILABLE while it does not. What
 * is acknowledged is on the disk of a majority.
 */
export function openMongo(url: string): MongoStore {
  return new MongoStore(clientOf(url));
}

function clientOf(url: string): MongoClient {
  try {
    return new MongoClient(url, {
      ...LIMITS,
      writeConcern: { w: "majority", journal: true },
      readPreference: "primary",
      ignoreUndefined: true,
      appName: "club-alliance",
    });
  } catch {
    // The driver repeats the address, and its password.
    throw new SettingsError(
      "The address of a MongoDB cannot be read: it takes mongodb://user:password@host:27017,host:27017/name?options, with special characters of the password percent-encoded.",
    );
  }
}

export class MongoStore implements DocumentStore {
  readonly #client: MongoClient;
  readonly db: Db;
  readonly pool: () => Pool;

  constructor(client: MongoClient) {
    this.#client = client;
    this.db = client.db();
    this.pool = countConnections(client, LIMITS.maxPoolSize);
  }

  /** Its indexes are made by migrations. */
  async collection<D extends Document>(name: string): Promise<Collection<D>> {
    return collectionOf<D>(this.db, name);
  }

  async ping(): Promise<void> {
    await answered(this.db.command({ ping: 1 }));
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

/** A collection of a database, with the indexes that it has. */
export function collectionOf<D extends Document>(db: Db, name: string): Collection<D> {
  return new MongoCollection<D>(name, db.collection<Document & Loose>(name));
}

class MongoCollection<D extends Document> implements Collection<D> {
  readonly #name: string;
  readonly #docs: DriverCollection<Document & Loose>;

  constructor(name: string, docs: DriverCollection<Document & Loose>) {
    this.#name = name;
    this.#docs = docs;
  }

  async insertOne(doc: D): Promise<boolean> {
    return (await this.insertMany([doc])) === 1;
  }

  async insertMany(docs: readonly D[]): Promise<number> {
    const all = docs.map((doc) => withId(plain(doc)));
    if (all.length === 0) return 0;
    try {
      const { insertedCount } = await this.#docs.insertMany(all, { ordered: false });
      return insertedCount;
    } catch (error) {
      return all.length - duplicatesOf(error).indexes.length; // unordered: all the others went in
    }
  }

  async findOne(query: Query<D>): Promise<D | null> {
    const found = await answered(this.#docs.findOne(filterOf(query)));
    return found as D | null;
  }

  async find<K extends keyof D = keyof D>(
    query: Query<D>,
    { sort, skip = 0, limit = Infinity, projection }: FindOptions<D, K> = {},
  ): Promise<Pick<D, K | "_id">[]> {
    if (limit < 1) throw new RangeError("A limit is at least 1."); // for MongoDB 0 is no limit
    const options = {
      ...(sort && { sort: sort as Record<string, 1 | -1> }),
      ...(projection && {
        projection: { _id: 1, ...Object.fromEntries(projection.map((key) => [key, 1])) },
      }),
      ...(skip > 0 && { skip }),
      ...(limit < Infinity && { limit }),
    };
    const found = this.#docs.find<Loose>(filterOf(query), options);
    return (await answered(found.toArray())) as Pick<D, K | "_id">[];
  }

  async count(query: Query<D>): Promise<number> {
    return answered(this.#docs.countDocuments(filterOf(query)));
  }

  async updateOne(
    query: Query<D>,
    update: Update<D>,
    { upsert = false } = {},
  ): Promise<{ matched: number; modified: number }> {
    if (upsert) withId(equalities(query) as Document);
    const [filter, change] = [filterOf(query), changeOf(update)];
    if (!change) return this.#touch(query, upsert);
    const run = async (inserting: boolean): Promise<{ matched: number; modified: number }> => {
      const done = await this.#docs.updateOne(filter, change, { upsert: inserting });
      return { matched: done.matchedCount, modified: done.modifiedCount + done.upsertedCount };
    };
    try {
      return await run(upsert);
    } catch (error) {
      if (!upsert || !isDuplicate(error)) throw this.#explained(error);
      // Somebody has made it meanwhile, or it is there and does not match: an update that makes nothing tells.
      return run(false).catch((again: unknown) => {
        throw this.#explained(again);
      });
    }
  }

  async upsertMany(changes: readonly Upsert<D>[]): Promise<number> {
    let changed = 0;
    for (const updates of rounds(changes.map(upsertOf))) {
      const first = await this.#bulk(updates.map((update) => ({ ...update, upsert: true })));
      // As in updateOne: one that somebody has made meanwhile may match.
      const again = await this.#bulk(first.duplicates.flatMap((index) => updates[index] ?? []));
      changed += first.changed + again.changed;
    }
    return changed;
  }

  /** Unordered, so that a duplicate key stops none of the others; also tells which of them met one. */
  async #bulk(
    updates: (OneUpdate & { upsert?: boolean })[],
  ): Promise<{ changed: number; duplicates: number[] }> {
    if (updates.length === 0) return { changed: 0, duplicates: [] };
    const changed = (result: BulkWriteResult): number => result.modifiedCount + result.upsertedCount;
    const operations = updates.map(({ filter, update, upsert = false }) => ({
      updateOne: { filter, update, upsert },
    }));
    try {
      const result = await this.#docs.bulkWrite(operations, { ordered: false });
      return { changed: changed(result), duplicates: [] };
    } catch (error) {
      const { indexes, result } = duplicatesOf(error);
      return { changed: changed(result), duplicates: indexes };
    }
  }

  async updateMany(query: Query<D>, update: Update<D>): Promise<number> {
    const [filter, change] = [filterOf(query), changeOf(update)];
    if (!change) return 0;
    try {
      return (await this.#docs.updateMany(filter, change)).modifiedCount;
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async deleteMany(query: Query<D>): Promise<number> {
    const { deletedCount } = await answered(this.#docs.deleteMany(filterOf(query)));
    return deletedCount;
  }

  /** An update that changes nothing. */
  async #touch(query: Query<D>, upsert: boolean): Promise<{ matched: number; modified: number }> {
    const matched = Math.min(await this.count(query), 1);
    if (matched === 1 || !upsert) return { matched, modified: 0 };
    return { matched, modified: await this.insertMany([equalities(query) as D]) };
  }

  #explained(error: unknown): unknown {
    if (!isDuplicate(error)) return explained(error);
    const { keyPattern } = error as { keyPattern?: object };
    return new DuplicateKeyError(this.#name, Object.keys(keyPattern ?? { "unique fields": 1 }));
  }
}

/** The same refusals as embedded: of what a domain must not use, above all undefined. */
function filterOf(query: object): Filter<Document & Loose> {
  nedbQuery(query);
  return query;
}

/** The update without what is undefined; null when nothing is left. */
function changeOf(update: object): UpdateFilter<Document & Loose> | null {
  updater(update);
  const parts = Object.entries(update).flatMap(([operator, fields]: [string, object]) => {
    const given = Object.entries(fields).filter(([, value]) => value !== undefined);
    return given.length > 0 ? [[operator, Object.fromEntries(given)] as const] : [];
  });
  return parts.length > 0 ? (Object.fromEntries(parts) as UpdateFilter<Document & Loose>) : null;
}

interface OneUpdate {
  id: string;
  filter: Filter<Document & Loose>;
  update: UpdateFilter<Document & Loose>;
}

function upsertOf<D>({ query, update }: Upsert<D>): OneUpdate {
  const { _id: id } = withId(equalities(query) as Document);
  // An update that changes nothing still makes the document.
  return { id, filter: filterOf(query), update: changeOf(update) ?? { $setOnInsert: { _id: id } } };
}

/** Changes of one document come in different rounds, since those of one round have no order; mostly it is one round. */
function rounds(updates: OneUpdate[]): OneUpdate[][] {
  const result: OneUpdate[][] = [];
  const used = new Map<string, number>();
  for (const update of updates) {
    const round = used.get(update.id) ?? 0;
    used.set(update.id, round + 1);
    (result[round] ??= []).push(update);
  }
  return result;
}

function withId<T extends Document>(doc: T): T {
  if (typeof doc._id === "string" && doc._id !== "") return doc;
  throw new TypeError("A document needs an _id that is a string; an upsert's query names it.");
}

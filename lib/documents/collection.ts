/** One collection of the embedded store: NeDB answers the queries, the disk has every write first. */
import { createRequire } from "node:module";
import type { Collection, CollectionOptions, FindOptions, Query, Update, Upsert } from "../documents.ts";
import type { Change, Disk, Document } from "./disk.ts";
import { comparator, copy, equalities, nedbQuery, plain, updater } from "./rules.ts";
import type { Fields } from "./rules.ts";
import { DuplicateKeyError, UniqueIndex } from "./unique-index.ts";

/** What is used of NeDB. Its own types say `any`, do not know `mapFn`, and look for the export in `default`. */
interface Memory<D> {
  ensureIndexAsync(options: { fieldName: string; sparse: boolean }): Promise<void>;
  insertAsync(docs: D[]): Promise<unknown>;
  updateAsync(query: Fields, replacement: D, options: object): Promise<unknown>;
  removeAsync(query: Fields, options: object): Promise<unknown>;
  findAsync<T>(query: Fields): Cursor<D, T>;
}
interface Cursor<D, T> {
  /** Turns the documents found, the store's own, into the answer. */
  mapFn: (docs: D[]) => T;
  limit(limit: number): unknown;
  execAsync(): Promise<T>;
}
const require = createRequire(import.meta.url);
const Nedb: new <D>() => Memory<D> = require("@seald-io/nedb");
/** What NeDB's own queries ask of each document. */
const { match }: { match: (doc: object, query: Fields) => boolean } = require("@seald-io/nedb/lib/model.js");

export class EmbeddedCollection<D extends Document> implements Collection<D> {
  readonly #name: string;
  readonly #disk: Disk;
  readonly #memory = new Nedb<D>();
  readonly #unique: UniqueIndex[];
  /** Ends when the last write so far has: each write reads what it changes, so they come one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(name: string, disk: Disk, unique: UniqueIndex[]) {
    this.#name = name;
    this.#disk = disk;
    this.#unique = unique;
  }

  /** Loads the collection. @throws DuplicateKeyError when its documents contradict a unique index */
  static async open<D extends Document>(
    name: string,
    { indexes, upgrade }: CollectionOptions,
    disk: Disk,
  ): Promise<EmbeddedCollection<D>> {
    const unique = [{ fields: ["_id"] }, ...indexes.filter((index) => index.unique)].map(
      ({ fields }) => new UniqueIndex(fields),
    );
    const collection = new EmbeddedCollection<D>(name, disk, unique);
    const changed = upgrade?.(disk.load(name)) ?? [];
    if (changed.length > 0)
      disk.write(
        name,
        changed.map((after) => ({ after })),
      );
    const docs = disk.load<D>(name);
    collection.#claim(docs.map((after) => ({ after })));
    await collection.#memory.insertAsync(docs);
    // NeDB has no compound indexes: by the first field it finds the candidates. Sparse, since a missing field is never
    // looked up there and thousands of them under one key are slow.
    for (const [fieldName] of indexes.map(({ fields }) => fields)) {
      if (fieldName) await collection.#memory.ensureIndexAsync({ fieldName, sparse: true });
    }
    return collection;
  }

  async insertOne(doc: D): Promise<boolean> {
    return (await this.insertMany([doc])) === 1;
  }

  async insertMany(docs: readonly D[]): Promise<number> {
    const changes = docs.map((doc) => ({ after: withId(plain(doc)) }));
    return this.#inTurn(() => this.#store(changes, "skip"));
  }

  async findOne(query: Query<D>): Promise<D | null> {
    this.#demandOpen();
    const [doc] = await this.#matches(nedbQuery(query), (docs) => docs.slice(0, 1).map(copy), 1);
    return doc ?? null;
  }

  async find<K extends keyof D = keyof D>(
    query: Query<D>,
    { sort, skip = 0, limit = Infinity, projection }: FindOptions<D, K> = {},
  ): Promise<Pick<D, K | "_id">[]> {
    this.#demandOpen();
    if (limit < 1) throw new RangeError("A limit is at least 1."); // for MongoDB 0 is no limit
    const order = sort && comparator(sort);
    const names = projection && new Set<PropertyKey>(["_id", ...projection]);
    const part = (doc: D): object =>
      names ? Object.fromEntries(Object.entries(doc).filter(([name]) => names.has(name))) : doc;
    const answer = (doc: D): Pick<D, K | "_id"> => JSON.parse(JSON.stringify(part(doc)));
    return this.#matches(
      nedbQuery(query),
      (docs) => (order ? docs.toSorted(order) : docs).slice(skip, skip + limit).map(answer),
      order ? Infinity : skip + limit,
    );
  }

  async count(query: Query<D>): Promise<number> {
    this.#demandOpen();
    return this.#matches(nedbQuery(query), (docs) => docs.length);
  }

  async updateOne(
    query: Query<D>,
    update: Update<D>,
    { upsert = false } = {},
  ): Promise<{ matched: number; modified: number }> {
    const wanted = nedbQuery(query);
    const change = updater(update);
    const fresh = upsert ? this.#upserted(change(equalities(query))) : null;
    return this.#inTurn(async () => {
      const found = await this.#matches(wanted, (docs) => docs, 1);
      if (found.length > 0) return { matched: 1, modified: await this.#replace(found.slice(0, 1), change) };
      return { matched: 0, modified: fresh ? await this.#store([{ after: fresh }], "skip") : 0 };
    });
  }

  async upsertMany(changes: readonly Upsert<D>[]): Promise<number> {
    const prepared = changes.map(({ query, update }) => {
      const change = updater(update);
      return { wanted: nedbQuery(query), change, fresh: this.#upserted(change(equalities(query))) };
    });
    return this.#inTurn(() => this.#upsertAll(prepared));
  }

  async updateMany(query: Query<D>, update: Update<D>): Promise<number> {
    const wanted = nedbQuery(query);
    const change = updater(update);
    return this.#inTurn(async () => this.#replace(await this.#matches(wanted, (docs) => docs), change));
  }

  async deleteMany(query: Query<D>): Promise<number> {
    const wanted = nedbQuery(query);
    return this.#inTurn(async () => {
      const docs = await this.#matches(wanted, (found) => found);
      return this.#store(
        docs.map((before) => ({ before })),
        "reject",
      );
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
  }

  /** @param view makes the answer from the store's own documents, which it must not change or give away */
  async #matches<T>(query: Fields, view: (docs: D[]) => T, limit = Infinity): Promise<T> {
    const cursor = this.#memory.findAsync<T>(query);
    if (limit < Infinity) cursor.limit(limit);
    cursor.mapFn = view;
    return cursor.execAsync();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#demandOpen();
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Writes the documents as `change` makes them; returns how many are different then. */
  #replace(docs: D[], change: (doc: D) => D): Promise<number> {
    const changes = docs
      .map((before) => ({ before, after: change(before) }))
      .filter(({ before, after }) => !isSame(before, after));
    return this.#store(changes, "reject");
  }

  /** Each change sees what those before it have made, which neither disk nor memory has yet. */
  async #upsertAll(upserts: PreparedUpsert<D>[]): Promise<number> {
    const stored = await this.#byId(new Set(upserts.map(({ fresh }) => fresh._id)));
    const latest = new Map(stored);
    const claimed: Change<D>[] = [];
    try {
      for (const upsert of upserts) {
        const change = changeBy(upsert, latest.get(upsert.fresh._id));
        if (!change || this.#claim([change], "skip").length === 0) continue;
        claimed.push(change);
        latest.set(change.after._id, change.after);
      }
    } catch (error) {
      this.#release(claimed);
      throw error;
    }
    const results = [...latest].map(([id, after]) => ({ before: stored.get(id), after }));
    await this.#write(
      claimed,
      results.filter(({ before, after }) => before !== after),
    );
    return claimed.length;
  }

  /** One by one: NeDB compares each document that `$in` finds with all of its values. */
  async #byId(ids: Iterable<string>): Promise<Map<string, D>> {
    const found = await Promise.all([...ids].map((_id) => this.#matches({ _id }, (docs) => docs)));
    return new Map(found.flat().map((doc) => [doc._id, doc]));
  }

  /**
   * Writes changes; returns how many.
   * @param duplicates whether a change that a unique index forbids is left out, or rejects them all
   */
  async #store(changes: Change<D>[], duplicates: "skip" | "reject"): Promise<number> {
    const claimed = this.#claim(changes, duplicates);
    await this.#write(claimed, claimed);
    return claimed.length;
  }

  /**
   * Writes to disk and, only then, to memory. Memory gets all changes into its queue at once, so whoever reads later
   * sees all of them.
   * @param claimed whose unique values go back when the disk refuses
   */
  async #write(claimed: Change<D>[], changes: Change<D>[]): Promise<void> {
    try {
      if (changes.length > 0) this.#disk.write(this.#name, changes);
    } catch (error) {
      this.#release(claimed);
      throw error;
    }
    await Promise.all(changes.map((change) => this.#remember(change)));
  }

  /** Takes the changes' unique values, all or (with "skip") those that are free; returns whose it took. */
  #claim(changes: Change<D>[], duplicates: "skip" | "reject" = "reject"): Change<D>[] {
    const claimed: Change<D>[] = [];
    try {
      for (const change of changes) {
        const forbidding = this.#unique.find((index) => index.forbids(change));
        if (forbidding && duplicates === "reject") throw new DuplicateKeyError(this.#name, forbidding.fields);
        if (forbidding) continue;
        for (const index of this.#unique) index.apply(change);
        claimed.push(change);
      }
    } catch (error) {
      this.#release(claimed);
      throw error;
    }
    return claimed;
  }

  #release(changes: Change<D>[]): void {
    for (const { before, after } of changes.toReversed()) {
      for (const index of this.#unique) index.apply({ before: after, after: before });
    }
  }

  #remember({ before, after }: Change<D>): Promise<unknown> {
    if (!before) return this.#memory.insertAsync(after ? [after] : []);
    return after
      ? this.#memory.updateAsync({ _id: before._id }, after, {})
      : this.#memory.removeAsync({ _id: before._id }, {});
  }

  /** What an upsert makes has the fields of a document if its query and update have. */
  #upserted(fields: object): D {
    const doc: D = JSON.parse(JSON.stringify(fields));
    return withId(doc);
  }

  #demandOpen(): void {
    if (this.#closed) throw new Error("The document store is closed.");
  }
}

interface PreparedUpsert<D> {
  wanted: Fields;
  change: (doc: D) => D;
  /** What it makes where there is no document. */
  fresh: D;
}

/** What an upsert does where `before` is the document with its `_id`; null for nothing. */
function changeBy<D extends Document>(
  { wanted, change, fresh }: PreparedUpsert<D>,
  before: D | undefined,
): { before?: D; after: D } | null {
  if (!before) return { after: fresh };
  if (!match(before, wanted)) return null;
  const after = change(before);
  return isSame(before, after) ? null : { before, after };
}

function isSame(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function withId<D extends Document>(doc: D): D {
  if (typeof doc._id === "string" && doc._id !== "") return doc;
  throw new TypeError("A document needs an _id that is a string; an upsert's query names it.");
}

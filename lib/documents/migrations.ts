/** Migrations of a domain's documents on MongoDB. Embedded stores need none: they index as the services say. */
import type { Db } from "mongodb";
import { MongoServerError } from "mongodb";
import type { Collection } from "../documents.ts";
import type { Ledger } from "../migrations.ts";
import { MigrationRunner } from "../migrations.ts";
import { collectionOf } from "./mongo.ts";

/** What a migration of documents works with. */
export interface DocumentMigration {
  /** Makes an index; for queries from left to right. In a unique one a missing field counts as null. */
  createIndex(collection: string, fields: readonly string[], options?: { unique?: boolean }): Promise<void>;
  dropIndex(collection: string, fields: readonly string[]): Promise<void>;
  /** For what must be changed in the documents themselves. */
  collection<D extends { _id: string }>(name: string): Collection<D>;
}

/** The migrations of a domain's MongoDB database. */
export class DocumentMigrations extends MigrationRunner<DocumentMigration> {
  constructor(db: Db, domain: string) {
    super(domain, ledgerOf(db), indexMaker(db));
  }
}

const nameOf = (fields: readonly string[]): string => fields.join("_");

/** Makes indexes of a database. */
export function indexMaker(db: Db): DocumentMigration {
  return {
    async createIndex(collection, fields, { unique = false } = {}) {
      const keys = Object.fromEntries(fields.map((field) => [field, 1 as const]));
      await db.collection(collection).createIndex(keys, { name: nameOf(fields), unique });
    },
    async dropIndex(collection, fields) {
      await db.collection(collection).dropIndex(nameOf(fields));
    },
    collection: (name) => collectionOf(db, name),
  };
}

function ledgerOf(db: Db): Ledger {
  const done = db.collection<{ _id: string; at: number }>("migrations");
  const lock = db.collection<{ _id: string; owner: string; until: number }>("migrationLock");
  return {
    async executed() {
      return (await done.find().sort({ _id: 1 }).toArray()).map(({ _id }) => _id);
    },
    async log(name) {
      await done.insertOne({ _id: name, at: Date.now() });
    },
    async unlog(name) {
      await done.deleteOne({ _id: name });
    },
    async take(owner, now, until) {
      const free = { _id: "lock", $or: [{ until: { $lt: now } }, { owner }] };
      try {
        await lock.updateOne(free, { $set: { owner, until } }, { upsert: true });
        return true;
      } catch (error) {
        // It is there, and somebody else's.
        if (error instanceof MongoServerError && error.code === 11_000) return false;
        throw error;
      }
    },
    async free(owner) {
      await lock.updateOne({ _id: "lock", owner }, { $set: { until: 0 } });
    },
  };
}

/**
 * Databases of MongoDB, by its driver: one line of Extended JSON for each document (docs/decisions/0034-backup.md). A
 * replica set is read as one moment saw it; another server document by document.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";
import { BSON, MongoClient, MongoCompatibilityError, MongoServerError } from "mongodb";
import type { ClientSession, Db, Document } from "mongodb";
import { SettingsError } from "../../lib/settings.ts";
import type { DocumentDomain, Settings } from "../../lib/settings.ts";
import type { Snapshot } from "./snapshot.ts";

const { EJSON } = BSON;
/** Documents that are written at once. */
const BATCH = 500;
/** The ledger of migrations: written at the end of a restore. */
const LEDGER = "migrations";
const NOT_KEPT = [LEDGER, "migrationLock"];

/** Opens a domain's database for a piece of work. */
export async function withMongo<R>(
  settings: Settings,
  domain: DocumentDomain,
  work: (db: Db) => Promise<R>,
): Promise<R> {
  const client = mongoOf(settings.documentUrls[domain] as string);
  try {
    return await work(client.db());
  } finally {
    await client.close();
  }
}

interface Index {
  key: Record<string, 1 | -1>;
  name: string;
  unique?: boolean;
}
type Line =
  { collection: string; indexes: Index[] } | { document: Document } | { end: true; documents: unknown };

function mongoOf(url: string): MongoClient {
  return new MongoClient(url, {
    serverSelectionTimeoutMS: 10_000,
    writeConcern: { w: "majority", journal: true },
    appName: "club-alliance-backup",
  });
}

/** @param warn told when the server cannot show one moment */
export async function openMongoSnapshot(
  settings: Settings,
  domain: DocumentDomain,
  warn: (text: string) => void,
): Promise<Snapshot> {
  const client = mongoOf(settings.documentUrls[domain] as string);
  const db = client.db();
  const migrationsNow = async (): Promise<string[]> => ledgerOf(db);
  const migrations = await migrationsNow();
  return {
    domain,
    kind: "mongodb",
    form: "jsonl",
    migrations,
    migrationsNow,
    read: () => dump(client, domain, warn),
    audit: async () => ({ heads: [], checkpoint: null }),
    erased: async () => [],
    close: () => client.close(),
  };
}

async function ledgerOf(db: Db): Promise<string[]> {
  const rows = await db.collection<{ _id: string }>(LEDGER).find().sort({ _id: 1 }).toArray();
  return rows.map(({ _id }) => _id);
}

async function dump(
  client: MongoClient,
  domain: DocumentDomain,
  warn: (text: string) => void,
): Promise<Readable> {
  const db = client.db();
  const session = await snapshotSession(client);
  if (!session)
    warn(
      `${domain}: the server is no replica set, so that its documents are not all of the same moment. Let nobody write meanwhile, or use a replica set.`,
    );
  const lines = new PassThrough();
  writeLines(db, session, lines)
    .then(() => lines.end())
    .catch((error: Error) => lines.destroy(error))
    .finally(() => void session?.endSession());
  return lines;
}

/** Null where the server has none. */
async function snapshotSession(client: MongoClient): Promise<ClientSession | null> {
  const session = client.startSession({ snapshot: true });
  try {
    await client.db().collection(LEDGER).findOne({}, { session });
    return session;
  } catch (error) {
    await session.endSession();
    // The driver itself knows of old servers.
    if (error instanceof MongoServerError || error instanceof MongoCompatibilityError) return null;
    throw error;
  }
}

async function writeLines(db: Db, session: ClientSession | null, to: PassThrough): Promise<void> {
  let documents = 0;
  const write = async (line: Line): Promise<void> => {
    if (!to.write(`${EJSON.stringify(line, { relaxed: false })}\n`)) await once(to, "drain");
  };
  const collections = await db.listCollections({ type: "collection" }, { nameOnly: true }).toArray();
  for (const { name } of collections.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (NOT_KEPT.includes(name) || name.startsWith("system.")) continue;
    const indexes = (await db.collection(name).indexes()) as Index[];
    await write({
      collection: name,
      indexes: indexes
        .filter((index) => index.name !== "_id_")
        .map(({ key, name: called, unique }) => ({ key, name: called, ...(unique && { unique }) })),
    });
    for await (const document of db.collection(name).find({}, session ? { session } : {})) {
      await write({ document });
      documents++;
    }
  }
  await write({ end: true, documents });
}

/** Puts documents and indexes into an empty database. Returns how many documents. */
export async function loadMongo(db: Db, source: Readable): Promise<number> {
  let name: string | null = null;
  let batch: Document[] = [];
  let count = 0;
  let whole = false;
  const flush = async (): Promise<void> => {
    if (name !== null && batch.length > 0) await db.collection(name).insertMany(batch);
    count += batch.length;
    batch = [];
  };
  const input = createInterface({ input: source, crlfDelay: Infinity });
  const failed = once(source, "error").then(([error]) => Promise.reject(error as Error));
  const work = async (): Promise<void> => {
    for await (const text of input) {
      const line = EJSON.parse(text, { relaxed: false }) as Line;
      if ("document" in line) {
        batch.push(line.document);
        if (batch.length >= BATCH) await flush();
        continue;
      }
      await flush();
      if ("end" in line) {
        whole = Number(line.documents) === count;
        continue;
      }
      name = line.collection;
      for (const { key, name: called, unique } of line.indexes)
        await db
          .collection(name)
          .createIndex(numbers(key), { name: called, ...(unique && { unique: true }) });
    }
  };
  await Promise.race([work(), failed]);
  if (!whole) throw new SettingsError("The documents end before their end: this is not a whole backup.");
  return count;
}

/** Canonical Extended JSON gives numbers as objects of their types. */
function numbers(key: Record<string, unknown>): Record<string, 1 | -1> {
  return Object.fromEntries(
    Object.entries(key).map(([field, order]) => [field, Number(order) === -1 ? -1 : 1]),
  );
}

/** The names of migrations that have run; a node is ready when it finds them. */
export async function writeLedger(db: Db, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await db
    .collection<{ _id: string; at: number }>(LEDGER)
    .insertMany(names.map((name) => ({ _id: name, at: Date.now() })));
}

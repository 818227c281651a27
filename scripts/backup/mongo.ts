/**
 * Databases of MongoDB, by its driver: one line of Extended JSON for each document (docs/decisions/0034-backup.md). A
 * replica set is read as one moment saw it; another server document by document.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";
import { BSON, MongoClient, MongoServerError } from "mongodb";
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
/** Codes of MongoDB's errors; the first: it no longer remembers the moment. */
const SNAPSHOT_TOO_OLD = 239;
const COMMAND_NOT_FOUND = 59;
/** What nodes call themselves (lib/documents/mongo.ts). */
const NODES = "club-alliance";

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
  try {
    const oneMoment = await showsMoments(db);
    if (!oneMoment)
      warn(
        `${domain}: the server is no replica set, so that its documents are not all of the same moment. Let nobody write meanwhile, or use a replica set.`,
      );
    return {
      domain,
      kind: "mongodb",
      form: "jsonl",
      oneMoment,
      migrations: await ledgerOf(db),
      migrationsNow: () => ledgerOf(db),
      read: () => dump(client, domain, oneMoment),
      audit: async () => ({ heads: [], checkpoint: null }),
      erased: async () => [],
      close: () => client.close(),
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Whether the server has snapshots: a replica set, or what stands before several. */
async function showsMoments(db: Db): Promise<boolean> {
  const { setName, msg } = await db.command({ hello: 1 }).catch((error: unknown) => {
    // Old servers know the same by its first name. Every other error is one: a torn dump must not come of it.
    if (error instanceof MongoServerError && error.code === COMMAND_NOT_FOUND)
      return db.command({ isMaster: 1 });
    throw error;
  });
  return Boolean(setName) || msg === "isdbgrid";
}

/** How many connections of nodes the server has; null where it does not tell. */
export async function nodesOn(db: Db): Promise<number | null> {
  try {
    // Of one's own name, which needs no further rights: the nodes have the same.
    const found = await db.client
      .db("admin")
      .aggregate([{ $currentOp: { allUsers: false, idleConnections: true } }, { $match: { appName: NODES } }])
      .toArray();
    return found.length;
  } catch (error) {
    if (error instanceof MongoServerError) return null;
    throw error;
  }
}

async function ledgerOf(db: Db): Promise<string[]> {
  const rows = await db.collection<{ _id: string }>(LEDGER).find().sort({ _id: 1 }).toArray();
  return rows.map(({ _id }) => _id);
}

async function dump(client: MongoClient, domain: DocumentDomain, oneMoment: boolean): Promise<Readable> {
  const db = client.db();
  const session = oneMoment ? client.startSession({ snapshot: true }) : null;
  const lines = new PassThrough();
  try {
    // The first that is read decides the moment.
    if (session) await db.collection(LEDGER).findOne({}, { session });
  } catch (error) {
    await session?.endSession();
    throw error;
  }
  writeLines(db, session, lines)
    .then(() => lines.end())
    .catch((error: Error) => lines.destroy(explained(error, domain)))
    .finally(() => void session?.endSession());
  return lines;
}

function explained(error: Error, domain: DocumentDomain): Error {
  if (!(error instanceof MongoServerError) || error.code !== SNAPSHOT_TOO_OLD) return error;
  return new SettingsError(
    `${domain}: reading took longer than MongoDB remembers a moment. Start each mongod with --setParameter minSnapshotHistoryWindowInSeconds=7200, or more.`,
  );
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

/** Where a restore writes: which stores there are, whether they are empty, and that nobody else is at work on them. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { Database } from "../../lib/database.ts";
import { SettingsError } from "../../lib/settings.ts";
import type { DocumentDomain, Settings, SqlDomain } from "../../lib/settings.ts";
import { lockStore } from "../../lib/store-lock.ts";
import { connect } from "../../mixins/database.ts";
import { embeddedFile, openEmbedded } from "./embedded.ts";
import type { Manifest, StoreDomain, StoredStore } from "./manifest.ts";
import { erasedOf } from "./mysql.ts";
import type { Erased } from "./snapshot.ts";

const MIGRATIONS = path.join(import.meta.dirname, "..", "..", "migrations");

/** @throws a sentence when this code or these settings cannot take the backup */
export function fits(settings: Settings, { id, stores, version }: Manifest): void {
  for (const { domain, kind, migrations } of stores) {
    if (kind !== "documents" && migrations.length === 0)
      throw new SettingsError(
        `The backup ${id} has ${domain} without its migrations: it was made of a store that was not whole. Take another one.`,
      );
    const known = readdirSync(path.join(MIGRATIONS, domain));
    const unknown = migrations.find((name) => !known.includes(`${name}.ts`));
    if (unknown)
      throw new SettingsError(
        `The backup ${id} was made by version ${version}, which had the migration ${unknown} of ${domain}; this code has not. Restore it with that version or a later one.`,
      );
    const embedded = embeddedFile(settings, domain) !== null;
    if (embedded !== (kind === "sqlite" || kind === "documents"))
      throw new SettingsError(
        `The backup ${id} has ${domain} from ${kind === "mysql" || kind === "mongodb" ? `a server (${kind})` : "a file of DATA_DIR"}, and the settings name ${embedded ? "no server" : "a server"}: restore it to where it came from.`,
      );
  }
}

/** Takes the files of embedded stores, so that no node starts on them. Returns what gives them back. */
export function lockEmbedded(settings: Settings, stores: readonly StoredStore[]): () => void {
  const unlocks: (() => void)[] = [];
  const free = (): void => unlocks.forEach((unlock) => unlock());
  try {
    for (const { domain } of stores) {
      const file = embeddedFile(settings, domain);
      if (file) unlocks.push(lockStore(file));
    }
  } catch (error) {
    free();
    throw new SettingsError((error as Error).message);
  }
  return free;
}

/**
 * Domains whose store has something in it.
 * @param say told of servers that do not tell who works on them
 * @throws while a node works on one of them
 */
export async function occupied(
  settings: Settings,
  stores: readonly StoredStore[],
  say: (text: string) => void,
): Promise<StoreDomain[]> {
  const found: StoreDomain[] = [];
  const silent: StoreDomain[] = [];
  for (const { domain, kind } of stores) {
    const file = embeddedFile(settings, domain);
    const has = file
      ? existsSync(file)
      : kind === "mysql"
        ? await hasTables(settings, domain as SqlDomain)
        : await hasCollections(settings, domain as DocumentDomain, () => silent.push(domain));
    if (has) found.push(domain);
  }
  if (silent.length > 0)
    say(`The server of ${silent.join(", ")} does not tell who is connected: see to it that no node is.`);
  return found;
}

/** TiDB has a list of all its servers; the other one is of the one that answers. */
const HAS_CLUSTER_LIST =
  "SELECT COUNT(*) AS n FROM information_schema.tables WHERE LOWER(table_schema) = 'information_schema' AND LOWER(table_name) = 'cluster_processlist'";

async function hasTables(settings: Settings, domain: SqlDomain): Promise<boolean> {
  return withDatabase(settings, domain, async ({ primary }) => {
    // Without further rights one sees those of one's own name: the nodes'.
    const list = (await primary.number(HAS_CLUSTER_LIST)) > 0 ? "cluster_processlist" : "processlist";
    const others = await primary.number(
      `SELECT COUNT(*) AS n FROM information_schema.${list} WHERE db = DATABASE() AND id <> CONNECTION_ID()`,
    );
    if (others > 0)
      throw new SettingsError(
        `${others} other connections are open to the database of ${domain}: stop the nodes first.`,
      );
    return (await tablesOf({ primary })).length > 0;
  });
}

async function tablesOf({ primary }: Pick<Database, "primary">): Promise<string[]> {
  const rows = await primary.all<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()",
  );
  return rows.map(({ name }) => name);
}

async function hasCollections(
  settings: Settings,
  domain: DocumentDomain,
  silent: () => void,
): Promise<boolean> {
  const { nodesOn, withMongo } = await import("./mongo.ts");
  return withMongo(settings, domain, async (db) => {
    const nodes = await nodesOn(db);
    if (nodes === null) silent();
    else if (nodes > 0)
      throw new SettingsError(
        `${nodes} connections of nodes are open to the MongoDB of ${domain}: stop the nodes first.`,
      );
    return (await db.listCollections({}, { nameOnly: true }).toArray()).length > 0;
  });
}

/** Takes everything out of a server's database. */
export async function emptyServer(settings: Settings, { domain, kind }: StoredStore): Promise<void> {
  if (kind === "mysql")
    return withDatabase(settings, domain as SqlDomain, async (db) => {
      const tables = await tablesOf(db);
      // The ledger first: from here on no node takes what is left for whole.
      for (const table of tables.toSorted((a, b) => Number(b === "migrations") - Number(a === "migrations")))
        await db.sequelize.query(`DROP TABLE ${db.sequelize.getQueryInterface().quoteIdentifier(table)}`);
    });
  const { withMongo } = await import("./mongo.ts");
  await withMongo(settings, domain as DocumentDomain, async (db) => {
    const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
    for (const name of names.toSorted((a, b) => Number(b === "migrations") - Number(a === "migrations")))
      await db.collection(name).drop();
  });
}

/** Who is erased in the store that is about to be replaced; null when it cannot be read. */
export async function erasedThere(settings: Settings): Promise<Erased[] | null> {
  try {
    if (settings.sqlUrls.users) return await withDatabase(settings, "users", (db) => erasedOf(db));
    const [users] = openEmbedded(settings, ["users"]);
    if (!users) return [];
    try {
      return await users.erased();
    } finally {
      await users.close();
    }
  } catch {
    return null;
  }
}

/** Opens a domain's database for a piece of work. */
export async function withDatabase<R>(
  settings: Settings,
  domain: SqlDomain,
  work: (db: Database) => Promise<R>,
): Promise<R> {
  const sequelize = connect(settings, domain);
  try {
    return await work(new Database(sequelize, domain === "users" ? "user_id" : null));
  } finally {
    await sequelize.close();
  }
}

/** Makes a backup. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { DOCUMENT_DOMAINS, SettingsError, SQL_DOMAINS } from "../../lib/settings.ts";
import type { DocumentDomain, Settings, SqlDomain } from "../../lib/settings.ts";
import { embeddedFile, openEmbedded } from "./embedded.ts";
import { writeErased } from "./erasures.ts";
import { listBackups, newBackupId, readManifest, writeManifest } from "./manifest.ts";
import type { Manifest, StoreDomain, StoredStore } from "./manifest.ts";
import { backupObjects, listed, storageOf } from "./objects.ts";
import type { Listed } from "./objects.ts";
import { checkPart, writePart } from "./parts.ts";
import type { Recipients, Written } from "./parts.ts";
import { amount } from "./progress.ts";
import type { Progress } from "./progress.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Target } from "./target.ts";

/**
 * The order in which their moments are taken, a second apart at most: whom and what others name must be there, so users
 * come last. What got lost between the moments is told again at a restore (docs/backup.md).
 */
const ORDER: readonly StoreDomain[] = [
  ...DOCUMENT_DOMAINS,
  "admin",
  "files",
  "applications",
  "clubs",
  "users",
];

/** Files of DATA_DIR beside the stores. */
export const KEY_FILES = ["jwt-keys.json", "admin-jwt-keys.json"];

export interface Making {
  settings: Settings;
  target: Target;
  recipients: Recipients;
  version: string;
  progress: Progress;
}

export async function makeBackup(making: Making): Promise<Manifest> {
  const { settings, target, recipients, version, progress } = making;
  const startedAt = Date.now();
  const id = newBackupId(startedAt);
  const snapshots = await openAll(settings, (text) => progress.say(text));
  try {
    const known = new Map(snapshots.map(({ domain, migrations }) => [domain, migrations]));
    const audit = await of(snapshots, "admin").audit();
    const parts = await Promise.all(snapshots.map((snapshot) => writeStore(making, id, snapshot)));
    const erased = await writeErased(target, id, await of(snapshots, "users").erased());
    for (const snapshot of snapshots) await unchanged(snapshot, known.get(snapshot.domain) ?? []);
    const objects = await writeObjects(making, id);
    const manifest: Manifest = {
      format: 1,
      id,
      version,
      startedAt,
      endedAt: Date.now(),
      stores: parts,
      objects,
      erased,
      keys: await writeKeys(settings, target, id, recipients),
      audit,
    };
    await writeManifest(target, manifest);
    return manifest;
  } finally {
    await Promise.all(snapshots.map((snapshot) => snapshot.close()));
  }
}

async function openAll(settings: Settings, warn: (text: string) => void): Promise<Snapshot[]> {
  const missing = ORDER.filter((domain) => {
    const file = embeddedFile(settings, domain);
    return file !== null && !existsSync(file);
  });
  if (missing.length > 0)
    throw new SettingsError(
      `There is nothing of ${missing.join(", ")} in DATA_DIR "${settings.dataDir}": set it, or ${missing.map((domain) => `${domain.toUpperCase()}_DB_URL`).join(", ")}, as the nodes have it.`,
    );
  const opened: Snapshot[] = [];
  try {
    for (const domain of DOCUMENT_DOMAINS)
      if (settings.documentUrls[domain]) opened.push(await mongo(settings, domain, warn));
    for (const domain of SQL_DOMAINS)
      if (settings.sqlUrls[domain]) opened.push(await mysql(settings, domain));
    opened.push(...openEmbedded(settings, ORDER));
    for (const snapshot of opened) whole(snapshot);
  } catch (error) {
    await Promise.all(opened.map((snapshot) => snapshot.close()));
    throw error;
  }
  return opened.toSorted((a, b) => ORDER.indexOf(a.domain) - ORDER.indexOf(b.domain));
}

/** @throws a sentence for a store that a restore has left half loaded: its ledger is written at the end */
function whole({ domain, kind, migrations }: Snapshot): void {
  if (kind === "documents" || migrations.length > 0) return;
  throw new SettingsError(
    `The store of ${domain} has no migrations: a restore was broken off there, or it was never set up. Begin the restore again with --force, or run "npm run migrate -- up", and then make the backup.`,
  );
}

/** Loaded only where there is one. */
async function mongo(
  settings: Settings,
  domain: DocumentDomain,
  warn: (text: string) => void,
): Promise<Snapshot> {
  return (await import("./mongo.ts")).openMongoSnapshot(settings, domain, warn);
}

async function mysql(settings: Settings, domain: SqlDomain): Promise<Snapshot> {
  return (await import("./mysql.ts")).openMysql(settings, domain);
}

function of(snapshots: readonly Snapshot[], domain: StoreDomain): Snapshot {
  return snapshots.find((snapshot) => snapshot.domain === domain) as Snapshot;
}

async function writeStore(
  { target, recipients, progress }: Making,
  id: string,
  snapshot: Snapshot,
): Promise<StoredStore> {
  const { domain, kind, form, migrations, oneMoment } = snapshot;
  const bar = progress.part(domain);
  const part = await writePart(target, `${id}/${domain}.${form}`, await snapshot.read(), {
    recipients,
    progress: (bytes) => bar.add(bytes),
  });
  bar.done(`${amount(part.raw)}, stored in ${amount(part.size)}`);
  return { domain, kind, migrations, oneMoment, part };
}

/** @throws when migrations ran meanwhile: the parts may not fit each other */
async function unchanged(snapshot: Snapshot, before: readonly string[]): Promise<void> {
  const now = await snapshot.migrationsNow();
  if (now.join() !== before.join())
    throw new SettingsError(`Migrations of ${snapshot.domain} ran during the backup: make it again.`);
}

async function writeObjects({ settings, target, recipients, progress }: Making, id: string) {
  const storage = await storageOf(settings);
  const bar = progress.part("objects");
  try {
    const { part, count, bytes, copied, again } = await backupObjects(storage, target, id, {
      recipients,
      before: listBefore(target, progress),
      progress: (more) => bar.add(more),
    });
    const mended = again > 0 ? `, of ${again} the copy had gone or had another size` : "";
    bar.done(`${count} objects, ${amount(bytes)}, ${copied} copied${mended}`);
    return { part, count, bytes };
  } finally {
    storage.close();
  }
}

/** The objects of the newest backup; nothing where there is none, or where its list cannot be read. */
async function* listBefore(target: Target, progress: Progress): AsyncGenerator<Listed> {
  const newest = (await listBackups(target)).whole.at(-1);
  if (!newest) return;
  try {
    const { objects } = await readManifest(target, newest);
    await checkPart(target, objects.part);
    yield* listed(target, objects.part);
  } catch (error) {
    progress.say(
      `Whether copies of objects still have their size is not looked at, since the list of ${newest} cannot be read: ${(error as Error).message}`,
    );
  }
}

/** The keys that a first start has made, without which tokens and second factors of the backup mean nothing. */
async function writeKeys(
  { dataDir }: Settings,
  target: Target,
  id: string,
  recipients: Recipients,
): Promise<Written | null> {
  const found: Record<string, string> = {};
  for (const name of KEY_FILES) {
    const file = path.join(dataDir, name);
    if (existsSync(file)) found[name] = await readFile(file, "utf8");
  }
  if (Object.keys(found).length === 0) return null;
  return writePart(target, `${id}/keys.json`, Readable.from([JSON.stringify(found)]), {
    recipients,
    progress: () => undefined,
  });
}

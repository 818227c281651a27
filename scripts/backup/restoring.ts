/** Puts a backup back. Nodes are stopped; until the end none takes what is there for whole. */
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { Migrations } from "../../lib/migrations.ts";
import { DOCUMENT_DOMAINS, SettingsError, SQL_DOMAINS } from "../../lib/settings.ts";
import type { DocumentDomain, Settings, SqlDomain } from "../../lib/settings.ts";
import { verifyLog } from "../../services/admin/audit-verify.ts";
import type { Verdict } from "../../services/admin/audit-verify.ts";
import { embeddedFile } from "./embedded.ts";
import { knownErased, writeErasedList } from "./erasures.ts";
import { listBackups } from "./manifest.ts";
import type { Manifest, StoredStore } from "./manifest.ts";
import { load } from "./mysql.ts";
import { storageOf } from "./objects.ts";
import { checkPart, readPart } from "./parts.ts";
import type { Identities, Written } from "./parts.ts";
import { emptyServer, erasedThere, fits, lockEmbedded, occupied, withDatabase } from "./places.ts";
import { amount } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { restoreObjects, tryKey } from "./restore-objects.ts";
import * as settling from "./settling.ts";
import type { Erased } from "./snapshot.ts";
import type { Target } from "./target.ts";

export interface Restoring {
  settings: Settings;
  target: Target;
  manifest: Manifest;
  identities: Identities;
  /** What is there may be replaced. */
  force: boolean;
  /** Ids that the operator names. */
  erased: readonly string[];
  progress: Progress;
}

export interface Restored {
  /** Whether the audit log is whole. */
  verdict: Verdict;
  /** A sentence for each object that is missing or damaged in the backup. */
  lost: string[];
}

/** @throws a sentence, and has changed nothing, when the backup's own parts are damaged */
export async function restore(restoring: Restoring): Promise<Restored> {
  const { settings, manifest, progress } = restoring;
  fits(settings, manifest);
  await checkAll(restoring);
  const unlock = lockEmbedded(settings, manifest.stores);
  const staging = path.join(settings.dataDir, ".restoring");
  try {
    const erased = await toErase(restoring, await full(restoring));
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true, mode: 0o700 });
    const staged = { ...settings, dataDir: staging };
    for (const store of manifest.stores) await bringStore(restoring, staged, store);
    // After their rows: a node that should not be there takes those without rows for orphans.
    const lost = await bringObjects(restoring);
    await settle(restoring, staged, erased);
    const verdict = await withDatabase(staged, "admin", ({ primary }) =>
      verifyLog(primary, manifest.audit.heads, Date.now()),
    );
    await bringKeys(restoring);
    await opened(restoring, staged);
    progress.say(
      `Access tokens that were given before end by ${new Date(Date.now() + 600_000).toISOString()} at the latest: start the nodes then, or with a new key alone in JWT_KEYS.`,
    );
    return { verdict, lost };
  } finally {
    await rm(staging, { recursive: true, force: true });
    unlock();
  }
}

/** All of it is read before anything is changed. */
async function checkAll({ target, manifest, identities, progress }: Restoring): Promise<void> {
  const { stores, objects, erased, keys } = manifest;
  const parts: Written[] = [...stores.map(({ part }) => part), objects.part, erased, ...(keys ? [keys] : [])];
  for (const part of parts) await checkPart(target, part);
  // A key that does not fit is noticed here.
  const [first] = stores;
  if (first) (await readPart(target, first.part, identities)).on("error", () => undefined).destroy();
  await tryKey(target, objects.part, identities);
  progress.say(`Backup ${manifest.id}: ${parts.length} parts are as they were written.`);
  const torn = stores.filter(({ oneMoment }) => oneMoment === false).map(({ domain }) => domain);
  if (torn.length > 0)
    progress.say(`Of ${torn.join(", ")} not all is of the same moment: the server was no replica set.`);
}

function full({ settings, manifest, progress }: Restoring): Promise<string[]> {
  return occupied(settings, manifest.stores, (text) => progress.say(text));
}

/** Everybody who must not come back, by every list that there is. */
async function toErase(restoring: Restoring, full: readonly string[]): Promise<Set<string>> {
  const { settings, target, manifest, force, erased, progress } = restoring;
  if (full.length > 0 && !force)
    throw new SettingsError(
      `There is something in the stores of ${full.join(", ")}: --force replaces it by the backup ${manifest.id}.`,
    );
  const { ids, until } = await knownErased(target, (await listBackups(target)).whole);
  const there = full.includes("users") ? await erasedThere(settings) : [];
  progress.say(
    `The newest list of who was erased is of ${new Date(until).toISOString()}. Whoever was erased later comes back, unless --erased FILE names them${full.includes("users") && there ? ", or the store that is replaced" : ""}: the logs have their DELETE /users/me.`,
  );
  if (!there) progress.say("Who is erased in the store of users that is replaced cannot be read.");
  const named = erased.map((id) => ({ id, at: Date.now() }));
  const fresh = [...(there ?? []), ...named].filter(({ id }) => !ids.has(id));
  await noteErased(restoring, fresh);
  return new Set([...ids, ...fresh.map(({ id }) => id)]);
}

/** Before anything is emptied: a restore that is begun again no longer has the store that told of them. */
async function noteErased({ target, progress }: Restoring, fresh: readonly Erased[]): Promise<void> {
  if (fresh.length === 0) return;
  try {
    const name = await writeErasedList(target, fresh, Date.now());
    progress.say(`${name}: ${fresh.length} people who were erased and are in no list yet.`);
  } catch (error) {
    progress.say(
      `${fresh.length} people were erased and are in no list, and none can be written beside the backups (${(error as Error).message}): if this restore is broken off, a second one will not know them.`,
    );
  }
}

/** Returns a sentence for each that is missing or damaged. */
async function bringObjects(restoring: Restoring): Promise<string[]> {
  const { settings, target, manifest, identities, progress } = restoring;
  const storage = await storageOf(settings);
  const bar = progress.part("objects", manifest.objects.bytes);
  try {
    const { part, count } = manifest.objects;
    const { restored, lost } = await restoreObjects(target, part, storage, identities, (bytes) =>
      bar.add(bytes),
    );
    const others = lost.length > 0 ? `, ${lost.length} are missing or damaged` : "";
    bar.done(`${restored} of ${count} objects restored${others}, the others were there`);
    return lost;
  } finally {
    storage.close();
  }
}

async function bringStore(
  { target, identities, progress }: Restoring,
  staged: Settings,
  store: StoredStore,
): Promise<void> {
  const { domain, kind, part } = store;
  const bar = progress.part(domain, part.raw);
  const source = await readPart(target, part, identities);
  source.on("data", (bytes: Buffer) => bar.add(bytes.length)).pause();
  const file = embeddedFile(staged, domain);
  if (file) await pipeline(source, createWriteStream(file, { mode: 0o600, flush: true }));
  else {
    await emptyServer(staged, store);
    if (kind === "mysql") await load(staged.sqlUrls[domain as SqlDomain] as string, source);
    else {
      const { loadMongo, withMongo } = await import("./mongo.ts");
      await withMongo(staged, domain as DocumentDomain, (db) => loadMongo(db, source));
    }
  }
  bar.done(`${amount(part.raw)} restored`);
}

async function settle(
  { settings, manifest, progress }: Restoring,
  staged: Settings,
  erased: ReadonlySet<string>,
): Promise<void> {
  const since = settling.replaySince(settings, manifest.startedAt);
  let again = 0;
  for (const domain of DOCUMENT_DOMAINS.filter(settling.tells))
    again += await settling.withOutbox(staged, domain, (outbox) => settling.replayDocuments(outbox, since));
  for (const domain of SQL_DOMAINS.filter(settling.tells))
    again += await withDatabase(staged, domain, (db) => settling.replayRows(db, since));
  const { ended, gone } = await withDatabase(staged, "users", async (db) => ({
    ended: await settling.endAllSessions(db),
    gone: await settling.eraseAgain(db, erased),
  }));
  await withDatabase(staged, "admin", (db) => settling.settleAdmin(db));
  const indices = await settling.forgetIndices(settings);
  await settling.forgetMessages(settings);
  progress.say(
    `${ended} sessions ended, ${gone.length} people erased again, ${again} messages are told again, statistics are counted anew${indices > 0 ? `, ${indices} search indices deleted, to be built anew` : ""}.`,
  );
}

async function bringKeys({ settings, target, manifest, identities, progress }: Restoring): Promise<void> {
  if (!manifest.keys) return;
  const kept = JSON.parse(await text(await readPart(target, manifest.keys, identities))) as Record<
    string,
    string
  >;
  for (const [name, content] of Object.entries(kept)) {
    const file = path.join(settings.dataDir, path.basename(name));
    if (existsSync(file) && (await readFile(file, "utf8")) === content) continue;
    await writeFile(`${file}.restoring`, content, { mode: 0o600, flush: true });
    await rename(`${file}.restoring`, file);
    progress.say(`${path.basename(name)} restored`);
  }
}

/** The last step: files get their names, servers the ledger of their migrations. */
async function opened({ settings, manifest }: Restoring, staged: Settings): Promise<void> {
  for (const { domain, kind, migrations } of manifest.stores) {
    const [file, from] = [embeddedFile(settings, domain), embeddedFile(staged, domain)];
    if (file && from) {
      for (const side of ["-wal", "-shm"]) await rm(`${file}${side}`, { force: true });
      await rename(from, file);
    } else if (kind === "mysql") await writeLedgerRows(settings, domain as SqlDomain, migrations);
    else {
      const { withMongo, writeLedger } = await import("./mongo.ts");
      await withMongo(settings, domain as DocumentDomain, (db) => writeLedger(db, migrations));
    }
  }
  await using folder = await open(settings.dataDir, "r");
  await folder.sync();
}

async function writeLedgerRows(
  settings: Settings,
  domain: SqlDomain,
  names: readonly string[],
): Promise<void> {
  await withDatabase(settings, domain, async (db) => {
    // Makes its tables.
    await new Migrations(db.sequelize, domain).executed();
    await db.transaction((tx) =>
      tx.insertAll(
        "migrations",
        names.map((name) => ({ name, at: Date.now() })),
      ),
    );
  });
}

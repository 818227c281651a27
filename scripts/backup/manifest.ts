/** What a backup is. The manifest is written last: a folder without one is no backup. */
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Head } from "../../lib/audit-chain.ts";
import { SettingsError } from "../../lib/settings.ts";
import type { DocumentDomain, SqlDomain } from "../../lib/settings.ts";
import type { Written } from "./parts.ts";
import type { Target } from "./target.ts";

export type StoreKind = "sqlite" | "mysql" | "documents" | "mongodb";
export type StoreDomain = SqlDomain | DocumentDomain;

export interface StoredStore {
  domain: StoreDomain;
  kind: StoreKind;
  /** Those that had run. */
  migrations: string[];
  /** False: the server could not show all of it as one moment saw it. Manifests of versions before do not say. */
  oneMoment?: boolean;
  part: Written;
}

export interface Manifest {
  format: 1;
  /** The name of its folder: when it began. */
  id: string;
  /** Of the code that made it. */
  version: string;
  /** Milliseconds. */
  startedAt: number;
  endedAt: number;
  stores: StoredStore[];
  /** The list of the stored objects, which lie in `objects/` beside all backups. */
  objects: { part: Written; count: number; bytes: number };
  /** Who was erased. */
  erased: Written;
  /** Keys of DATA_DIR, where a store is in it. */
  keys: Written | null;
  /** How far the audit log went when the backup began; the newest signed checkpoint. */
  audit: { heads: Head[]; checkpoint: string | null };
}

const NAME = "manifest.json";
const ID = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/;

export function newBackupId(now: number): string {
  return new Date(now).toISOString().replaceAll(/[:.]/g, "-");
}

/** When a backup, or a list of erasures, of this name began (milliseconds); null for other names. */
export function timeOf(id: string): number | null {
  return ID.test(id) ? Date.parse(id.replace(/T(\d\d)-(\d\d)-(\d\d)-/, "T$1:$2:$3.")) : null;
}

export async function writeManifest(target: Target, manifest: Manifest): Promise<void> {
  await target.put(`${manifest.id}/${NAME}`, Readable.from([`${JSON.stringify(manifest, null, 2)}\n`]));
}

/** @throws SettingsError for what is no manifest of this code's */
export async function readManifest(target: Target, id: string): Promise<Manifest> {
  let said: unknown;
  try {
    said = JSON.parse(await text(await target.get(`${id}/${NAME}`)));
  } catch {
    throw new SettingsError(
      `There is no whole backup "${id}": it has no manifest that can be read. It was broken off, or damaged.`,
    );
  }
  const { format, id: own, stores } = said as Partial<Manifest>;
  if (format !== 1 || own !== id || !Array.isArray(stores))
    throw new SettingsError(`The manifest of "${id}" is not one that this version can read.`);
  return said as Manifest;
}

/** The folders of a target: the names of backups, oldest first, and which of them are whole. */
export async function listBackups(target: Target): Promise<{ whole: string[]; torn: string[] }> {
  const found = new Map<string, boolean>();
  // Each century's begin alike, and nothing else does.
  for await (const { name } of target.list("2")) {
    const [id = "", file] = name.split("/");
    if (timeOf(id) !== null) found.set(id, file === NAME || found.get(id) === true);
  }
  const ids = [...found.keys()].toSorted();
  return {
    whole: ids.filter((id) => found.get(id)),
    torn: ids.filter((id) => !found.get(id)),
  };
}

/** Deletes a backup: its manifest first, so that what is left of it counts for nothing. */
export async function deleteBackup(target: Target, id: string): Promise<void> {
  await target.delete(`${id}/${NAME}`);
  for await (const { name } of target.list(`${id}/`)) await target.delete(name);
}

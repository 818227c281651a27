/**
 * What nobody needs goes. First the row says so, then the objects go, then the row: wherever that breaks off, the next
 * sweep finds the row. An object that no row knows is left by a put whose process died, or by a late upload.
 */
import type { Database } from "../../lib/database.ts";
import type { Storage } from "../../lib/storage/index.ts";
import { isId } from "../../lib/ids.ts";
import { PURPOSES } from "./files.contract.ts";
import { DAY, objectsOf } from "./rows.ts";
import type { FileRow } from "./rows.ts";

const AT_ONCE = 100;
/** Longer than anybody may take from an object to its row. */
const ORPHAN = 2 * DAY;

/** Marks files that were never uploaded, and those that nothing has shown for a day. */
export async function markIdle(db: Database, now: number): Promise<void> {
  const at = { now, before: now - DAY };
  await db.primary.run(
    `UPDATE files SET deleted_at = :now WHERE status = 'pending' AND touched_at < :before
     AND deleted_at IS NULL AND lease_until < :now`,
    at,
  );
  await db.primary.run(
    `UPDATE files SET deleted_at = :now WHERE status = 'ready' AND touched_at < :before AND deleted_at IS NULL
     AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.file_id = files.id)`,
    at,
  );
}

/** Marks a file; whether this was the first to do so. */
export async function markFile(db: Database, id: string): Promise<boolean> {
  const marked = await db.primary.run(
    "UPDATE files SET deleted_at = :now WHERE id = :id AND deleted_at IS NULL",
    { id, now: Date.now() },
  );
  return marked > 0;
}

/** Deletes the objects and then the rows of all that is marked. */
export async function purgeMarked(db: Database, storage: Storage): Promise<void> {
  for (let after = ""; ;) {
    const rows = await db.primary.all<FileRow>(
      `SELECT * FROM files WHERE deleted_at IS NOT NULL AND id > :after ORDER BY id LIMIT ${AT_ONCE}`,
      { after },
    );
    for (const row of rows) await purge(db, storage, row);
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}

export async function purge(
  db: Database,
  storage: Storage,
  row: Pick<FileRow, "id" | "storage_key">,
): Promise<void> {
  for (const key of objectsOf(row)) await storage.delete(key);
  await db.transaction(async (tx) => {
    await tx.run("DELETE FROM claims WHERE file_id = :id", { id: row.id });
    await tx.run("DELETE FROM files WHERE id = :id AND deleted_at IS NOT NULL", { id: row.id });
  });
}

/** Deletes objects older than two days that no row knows. */
export async function sweepOrphans(db: Database, storage: Storage, now: number): Promise<void> {
  for (const prefix of ["uploads/", ...PURPOSES.map((purpose) => `${purpose}/`)])
    for (let after = ""; ;) {
      const keys = await storage.list(prefix, after);
      for (const key of await orphansAmong(db, keys, now)) await storage.delete(key);
      const last = keys.at(-1);
      if (last === undefined) break;
      after = last;
    }
}

interface Place {
  key: string;
  file: string;
  /** Null: it was uploaded. */
  kept: string | null;
}

async function orphansAmong(db: Database, keys: string[], now: number): Promise<string[]> {
  const places = keys.flatMap((key) => placeOf(key, now - ORPHAN) ?? []);
  const rows = await db.primary.all<Pick<FileRow, "id" | "status" | "storage_key">>(
    "SELECT id, status, storage_key FROM files WHERE id IN (:ids)",
    { ids: [...new Set(places.map(({ file }) => file))] },
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return places
    .filter(({ file, kept }) => {
      const row = byId.get(file);
      if (!row) return true;
      return kept === null ? row.status === "ready" : row.storage_key !== kept;
    })
    .map(({ key }) => key);
}

/** What a key says; null for one that is not of this domain's making, or younger than `before`. */
function placeOf(key: string, before: number): Place | null {
  const [folder, file = "", name] = key.split("/");
  const attempt = name?.split(".")[0] ?? file;
  if (!isId(file) || !isId(attempt) || madeAt(attempt) >= before) return null;
  return { key, file, kept: name === undefined ? null : `${folder}/${file}/${attempt}` };
}

/** When a UUIDv7 was made (milliseconds). */
function madeAt(id: string): number {
  return Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
}

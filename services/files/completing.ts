/** An upload is looked at, and what may be kept of it is: by one at a time, also where two nodes are asked. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import { isPicture, isReally } from "../../lib/file-types.ts";
import { newId } from "../../lib/ids.ts";
import { BrokenPicture, cleanPicture, HugePicture } from "../../lib/pictures.ts";
import type { Storage } from "../../lib/storage/index.ts";
import { readWhole } from "./reading.ts";
import { fileOf, isPublic, keptKey, uploadKey } from "./rows.ts";
import type { FileRow } from "./rows.ts";

/** Milliseconds: how long one has it to oneself, how long another waits for the outcome, and between two looks. */
const LEASE = 40_000;
const PATIENCE = 25_000;
const LOOK = 200;
/** Pixels of the longest side. */
const SIDE = { small: 512, large: 2_048 };

interface Kept {
  bytes: Buffer;
  width: number | null;
  height: number | null;
}

/** Takes the file for this process; null: somebody else has it, or has done it. */
export async function takeFile(db: Database, id: string): Promise<string | null> {
  const [lease, now] = [newId(), Date.now()];
  const taken = await db.primary.run(
    `UPDATE files SET lease = :lease, lease_until = :until
     WHERE id = :id AND status = 'pending' AND deleted_at IS NULL AND lease_until < :now`,
    { id, lease, now, until: now + LEASE },
  );
  return taken > 0 ? lease : null;
}

export async function releaseFile(db: Database, id: string, lease: string): Promise<void> {
  await db.primary.run("UPDATE files SET lease = NULL, lease_until = 0 WHERE id = :id AND lease = :lease", {
    id,
    lease,
  });
}

/** Waits for who has the file; its row when it is ready, and a lease when it is not and nobody has it any more. */
export async function awaitFile(db: Database, id: string): Promise<FileRow | string> {
  for (const until = Date.now() + PATIENCE; Date.now() < until; await sleep(LOOK)) {
    const row = await fileOf(db.primary, id);
    if (!row) throw new AppError("NOT_FOUND");
    if (row.status === "ready") return row;
    const lease = await takeFile(db, id);
    if (lease) return lease;
  }
  throw new AppError("UNAVAILABLE", { retryAfter: 2 });
}

/**
 * Keeps what was uploaded; returns the columns that say so.
 * @throws 422 for what is missing or something else; it is deleted then
 */
export async function keepUpload(storage: Storage, row: FileRow) {
  const kept = await examine(storage, row).catch(async (error: unknown) => {
    if (error instanceof AppError && ["WRONG_FILE", "PICTURE_TOO_LARGE"].includes(error.type))
      await storage.delete(uploadKey(row.id));
    throw error;
  });
  const key = keptKey(row, newId());
  const size = kept.bytes.length;
  await storage.put(key, kept.bytes, { size, contentType: row.content_type });
  return { storage_key: key, size, width: kept.width, height: kept.height };
}

async function examine(storage: Storage, row: FileRow): Promise<Kept> {
  const found = await storage.head(uploadKey(row.id));
  if (!found) throw new AppError("UPLOAD_MISSING");
  if (found.size !== row.size) throw new AppError("WRONG_FILE");
  const bytes = await readWhole(storage, uploadKey(row.id), row.size);
  if (!bytes || !(await isReally(row.content_type, bytes))) throw new AppError("WRONG_FILE");
  if (!isPicture(row.content_type)) return { bytes, width: null, height: null };
  const side = isPublic(row.purpose) ? SIDE.small : SIDE.large;
  try {
    return await cleanPicture(bytes, row.content_type, side);
  } catch (error) {
    if (error instanceof HugePicture) throw new AppError("PICTURE_TOO_LARGE");
    throw error instanceof BrokenPicture ? new AppError("WRONG_FILE") : error;
  }
}

/** A file is announced: which may be, and how many. */
import type { Tx } from "../../lib/database.ts";
import type { Params } from "../../lib/declare.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import { cleanName, limitOf, typesFor } from "../../lib/file-types.ts";
import type { LiveSettings } from "../../lib/live-settings.ts";
import type { FileRow } from "./rows.ts";

/** Of one person. */
const MAX_PENDING = 100;
const MAX_BYTES = 2 * 2 ** 30;

type Announced = Params<"files.create">;

/** @throws 422 for a type that is not for this purpose, and for a size beyond its limit */
export function checkAnnounced({ contentType, size, purpose }: Announced, live: LiveSettings): void {
  const allowed = typesFor(purpose);
  if (!allowed.includes(contentType))
    throw invalid({ field: "contentType", code: "NOT_ALLOWED", values: { allowed: allowed.join(", ") } });
  const limit = limitOf(contentType, {
    picture: live.get("files.maxImageMiB"),
    document: live.get("files.maxDocumentMiB"),
  });
  if (size > limit) throw invalid({ field: "size", code: "TOO_LARGE", values: { limit } });
}

/** Writes the announced file down. @throws 409 when its owner has too many that are not uploaded, or no space left */
export async function announce(tx: Tx, id: string, owner: string, announced: Announced): Promise<FileRow> {
  const now = Date.now();
  await lockSpace(tx, owner, now);
  const has = await tx.one<{ pending: number; bytes: number }>(
    `SELECT COUNT(CASE WHEN status = 'pending' THEN 1 END) AS pending, COALESCE(SUM(size), 0) AS bytes
     FROM files WHERE owner_id = :owner AND deleted_at IS NULL`,
    { owner },
  );
  if (Number(has?.pending) >= MAX_PENDING) throw new AppError("TOO_MANY_UPLOADS", { limit: MAX_PENDING });
  if (Number(has?.bytes) + announced.size > MAX_BYTES) throw new AppError("FILE_SPACE_FULL");
  const row: FileRow = {
    id,
    owner_id: owner,
    name: cleanName(announced.name, announced.contentType),
    content_type: announced.contentType,
    size: announced.size,
    purpose: announced.purpose,
    status: "pending",
    storage_key: null,
    width: null,
    height: null,
    created_at: now,
  };
  await tx.insert("files", { ...row, touched_at: now, lease_until: 0 });
  return row;
}

/** Who announces a second file at the same time waits here. */
async function lockSpace(tx: Tx, owner: string, now: number): Promise<void> {
  const lock = () => tx.run("UPDATE spaces SET announced_at = :now WHERE owner_id = :owner", { owner, now });
  if ((await lock()) > 0) return;
  await tx.insertNew("spaces", { owner_id: owner, announced_at: now });
  await lock();
}

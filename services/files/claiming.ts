/** What shows a file keeps it: claims, made before a thing shows it, and held against what it shows once a day. */
import type { Database, Tx } from "../../lib/database.ts";
import type { Params } from "../../lib/declare.ts";
import { DAY } from "./rows.ts";
import type { FileRow, SubjectType } from "./rows.ts";

const HOUR = 3_600_000;
const SUBJECTS_AT_ONCE = 200;

type Claim = Params<"files.claim">;

/** Claims all of the files, or none; returns those that cannot be used. */
export async function claimFiles(tx: Tx, { subject, user, purpose, fileIds }: Claim): Promise<string[]> {
  const ids = [...new Set(fileIds)];
  const at = { type: subject.type, id: subject.id };
  const now = Date.now();
  // Locks the rows: a sweep that looks for files without claims waits, and then sees these.
  await tx.run("UPDATE files SET touched_at = :now WHERE id IN (:ids) AND deleted_at IS NULL", { ids, now });
  const rows = await tx.all<Pick<FileRow, "id" | "owner_id" | "purpose" | "status">>(
    "SELECT id, owner_id, purpose, status FROM files WHERE id IN (:ids) AND deleted_at IS NULL",
    { ids },
  );
  const claimed = await tx.all<{ file_id: string }>(
    "SELECT file_id FROM claims WHERE subject_type = :type AND subject_id = :id AND file_id IN (:ids)",
    { ...at, ids },
  );
  const known = new Set(claimed.map(({ file_id: id }) => id));
  const usable = new Set(
    rows
      .filter((row) => row.status === "ready" && row.purpose === purpose)
      // Of what the thing shows already, another may go on showing it.
      .filter((row) => row.owner_id === user || known.has(row.id))
      .map(({ id }) => id),
  );
  const refused = ids.filter((id) => !usable.has(id));
  if (refused.length > 0) return refused;
  await tx.run(
    `UPDATE claims SET claimed_at = :now, verified_at = :now
     WHERE subject_type = :type AND subject_id = :id AND file_id IN (:ids)`,
    { ...at, ids, now },
  );
  for (const id of ids.filter((each) => !known.has(each)))
    await tx.insertNew("claims", {
      file_id: id,
      subject_type: subject.type,
      subject_id: subject.id,
      claimed_at: now,
      verified_at: now,
    });
  return [];
}

/** Which files things show, asked of their domain; left out are those that are not there. */
export type Ask = (type: SubjectType, ids: string[]) => Promise<{ id: string; fileIds: string[] }[]>;

/** Drops claims of things that do not show the file. Rejects, and drops nothing more, when a domain does not answer. */
export async function verifyClaims(db: Database, type: SubjectType, ask: Ask, now: number): Promise<void> {
  for (;;) {
    const due = { type, verified: now - DAY, claimed: now - HOUR };
    const subjects = await db.primary.all<{ subject_id: string }>(
      `SELECT subject_id FROM claims WHERE subject_type = :type AND verified_at < :verified AND claimed_at < :claimed
       GROUP BY subject_id ORDER BY subject_id LIMIT ${SUBJECTS_AT_ONCE}`,
      due,
    );
    if (subjects.length === 0) return;
    const ids = subjects.map(({ subject_id: id }) => id);
    const shown = new Map((await ask(type, ids)).map(({ id, fileIds }) => [id, fileIds]));
    for (const id of ids) await settle(db, { type, id, shows: shown.get(id) ?? [] }, now);
  }
}

async function settle(
  db: Database,
  { type, id, shows }: { type: SubjectType; id: string; shows: string[] },
  now: number,
): Promise<void> {
  await db.transaction(async (tx) => {
    const at = { type, id, now, before: now - HOUR };
    const claims = await tx.all<{ file_id: string }>(
      `SELECT file_id FROM claims WHERE subject_type = :type AND subject_id = :id AND claimed_at < :before`,
      at,
    );
    const files = claims.map((each) => each.file_id);
    const [kept, untrue] = [
      files.filter((each) => shows.includes(each)),
      files.filter((each) => !shows.includes(each)),
    ];
    await tx.run(
      `UPDATE claims SET verified_at = :now WHERE subject_type = :type AND subject_id = :id AND file_id IN (:kept)`,
      { ...at, kept },
    );
    await tx.run(
      `DELETE FROM claims WHERE subject_type = :type AND subject_id = :id AND claimed_at < :before AND file_id IN (:untrue)`,
      { ...at, untrue },
    );
    // From now on they have a day again.
    await tx.run("UPDATE files SET touched_at = :now WHERE id IN (:untrue)", { now, untrue });
  });
}

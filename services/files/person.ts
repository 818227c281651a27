/** What the domain keeps about a person: its export, and its end. */
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Statements, Tx } from "../../lib/database.ts";
import type { Answer, Params } from "../../lib/declare.ts";
import { cleanName } from "../../lib/file-types.ts";
import { present } from "./rows.ts";
import type { FileRow } from "./rows.ts";

const PAGE = 200;
const CURSOR = "files:export";

export async function exportPage(
  statements: Statements,
  { user, cursor }: Params<"files.exportUser">,
): Promise<Answer<"files.exportUser">> {
  const [after = ""] = readCursor(cursor, CURSOR, ["string"]) ?? [];
  const rows = await statements.all<FileRow>(
    `SELECT * FROM files WHERE owner_id = :user AND deleted_at IS NULL AND id > :after ORDER BY id LIMIT ${PAGE}`,
    { user, after },
  );
  const last = rows.at(-1);
  const nextCursor = rows.length === PAGE && last ? writeCursor(CURSOR, [last.id]) : null;
  return { records: rows.map((row) => ({ kind: "file", ...present(row) })), nextCursor };
}

/** Marks all files of a person, but for logos that clubs show: those stay without their owner and the name they gave. */
export async function forgetPerson(tx: Tx, user: string): Promise<void> {
  const logos = await tx.all<Pick<FileRow, "id" | "content_type">>(
    `SELECT id, content_type FROM files WHERE owner_id = :user AND purpose = 'logo' AND deleted_at IS NULL
     AND EXISTS (SELECT 1 FROM claims c WHERE c.file_id = files.id AND c.subject_type = 'club')`,
    { user },
  );
  for (const { id, content_type: type } of logos)
    await tx.run("UPDATE files SET owner_id = NULL, name = :name WHERE id = :id", {
      id,
      name: cleanName("logo", type),
    });
  await tx.run(
    "UPDATE files SET deleted_at = :now, owner_id = NULL WHERE owner_id = :user AND deleted_at IS NULL",
    { user, now: Date.now() },
  );
  await tx.run("UPDATE files SET owner_id = NULL WHERE owner_id = :user", { user });
  await tx.run("DELETE FROM spaces WHERE owner_id = :user", { user });
  await tx.run("DELETE FROM idempotency_keys WHERE user_id = :user", { user });
}

/** Rows of imports in the store: what is left to do, who does it, and what has come of it. */
import { readCursor, pageOf, writeCursor } from "../../lib/cursor.ts";
import type { Database, Statements, Tx } from "../../lib/database.ts";
import type { Language } from "../../lib/declare.ts";
import type { FieldError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import type { Outcome } from "../../lib/imports.ts";
import { iso } from "../../lib/types.ts";
import type { Part } from "./import-file.ts";
import type { Import, Kind } from "./imports.contract.ts";

/** Milliseconds that a node has an import to itself after each sign of life. */
export const LEASE = 30_000;
const DAY = 24 * 3_600_000;
const KEPT = 30 * DAY;
/** Rows that are deleted by one statement. */
const AT_ONCE = 5_000;
const CURSOR = "imports";

export interface ImportRow {
  id: string;
  kind: Kind;
  dry_run: number;
  status: Import["status"];
  reason: Import["reason"];
  total: number;
  done: number;
  created: number;
  unchanged: number;
  failed: number;
  parts: number;
  next_part: number;
  by_user: string;
  lang: Language;
  lease: string | null;
  lease_until: number;
  created_at: number;
  ended_at: number | null;
}

export function present(row: ImportRow): Import {
  const { id, kind, status, reason, total: rows, done, created, unchanged, failed } = row;
  const ended = row.ended_at === null ? null : iso(row.ended_at);
  const times = { createdAt: iso(row.created_at), endedAt: ended };
  return {
    id,
    kind,
    dryRun: row.dry_run === 1,
    status,
    reason,
    rows,
    done,
    created,
    unchanged,
    failed,
    ...times,
  };
}

export function importOf(statements: Statements, id: string): Promise<ImportRow | null> {
  return statements.one<ImportRow>("SELECT * FROM imports WHERE id = :id", { id });
}

/** A page of imports, the newest first. */
export async function importsPage(statements: Statements, limit: number, cursor: string | undefined) {
  const before = readCursor(cursor, CURSOR, ["string"])?.[0];
  const rows = await statements.all<ImportRow>(
    `SELECT * FROM imports ${before === undefined ? "" : "WHERE id < :before"} ORDER BY id DESC LIMIT ${limit + 1}`,
    { ...(before !== undefined && { before }) },
  );
  const { items, nextCursor } = pageOf(rows, limit, ({ id }) => writeCursor(CURSOR, [id]));
  return { items: items.map(present), nextCursor };
}

/** Writes a part of a file whose import is not there yet. */
export async function keepPart(db: Database, id: string, { part, firstRow, rows }: Part): Promise<void> {
  await db.primary.insert("import_parts", {
    import_id: id,
    part,
    first_row: firstRow,
    content: JSON.stringify(rows),
    created_at: Date.now(),
  });
}

export async function partOf(statements: Statements, id: string, part: number): Promise<Part | null> {
  const row = await statements.one<{ first_row: number; content: string }>(
    "SELECT first_row, content FROM import_parts WHERE import_id = :id AND part = :part",
    { id, part },
  );
  return row && { part, firstRow: row.first_row, rows: JSON.parse(row.content) as Part["rows"] };
}

/** Deletes the parts of an import, some at a time. */
export async function dropParts(statements: Statements, id: string): Promise<void> {
  for (;;) {
    const rows = await statements.all<{ part: number }>(
      "SELECT part FROM import_parts WHERE import_id = :id ORDER BY part LIMIT 100",
      { id },
    );
    if (rows.length === 0) return;
    await statements.run("DELETE FROM import_parts WHERE import_id = :id AND part <= :last", {
      id,
      last: rows.at(-1)?.part ?? 0,
    });
  }
}

/** Takes an import that nobody works at, the oldest first; null when there is none. */
export async function takeImport(db: Database): Promise<ImportRow | null> {
  const now = Date.now();
  const due = await db.primary.all<ImportRow>(
    `SELECT * FROM imports WHERE status IN ('queued', 'running') AND lease_until < :now ORDER BY id LIMIT 10`,
    { now },
  );
  for (const row of due) {
    const lease = newId();
    const taken = await db.transaction(async (tx) => {
      const mine = await tx.run(
        `UPDATE imports SET status = 'running', lease = :lease, lease_until = :until
         WHERE id = :id AND status IN ('queued', 'running') AND lease_until < :now`,
        { id: row.id, lease, until: now + LEASE, now },
      );
      return mine > 0;
    });
    if (!taken) continue;
    // A dry run holds each row against those before it, which whoever had it kept in memory.
    if (row.dry_run === 1) await restart(db, row.id, lease);
    return importOf(db.primary, row.id);
  }
  return null;
}

async function restart(db: Database, id: string, lease: string): Promise<void> {
  await dropFailures(db.primary, id);
  await db.primary.run(
    `UPDATE imports SET next_part = 0, done = 0, created = 0, unchanged = 0, failed = 0
     WHERE id = :id AND lease = :lease`,
    { id, lease },
  );
}

/** Says that the work goes on; false when somebody else has it or it was stopped. */
export async function keepLease(db: Database, { id, lease }: ImportRow): Promise<boolean> {
  const kept = await db.primary.run(
    "UPDATE imports SET lease_until = :until WHERE id = :id AND lease = :lease AND status = 'running'",
    { id, lease, until: Date.now() + LEASE },
  );
  return kept > 0;
}

/** Lets another node go on at once. */
export async function giveBack(db: Database, { id, lease }: ImportRow): Promise<void> {
  await db.primary.run("UPDATE imports SET lease_until = 0 WHERE id = :id AND lease = :lease", { id, lease });
}

/** Commits what came of a part; false when somebody else has the import by now, or it was stopped. */
export async function advance(
  db: Database,
  { id, lease }: ImportRow,
  part: number,
  outcomes: readonly Outcome[],
): Promise<boolean> {
  const count = (outcome: Outcome["outcome"]): number =>
    outcomes.filter((each) => each.outcome === outcome).length;
  return db.transaction(async (tx) => {
    const mine = await tx.run(
      `UPDATE imports SET next_part = :next, done = done + :done, created = created + :created,
       unchanged = unchanged + :unchanged, failed = failed + :failed, lease_until = :until
       WHERE id = :id AND lease = :lease AND status = 'running' AND next_part = :part`,
      {
        id,
        lease,
        part,
        next: part + 1,
        done: outcomes.length,
        created: count("created"),
        unchanged: count("unchanged"),
        failed: count("failed"),
        until: Date.now() + LEASE,
      },
    );
    if (mine === 0) return false;
    await tx.insertAll(
      "import_failures",
      outcomes
        .filter(({ outcome }) => outcome === "failed")
        .map(({ row, reasons = [] }) => ({ import_id: id, row_no: row, reasons: JSON.stringify(reasons) })),
    );
    return true;
  });
}

/** Ends an import that is not over; false when it is. */
export async function endImport(
  tx: Statements | Tx,
  id: string,
  status: "done" | "failed",
  reason: Import["reason"],
  lease?: string | null,
): Promise<boolean> {
  const ended = await tx.run(
    `UPDATE imports SET status = :status, reason = :reason, ended_at = :now, lease = NULL
     WHERE id = :id AND status IN ('queued', 'running')${lease === undefined ? "" : " AND lease = :lease"}`,
    { id, status, reason, now: Date.now(), ...(lease !== undefined && { lease }) },
  );
  return ended > 0;
}

/** Rows that failed, after `after`, in their order. */
export async function failuresPage(
  statements: Statements,
  id: string,
  after: number,
  limit: number,
): Promise<{ row: number; reasons: FieldError[] }[]> {
  const rows = await statements.all<{ row_no: number; reasons: string }>(
    `SELECT row_no, reasons FROM import_failures WHERE import_id = :id AND row_no > :after
     ORDER BY row_no LIMIT ${limit}`,
    { id, after },
  );
  return rows.map(({ row_no: row, reasons }) => ({ row, reasons: JSON.parse(reasons) as FieldError[] }));
}

async function dropFailures(statements: Statements, id: string): Promise<void> {
  for (;;) {
    const rows = await failuresPage(statements, id, 0, AT_ONCE);
    if (rows.length === 0) return;
    await statements.run("DELETE FROM import_failures WHERE import_id = :id AND row_no <= :last", {
      id,
      last: rows.at(-1)?.row ?? 0,
    });
  }
}

/** Imports go 30 days after they were made, with their reports; parts when their import is over or never came to be. */
export async function sweepImports(statements: Statements, now: number): Promise<void> {
  const old = await statements.all<{ id: string }>(
    "SELECT id FROM imports WHERE created_at < :before AND status IN ('done', 'failed')",
    { before: now - KEPT },
  );
  for (const { id } of old) {
    await dropFailures(statements, id);
    await statements.run("DELETE FROM imports WHERE id = :id", { id });
  }
  const left = await statements.all<{ import_id: string }>(
    `SELECT DISTINCT p.import_id FROM import_parts p LEFT JOIN imports i ON i.id = p.import_id
     WHERE p.created_at < :before AND (i.id IS NULL OR i.status IN ('done', 'failed'))`,
    { before: now - DAY },
  );
  for (const { import_id: id } of left) await dropParts(statements, id);
}

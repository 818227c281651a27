/** What the domain keeps about a person, for their export: in pages, one kind after the other. */
import type { Statements } from "../../lib/database.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import { iso } from "../../lib/types.ts";
import { withEvents } from "./application-rows.ts";
import type { ApplicationRow, EventRow } from "./application-rows.ts";
import type { ReviewRow } from "./review-rows.ts";

const PAGE = 100;

type Record_ = Record<string, unknown>;
interface Found {
  records: Record_[];
  /** Where the last one stands; null at the end of this kind. */
  next: string | null;
}
type Kind = (db: Statements, user: string, after: string) => Promise<Found>;

const KINDS: readonly Kind[] = [applications, decisions, reviews];

/** A page after `cursor`, and the cursor of the next. @throws INVALID_CURSOR */
export async function exportPage(
  db: Statements,
  user: string,
  cursor: string | null,
): Promise<{ records: Record_[]; nextCursor: string | null }> {
  const [kind = 0, after = ""] = readCursor(cursor, "export", ["number", "string"]) ?? [];
  const find = KINDS[kind as number];
  if (!find) return { records: [], nextCursor: null };
  const { records, next } = await find(db, user, after as string);
  if (next !== null) return { records, nextCursor: writeCursor("export", [kind, next]) };
  const following = (kind as number) + 1;
  return { records, nextCursor: following < KINDS.length ? writeCursor("export", [following, ""]) : null };
}

function pageOf<R>(rows: R[], keyOf: (row: R) => string, present: (row: R) => Record_): Found {
  const last = rows.at(-1);
  return { records: rows.map(present), next: rows.length === PAGE && last ? keyOf(last) : null };
}

/** Applications of theirs. Who decided is left out: that is about others. */
async function applications(db: Statements, user: string, after: string): Promise<Found> {
  const rows = await db.all<ApplicationRow>(
    `SELECT * FROM applications WHERE applicant_id = :user AND id > :after ORDER BY id LIMIT ${PAGE}`,
    { user, after },
  );
  return pageOf(
    await withEvents(db, rows),
    ({ row }) => row.id,
    ({ row, events }) => ({
      kind: "application",
      id: row.id,
      clubId: row.club_id,
      status: row.status,
      message: row.message,
      answers: JSON.parse(row.answers) as Record_,
      createdAt: iso(row.created_at),
      updatedAt: iso(row.updated_at),
      timeline: events.map((event) => ({
        at: iso(event.at),
        from: event.from_status,
        to: event.to_status,
        byMe: event.by_id === user,
        comment: event.comment,
      })),
    }),
  );
}

/** What they decided about others' applications, without whose these are. */
async function decisions(db: Statements, user: string, after: string): Promise<Found> {
  const [id = "", version = "0"] = after.split("@");
  const rows = await db.all<EventRow>(
    `SELECT e.* FROM application_events e JOIN applications a ON a.id = e.application_id
     WHERE e.by_id = :user AND a.applicant_id <> :user
     AND (e.application_id > :id OR (e.application_id = :id AND e.version > :version))
     ORDER BY e.application_id, e.version LIMIT ${PAGE}`,
    { user, id, version: Number(version) },
  );
  return pageOf(
    rows,
    (row) => `${row.application_id}@${row.version}`,
    (row) => ({
      kind: "decision",
      applicationId: row.application_id,
      at: iso(row.at),
      from: row.from_status,
      to: row.to_status,
      comment: row.comment,
    }),
  );
}

/** Reviews that they claimed or decided, and those of clubs that they filed. */
async function reviews(db: Statements, user: string, after: string): Promise<Found> {
  const rows = await db.all<ReviewRow>(
    `SELECT * FROM reviews WHERE (filed_by = :user OR claimed_by = :user) AND id > :after ORDER BY id LIMIT ${PAGE}`,
    { user, after },
  );
  return pageOf(
    rows,
    (row) => row.id,
    (row) => ({
      kind: "review",
      id: row.id,
      clubId: row.club_id,
      filedByMe: row.filed_by === user,
      status: row.status,
      comment: row.comment,
      createdAt: iso(row.created_at),
      updatedAt: iso(row.updated_at),
    }),
  );
}

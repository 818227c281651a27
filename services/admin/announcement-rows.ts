/** Rows of announcements, what administrators see of them, and what is told of them. */
import type { Static } from "typebox";
import type { NewMessage, Statements } from "../../lib/database.ts";
import { pageOf, readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Params } from "../../lib/declare.ts";
import { AppError, invalid } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { iso } from "../../lib/types.ts";
import type { Announcement, Audience, LEVELS, STATES } from "./announcements.contract.ts";

export interface AnnouncementRow {
  id: string;
  title: string;
  body: string;
  level: (typeof LEVELS)[number];
  /** JSON. */
  audience: string;
  starts_at: number;
  ends_at: number | null;
  withdrawn_at: number | null;
  version: number;
  created_at: number;
  updated_at: number;
}

type State = (typeof STATES)[number];

const CURSOR = "announcements";
const IN_STATE: Record<State, string> = {
  scheduled: "withdrawn_at IS NULL AND starts_at > :now",
  current: "withdrawn_at IS NULL AND starts_at <= :now AND (ends_at IS NULL OR ends_at > :now)",
  ended: "withdrawn_at IS NULL AND starts_at <= :now AND ends_at <= :now",
  withdrawn: "withdrawn_at IS NOT NULL",
};

export function stateOf(row: AnnouncementRow, now: number): State {
  if (row.withdrawn_at !== null) return "withdrawn";
  if (row.starts_at > now) return "scheduled";
  return row.ends_at !== null && row.ends_at <= now ? "ended" : "current";
}

export function present(row: AnnouncementRow, now = Date.now()): Static<typeof Announcement> {
  const { id, title, body, level, version } = row;
  return {
    id,
    title,
    body,
    level,
    audience: JSON.parse(row.audience) as Audience,
    state: stateOf(row, now),
    startsAt: iso(row.starts_at),
    endsAt: row.ends_at === null ? null : iso(row.ends_at),
    version,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}

export async function announcementOf(db: Statements, id: string): Promise<AnnouncementRow> {
  const row = await db.one<AnnouncementRow>("SELECT * FROM announcements WHERE id = :id", { id });
  if (!row) throw new AppError("NOT_FOUND");
  return row;
}

/** As the row was before; nobody else changes it until the transaction ends. */
export async function lockedAnnouncement(tx: Statements, id: string): Promise<AnnouncementRow> {
  await tx.run("UPDATE announcements SET version = version WHERE id = :id", { id });
  return announcementOf(tx, id);
}

/** A page, newest first. */
export async function listAnnouncements(
  db: Statements,
  { state, limit = 20, cursor }: Params<"announcements.list">,
  now: number,
): Promise<{ items: AnnouncementRow[]; nextCursor: string | null }> {
  const [before] = readCursor(cursor, CURSOR, ["string"]) ?? [];
  const conditions = [state && IN_STATE[state], before !== undefined && "id < :before"].filter(Boolean);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : "";
  const rows = await db.all<AnnouncementRow>(
    `SELECT * FROM announcements ${where} ORDER BY id DESC LIMIT ${limit + 1}`,
    { now, ...(before !== undefined && { before }) },
  );
  return pageOf(rows, limit, ({ id }) => writeCursor(CURSOR, [id]));
}

/** What a change tells; the whole content. */
export function messageOf(row: AnnouncementRow): NewMessage {
  const { id, title, body, level, version } = row;
  const content = {
    title,
    body,
    level,
    audience: JSON.parse(row.audience) as Audience,
    startsAt: row.starts_at,
    endsAt: row.ends_at,
    createdAt: row.created_at,
  };
  const aggregate = { type: "announcement", id, version };
  return row.withdrawn_at === null
    ? { type: "announcements.changed", aggregate, data: content }
    : { type: "announcements.withdrawn", aggregate, data: { ...content, withdrawnAt: row.withdrawn_at } };
}

/** Refuses an end that is over, or before the start. */
export function checkEnd(startsAt: number, endsAt: number | null, now: number): void {
  if (endsAt === null) return;
  const refused: FieldError["code"] | null =
    endsAt <= startsAt ? "ENDS_BEFORE_START" : endsAt <= now ? "IN_THE_PAST" : null;
  if (refused) throw invalid({ field: "endsAt", code: refused });
}

/** A time of the contract in milliseconds. */
export function millisecondsOf(time: string, field: string): number {
  const at = Date.parse(time);
  if (Number.isNaN(at)) throw invalid({ field, code: "INVALID_FORMAT" });
  return at;
}

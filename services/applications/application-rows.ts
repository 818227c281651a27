/** Applications in the database: rows, timelines, and steps that are written only on what they were made for. */
import type { Statements, Tx } from "../../lib/database.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import type { Answers } from "./answers.ts";
import { isOpen } from "./state.ts";
import type { Stage, State, Status, Step } from "./state.ts";

/** How long an application waits for its decision, and for how long a closed one keeps its texts (milliseconds). */
export const DAY = 24 * 3_600_000;
/** Of those that were filed before it could be set. */
const EXPIRY = 14 * DAY;
export const TEXTS_KEPT = 365 * 24 * 3_600_000;

export interface ApplicationRow {
  id: string;
  club_id: string;
  applicant_id: string;
  /** Held while it is open, and while it is approved but its membership is neither made nor refused. */
  open_key: string | null;
  status: Status;
  message: string | null;
  answers: string;
  stages: string;
  deciders: string;
  version: number;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
  closed_at: number | null;
  /** 1 when its texts have been deleted. */
  cleared: number;
}

export interface EventRow {
  application_id: string;
  /** The version that this entry of the timeline made. */
  version: number;
  at: number;
  from_status: Status | null;
  to_status: Status;
  by_id: string | null;
  comment: string | null;
}

/** An application with its timeline. */
export interface Whole {
  row: ApplicationRow;
  events: EventRow[];
}

/** What the state machine knows of a row. */
export function stateOf({ status, stages, deciders }: ApplicationRow): State {
  return {
    status,
    stages: JSON.parse(stages) as Stage[],
    deciders: JSON.parse(deciders) as string[],
  };
}

export function openKey(clubId: string, userId: string): string {
  return `${clubId}:${userId}`;
}

export async function find(db: Statements, id: string): Promise<ApplicationRow | null> {
  return db.one<ApplicationRow>("SELECT * FROM applications WHERE id = :id", { id });
}

/** Applications by id with their timelines, in the order of the ids; those that are not there are left out. */
export async function findWhole(db: Statements, ids: string[]): Promise<Whole[]> {
  const rows = await db.all<ApplicationRow>("SELECT * FROM applications WHERE id IN (:ids)", { ids });
  const byId = new Map((await withEvents(db, rows)).map((whole) => [whole.row.id, whole]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** Adds the timelines of rows. */
export async function withEvents(db: Statements, rows: ApplicationRow[]): Promise<Whole[]> {
  if (rows.length === 0) return [];
  const events = await db.all<EventRow>(
    "SELECT * FROM application_events WHERE application_id IN (:ids) ORDER BY application_id, version",
    { ids: rows.map(({ id }) => id) },
  );
  const byId = Map.groupBy(events, (event) => event.application_id);
  return rows.map((row) => ({ row, events: byId.get(row.id) ?? [] }));
}

interface PageOf {
  status?: Status;
  limit: number;
  cursor?: string;
}

/** The next `limit` + 1 applications of an applicant or a club, newest first. */
export async function page(
  db: Statements,
  column: "applicant_id" | "club_id",
  owner: string,
  { status, limit, cursor }: PageOf,
): Promise<ApplicationRow[]> {
  const after = readCursor(cursor, "applications", ["number", "string"]);
  return db.all<ApplicationRow>(
    `SELECT * FROM applications WHERE ${column} = :owner ${status ? "AND status = :status" : ""}
     ${after ? "AND (created_at < :at OR (created_at = :at AND id < :id))" : ""}
     ORDER BY created_at DESC, id DESC LIMIT ${limit + 1}`,
    { owner, ...(status && { status }), ...(after && { at: after[0] as number, id: after[1] as string }) },
  );
}

export function cursorOf({ row }: Whole): string {
  return writeCursor("applications", [row.created_at, row.id]);
}

/**
 * Puts a new application into the database; false when the person has an open one to the club.
 * @param expiryDays how long its review may take
 */
export async function insert(
  tx: Tx,
  { id, clubId, applicantId, message, answers }: NewApplication,
  { state, entries }: Step,
  expiryDays: number,
): Promise<boolean> {
  const now = Date.now();
  const row: ApplicationRow = {
    id,
    club_id: clubId,
    applicant_id: applicantId,
    open_key: openKey(clubId, applicantId),
    status: state.status,
    message,
    answers: JSON.stringify(answers),
    stages: "[]",
    deciders: "[]",
    version: 0,
    created_at: now,
    updated_at: now,
    expires_at: now + expiryDays * DAY,
    closed_at: null,
    cleared: 0,
  };
  const isNew = await tx.insertNew("applications", { ...row, version: entries.length });
  if (isNew) await record(tx, row, entries, now);
  return isNew;
}

interface NewApplication {
  id: string;
  clubId: string;
  applicantId: string;
  message: string | null;
  answers: Answers;
}

/** More than the transitions that an application can make while somebody tries one. */
const TRIES = 10;

/**
 * Makes the step that `next` chooses for an application's present state (null: none), and returns the row as it is
 * then. Whoever writes first wins; the other chooses again from what the first has left. What `next` throws is thrown
 * before anything of this application is written.
 */
export async function advance(
  tx: Tx,
  id: string,
  next: (row: ApplicationRow, state: State) => Step | null,
): Promise<ApplicationRow | null> {
  for (let tries = 1; tries <= TRIES; tries++) {
    const row = await find(tx, id);
    const step = row && next(row, stateOf(row));
    if (!row || !step || (await save(tx, row, step))) return find(tx, id);
  }
  throw new Error(`Application ${id} changed ${TRIES} times within one transaction.`);
}

/** Writes a step, unless the row was changed since it was read. */
async function save(tx: Tx, row: ApplicationRow, { state, entries }: Step): Promise<boolean> {
  const now = Date.now();
  const open = isOpen(state);
  const begins = row.status === "submitted" && open;
  const changed = await tx.run(
    `UPDATE applications SET status = :status, stages = :stages, deciders = :deciders, open_key = :key,
     version = :version, updated_at = :now, expires_at = :expires, closed_at = :closed
     WHERE id = :id AND version = :seen`,
    {
      id: row.id,
      seen: row.version,
      version: row.version + entries.length,
      status: state.status,
      stages: JSON.stringify(state.stages),
      deciders: JSON.stringify(state.deciders),
      key: open || state.status === "approved" ? row.open_key : null,
      now,
      expires: begins ? now + timeOf(row) : row.expires_at,
      closed: open ? null : now,
    },
  );
  if (changed === 0) return false;
  await record(tx, row, entries, now);
  return true;
}

/** Milliseconds that its review may take, as it was when it was filed. */
function timeOf({ created_at: filed, expires_at: expires }: ApplicationRow): number {
  return expires === null ? EXPIRY : expires - filed;
}

/** Adds entries to the timeline, a version each, and tells of them. */
async function record(tx: Tx, row: ApplicationRow, entries: Step["entries"], at: number): Promise<void> {
  for (const [i, { from, to, by, comment, tell }] of entries.entries()) {
    const version = row.version + i + 1;
    await tx.insert("application_events", {
      application_id: row.id,
      version,
      at,
      from_status: from,
      to_status: to,
      by_id: by,
      comment,
    });
    if (!tell) continue;
    const { type, ...data } = tell;
    await tx.tell({
      type,
      aggregate: { type: "application", id: row.id, version },
      data: {
        clubId: row.club_id,
        applicantId: row.applicant_id,
        ...data,
        ...(type === "applications.decided" && { at, submittedAt: row.created_at }),
      },
    });
  }
}

/** Whether and how the person's approved application to the club waits for its membership, or is open. */
export async function holderOf(db: Statements, clubId: string, userId: string): Promise<Status | null> {
  const row = await db.one<{ status: Status }>("SELECT status FROM applications WHERE open_key = :key", {
    key: openKey(clubId, userId),
  });
  return row?.status ?? null;
}

/** How many approved applications of the person to the club have become a membership, or never will. */
export async function settled(db: Statements, clubId: string, userId: string): Promise<number> {
  return db.number(
    `SELECT COUNT(*) AS n FROM applications
     WHERE applicant_id = :userId AND club_id = :clubId AND status = 'approved' AND open_key IS NULL`,
    { clubId, userId },
  );
}

/** Deletes what people wrote in closed applications; status and dates stay. */
export async function clearTexts(tx: Tx, ids: string[]): Promise<void> {
  await tx.run(
    "UPDATE applications SET message = NULL, answers = '{}', cleared = 1, version = version + 1 WHERE id IN (:ids) AND cleared = 0",
    { ids },
  );
  await tx.run("UPDATE application_events SET comment = NULL WHERE application_id IN (:ids)", { ids });
}

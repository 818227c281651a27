/** Reviews of new clubs in the database, and the rules by which one moves. */
import type { Statements, Tx } from "../../lib/database.ts";
import { readCursor, writeCursor } from "../../lib/cursor.ts";
import { AppError } from "../../lib/errors.ts";

/** How long a claim holds, and how long it is known that a step of a saga was undone (milliseconds). */
export const CLAIM = 30 * 60_000;
export const STEPS_KEPT = 7 * 24 * 3_600_000;

export type ReviewStatus = "open" | "claimed" | "approved" | "rejected";

export interface ReviewRow {
  id: string;
  club_id: string;
  club_name: string;
  filed_by: string;
  /** `claimed` also after the claim has ended: see statusOf. */
  status: ReviewStatus;
  /** Who has claimed it, and when decided who did that. */
  claimed_by: string | null;
  claim_until: number | null;
  /** Version of the club that the claim was made on. */
  claim_club_version: number | null;
  comment: string | null;
  version: number;
  created_at: number;
  updated_at: number;
}

/** A claim that has ended leaves the review open. */
export function statusOf(row: ReviewRow, now: number): ReviewStatus {
  return row.status === "claimed" && (row.claim_until ?? 0) <= now ? "open" : row.status;
}

/** @throws SELF_REVIEW */
export function refuseOwn(row: ReviewRow, user: string): void {
  if (row.filed_by === user) throw new AppError("SELF_REVIEW");
}

/** Refuses what is decided, or claimed by someone else. @throws ALREADY_DECIDED, ALREADY_CLAIMED */
export function demandFree(row: ReviewRow, user: string, now: number): void {
  const status = statusOf(row, now);
  if (status === "approved" || status === "rejected") throw new AppError("ALREADY_DECIDED");
  if (status === "claimed" && row.claimed_by !== user) throw new AppError("ALREADY_CLAIMED");
}

/** Whether the person has claimed it and the claim holds. */
export function holdsClaim(row: ReviewRow, user: string, now: number): boolean {
  return statusOf(row, now) === "claimed" && row.claimed_by === user;
}

export async function findReview(db: Statements, id: string): Promise<ReviewRow | null> {
  return db.one<ReviewRow>("SELECT * FROM reviews WHERE id = :id", { id });
}

interface PageOf {
  status?: ReviewStatus;
  limit: number;
  cursor?: string;
}

const CONDITIONS: Record<ReviewStatus, string> = {
  open: "(status = 'open' OR (status = 'claimed' AND claim_until <= :now))",
  claimed: "(status = 'claimed' AND claim_until > :now)",
  approved: "status = 'approved'",
  rejected: "status = 'rejected'",
};

/** The next `limit` + 1 reviews, oldest first. */
export async function reviewPage(db: Statements, { status, limit, cursor }: PageOf): Promise<ReviewRow[]> {
  const after = readCursor(cursor, "reviews", ["number", "string"]);
  const conditions = [
    ...(status ? [CONDITIONS[status]] : []),
    ...(after ? ["(created_at > :at OR (created_at = :at AND id > :id))"] : []),
  ];
  return db.all<ReviewRow>(
    `SELECT * FROM reviews ${conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : ""}
     ORDER BY created_at, id LIMIT ${limit + 1}`,
    { now: Date.now(), ...(after && { at: after[0] as number, id: after[1] as string }) },
  );
}

export function reviewCursor(row: ReviewRow): string {
  return writeCursor("reviews", [row.created_at, row.id]);
}

/** What a change of a review writes; the rest stays. */
export type ReviewChange = Partial<
  Pick<ReviewRow, "status" | "claimed_by" | "claim_until" | "claim_club_version" | "comment">
>;

const RELEASED: ReviewChange = {
  status: "open",
  claimed_by: null,
  claim_until: null,
  claim_club_version: null,
};

const TRIES = 10;

/**
 * Changes a review as `next` chooses by its present row, unless it was changed since it was read: then `next` chooses
 * again. What `next` throws is thrown before anything is written.
 * @returns the row as it is then
 * @throws NOT_FOUND
 */
export async function changeReview(
  tx: Tx,
  id: string,
  next: (row: ReviewRow) => ReviewChange,
): Promise<ReviewRow> {
  for (let tries = 1; tries <= TRIES; tries++) {
    const row = await findReview(tx, id);
    if (!row) throw new AppError("NOT_FOUND");
    const changed = { ...row, ...next(row), version: row.version + 1, updated_at: Date.now() };
    const written = await tx.run(
      `UPDATE reviews SET status = :status, claimed_by = :claimed_by, claim_until = :claim_until,
       claim_club_version = :claim_club_version, comment = :comment, version = :version, updated_at = :updated_at
       WHERE id = :id AND version = :seen`,
      { ...changed, seen: row.version },
    );
    if (written > 0) return changed;
  }
  throw new Error(`Review ${id} changed ${TRIES} times within one transaction.`);
}

/** Ends the claim that was made on this row, if it is still there. */
export async function releaseClaim(db: Statements, row: ReviewRow): Promise<void> {
  await db.run(
    `UPDATE reviews SET status = 'open', claimed_by = NULL, claim_until = NULL, claim_club_version = NULL,
     version = version + 1, updated_at = :now WHERE id = :id AND version = :seen AND status = 'claimed'`,
    { id: row.id, seen: row.version, now: Date.now() },
  );
}

/** Ends someone's claims. */
export async function releaseClaimsOf(tx: Tx, user: string): Promise<void> {
  const rows = await tx.all<ReviewRow>(
    "SELECT * FROM reviews WHERE claimed_by = :user AND status = 'claimed'",
    { user },
  );
  for (const row of rows) await releaseClaim(tx, row);
}

/** A pending club was changed: a claim made on an older version ends. */
export async function releaseOutdated(tx: Tx, clubId: string, clubVersion: number): Promise<void> {
  const rows = await tx.all<ReviewRow>(
    "SELECT * FROM reviews WHERE club_id = :clubId AND status = 'claimed' AND claim_club_version < :clubVersion",
    { clubId, clubVersion },
  );
  for (const row of rows) await releaseClaim(tx, row);
}

/** A club is gone: nobody needs to review it. */
export async function removeOpen(tx: Tx, clubId: string): Promise<void> {
  await tx.run("DELETE FROM reviews WHERE club_id = :clubId AND status IN ('open', 'claimed')", { clubId });
}

/** A decision came too late for the text that it was made on: the review is open again. */
export async function reopen(tx: Tx, clubId: string): Promise<void> {
  const rows = await tx.all<{ id: string }>(
    "SELECT id FROM reviews WHERE club_id = :clubId AND status IN ('approved', 'rejected')",
    { clubId },
  );
  for (const { id } of rows) await changeReview(tx, id, () => ({ ...RELEASED, comment: null }));
}

export interface NewReview {
  sagaStep: string;
  taskId: string;
  clubId: string;
  clubName: string;
  filedBy: string;
}

/**
 * Opens a review, once for its step of a saga.
 * @returns whether it is new
 * @throws ALREADY_DECIDED the step was undone before
 */
export async function openReview(tx: Tx, { sagaStep, taskId, clubId, clubName, filedBy }: NewReview) {
  const now = Date.now();
  // Whoever inserts this row first, `openReview` or `undoReview`, makes the other wait for its commit.
  const step = { saga_step: sagaStep, task_id: taskId, undone: 0, at: now };
  if (!(await tx.insertNew("review_steps", step))) {
    if ((await undone(tx, sagaStep)) > 0) throw new AppError("ALREADY_DECIDED");
    return false;
  }
  await tx.insert("reviews", {
    id: taskId,
    club_id: clubId,
    club_name: clubName,
    filed_by: filedBy,
    status: "open",
    version: 1,
    created_at: now,
    updated_at: now,
  });
  return true;
}

function undone(tx: Tx, sagaStep: string): Promise<number> {
  return tx.number("SELECT undone FROM review_steps WHERE saga_step = :sagaStep", { sagaStep });
}

/** Takes back what `openReview` did for a step, or keeps it from doing it later. */
export async function undoReview(tx: Tx, sagaStep: string): Promise<void> {
  const values = { saga_step: sagaStep, task_id: null, undone: 1, at: Date.now() };
  if (await tx.insertNew("review_steps", values)) return;
  await tx.run("UPDATE review_steps SET undone = 1, at = :at WHERE saga_step = :sagaStep", {
    sagaStep,
    at: Date.now(),
  });
  const step = await tx.one<{ task_id: string | null }>(
    "SELECT task_id FROM review_steps WHERE saga_step = :sagaStep",
    { sagaStep },
  );
  if (step?.task_id) await tx.run("DELETE FROM reviews WHERE id = :id", { id: step.task_id });
}

/** Forgets the steps of sagas that have long ended. */
export async function sweepSteps(db: Statements, now: number): Promise<void> {
  await db.run("DELETE FROM review_steps WHERE at < :before", { before: now - STEPS_KEPT });
}

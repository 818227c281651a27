/** What happens to applications without a request: clubs change, people go, time passes. */
import type { Database, Tx } from "../../lib/database.ts";
import type { ClubRecord } from "../clubs/clubs.contract.ts";
import { advance, clearTexts, DAY, openKey, TEXTS_KEPT } from "./application-rows.ts";
import { begin, chain, close, decide, isOpen } from "./state.ts";
import type { Decision, State, Step } from "./state.ts";

const BATCH = 100;

/** Looks clubs up by id, uncached. */
type Clubs = (ids: string[]) => Promise<Map<string, ClubRecord>>;

/** A decision; on an application whose review has not begun that step comes first. */
export function decideOn(state: State, club: ClubRecord, decision: Decision): Step {
  if (state.status !== "submitted") return decide(state, decision);
  return chain(begin(state, club), (reviewed) => decide(reviewed, decision));
}

/** How the review of a submitted application starts: where its club is gone it expires, in a suspended one it waits. */
export function startOf(state: State, club: ClubRecord | undefined): Step | null {
  if (state.status !== "submitted") return null;
  if (!club || club.status === "deleted") return close(state, "expired", null);
  return club.status === "active" ? begin(state, club) : null;
}

function expire(_row: unknown, state: State): Step | null {
  return isOpen(state) ? close(state, "expired", null) : null;
}

/** The open applications of a deleted club expire. */
export async function expireAllOf(db: Database, clubId: string): Promise<void> {
  await inBatches(db, "club_id = :clubId AND status IN ('submitted', 'under_review')", { clubId }, (tx, id) =>
    advance(tx, id, expire),
  );
}

/**
 * A club is active again since `at`: what waited for its review begins, and what was under review has its full time,
 * so many days.
 */
export async function resume(db: Database, club: ClubRecord, at: number, days: number): Promise<void> {
  await db.primary.run(
    `UPDATE applications SET expires_at = :expires
     WHERE club_id = :clubId AND status = 'under_review' AND expires_at < :expires`,
    { expires: at + days * DAY, clubId: club.id },
  );
  await inBatches(db, "club_id = :clubId AND status = 'submitted'", { clubId: club.id }, (tx, id) =>
    advance(tx, id, (_row, state) => startOf(state, club)),
  );
}

/** Does `work` on each application that fits, until none does: `work` must make each fit no more. */
async function inBatches(
  db: Database,
  condition: string,
  values: Record<string, string>,
  work: (tx: Tx, id: string) => Promise<unknown>,
): Promise<void> {
  for (let after = ""; ;) {
    const rows = await db.primary.all<{ id: string }>(
      `SELECT id FROM applications WHERE ${condition} AND id > :after ORDER BY id LIMIT ${BATCH}`,
      { ...values, after },
    );
    const last = rows.at(-1);
    if (!last) return;
    await db.transaction(async (tx) => {
      for (const { id } of rows) await work(tx, id);
    });
    after = last.id;
  }
}

/** An approved application has become a membership: it stands in for it no more. */
export async function settle(tx: Tx, id: string): Promise<void> {
  await tx.run("UPDATE applications SET open_key = NULL WHERE id = :id AND status = 'approved'", { id });
}

/** Someone left a club at `at`: what was approved before stands in for no membership any more. */
export async function settleLeft(tx: Tx, clubId: string, userId: string, at: number): Promise<void> {
  await tx.run(
    "UPDATE applications SET open_key = NULL WHERE open_key = :key AND status = 'approved' AND closed_at <= :at",
    { key: openKey(clubId, userId), at },
  );
}

/** An approved application will never be a membership; its timeline says so. */
export async function refuse(tx: Tx, id: string): Promise<void> {
  await advance(tx, id, (_row, state) =>
    state.status === "approved"
      ? { state, entries: [{ from: "approved", to: "approved", by: null, comment: null, tell: null }] }
      : null,
  );
  await settle(tx, id);
}

/** Withdraws someone's open applications and deletes the texts of all of theirs. */
export async function erase(tx: Tx, userId: string): Promise<void> {
  const rows = await tx.all<{ id: string }>("SELECT id FROM applications WHERE applicant_id = :userId", {
    userId,
  });
  for (const { id } of rows)
    await advance(tx, id, (_row, state) => (isOpen(state) ? close(state, "withdrawn", userId) : null));
  await clearTexts(
    tx,
    rows.map(({ id }) => id),
  );
}

/** Expires what has waited too long. In a suspended club it waits on, and is looked at again a day later. */
export async function sweepExpired(db: Database, clubsById: Clubs, now: number): Promise<void> {
  for (;;) {
    const due = await db.primary.all<{ id: string; club_id: string }>(
      `SELECT id, club_id FROM applications WHERE status = 'under_review' AND expires_at <= :now
       ORDER BY expires_at LIMIT ${BATCH}`,
      { now },
    );
    if (due.length === 0) return;
    const clubs = await clubsById(due.map((row) => row.club_id));
    await db.transaction(async (tx) => {
      for (const { id, club_id: clubId } of due)
        if (clubs.get(clubId)?.status === "suspended")
          await tx.run("UPDATE applications SET expires_at = :later WHERE id = :id AND expires_at <= :now", {
            id,
            now,
            later: now + DAY,
          });
        else
          await advance(tx, id, (row, state) => ((row.expires_at ?? now) <= now ? expire(row, state) : null));
    });
  }
}

/** Deletes the texts of applications that were closed a year ago. */
export async function sweepTexts(db: Database, now: number): Promise<void> {
  for (;;) {
    const rows = await db.primary.all<{ id: string }>(
      `SELECT id FROM applications WHERE cleared = 0 AND closed_at < :before ORDER BY closed_at LIMIT ${BATCH}`,
      { before: now - TEXTS_KEPT },
    );
    if (rows.length === 0) return;
    await db.transaction((tx) =>
      clearTexts(
        tx,
        rows.map(({ id }) => id),
      ),
    );
  }
}

/** What is kept no longer than needed (docs/privacy.md). Harmless to run on several nodes. */
import type { Statements } from "../../lib/database.ts";
import { SWEEPS } from "./cross-shard.ts";
import { LOCK_WINDOW } from "./login-failures.ts";

const MINUTE = 60_000;
const DAY = 24 * 3_600_000;

/** Revocations outlive every access token; failures count for a quarter of an hour. */
export async function sweepOften(db: Statements, now: number): Promise<void> {
  await db.run("DELETE FROM session_revocations WHERE revoked_at < :before", { before: now - 15 * MINUTE });
  await db.run(SWEEPS.failures, { before: now - LOCK_WINDOW });
}

/**
 * Sessions go when they expire, 180 days after the sign-in at the latest, and their addresses with them; one that was
 * ended after 30 days. Rows of tokens stay a week for notices that mail has not taken yet.
 */
export async function sweepDaily(db: Statements, now: number): Promise<void> {
  await db.run(SWEEPS.expiredSessions, { before: now });
  await db.run(SWEEPS.endedSessions, { before: now - 30 * DAY });
  await db.run(SWEEPS.tokens, { before: now - 7 * DAY });
}

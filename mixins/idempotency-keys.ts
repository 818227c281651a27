/** Idempotency keys in the database of a domain. */
import { setTimeout as sleep } from "node:timers/promises";
import { isDuplicate } from "../lib/database.ts";
import type { Database, Statements } from "../lib/database.ts";
import { AppError } from "../lib/errors.ts";
import { newId } from "../lib/ids.ts";
import type { Claim, IdempotencyStore, KeptAnswer } from "../middlewares/idempotency.ts";

/** How long a running request holds its key, and how long an answer is kept (milliseconds). */
const KEY_LEASE = 20_000;
const KEY_KEPT = 24 * 3_600_000;

interface KeyRow {
  target_id: string;
  mac: string;
  lease: string;
  lease_until: number;
  status: number | null;
  answer: string | null;
  created_at: number;
}

/** The store of keys that the idempotency middleware works with. */
export function keysOf(db: Database): IdempotencyStore {
  const values = (user: string, row: string, lease: string) => ({ user, row, lease });
  const claim = async (user: string, row: string, mac: string): Promise<Claim> => {
    const now = Date.now();
    const fresh = {
      user_id: user,
      id: row,
      target_id: newId(),
      mac,
      lease: newId(),
      lease_until: now + KEY_LEASE,
      created_at: now,
    };
    try {
      await db.primary.insert("idempotency_keys", fresh);
      return { state: "mine", id: fresh.target_id, lease: fresh.lease, repeated: false };
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
    const known = await db.primary.one<KeyRow>(
      "SELECT * FROM idempotency_keys WHERE user_id = :user AND id = :row",
      { user, row },
    );
    if (!known) return claim(user, row, mac);
    if (known.created_at < now - KEY_KEPT) {
      await db.primary.run(
        "DELETE FROM idempotency_keys WHERE user_id = :user AND id = :row AND lease = :lease",
        values(user, row, known.lease),
      );
      return claim(user, row, mac);
    }
    if (known.status !== null)
      return { state: "done", mac: known.mac, answer: JSON.parse(known.answer as string) as KeptAnswer };
    if (known.lease_until > now || known.mac !== mac) return { state: "running", mac: known.mac };
    const taken = await db.primary.run(
      "UPDATE idempotency_keys SET lease = :mine, lease_until = :until WHERE user_id = :user AND id = :row AND lease = :lease AND status IS NULL",
      { ...values(user, row, known.lease), mine: fresh.lease, until: now + KEY_LEASE },
    );
    return taken > 0
      ? { state: "mine", id: known.target_id, lease: fresh.lease, repeated: true }
      : { state: "running", mac };
  };
  return {
    claim,
    close: (user, row, lease, answer) => closeKey(db.primary, user, row, lease, answer),
    async release(user, row, lease) {
      const free = () =>
        db.primary.run(
          "UPDATE idempotency_keys SET lease_until = 0 WHERE user_id = :user AND id = :row AND lease = :lease AND status IS NULL",
          values(user, row, lease),
        );
      // Often it is the database that has failed: the repeat need not wait for the lease to end once it is back.
      await free().catch(() => void untilDone(free));
    },
  };
}

/** Tries again each second, for as long as a lease may hold. */
async function untilDone(work: () => Promise<unknown>): Promise<void> {
  for (const end = Date.now() + KEY_LEASE; Date.now() < end;) {
    await sleep(1_000, undefined, { ref: false });
    if (
      await work().then(
        () => true,
        () => false,
      )
    )
      return;
  }
}

/** Keeps the answer; fails when another run has taken the key over after the lease, so that the effect of this one is undone. */
export async function closeKey(
  db: Statements,
  user: string,
  row: string,
  lease: string,
  answer: KeptAnswer,
): Promise<void> {
  const closed = await db.run(
    "UPDATE idempotency_keys SET status = :status, answer = :answer WHERE user_id = :user AND id = :row AND lease = :lease AND status IS NULL",
    { user, row, lease, status: answer.status, answer: JSON.stringify(answer) },
  );
  if (closed === 0) throw new AppError("IDEMPOTENCY_IN_PROGRESS", { retryAfter: 1 });
}

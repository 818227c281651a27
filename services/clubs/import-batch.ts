/** One batch of an import: judged and written in one transaction, whose outcomes are kept for who asks again. */
import { isDuplicate } from "../../lib/database.ts";
import type { Database, Statements, Tx } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import type { FieldError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { Claims, failedRow, sealed } from "../../lib/imports.ts";
import type { Batch, Claim, Outcome } from "../../lib/imports.ts";

/** Others who take a name of the batch at the same moment. */
const TRIES = 10;

/** How a row stands to what is there: `new`, `same`, or why it cannot be taken. */
export type Standing = "new" | "same" | FieldError[];

export interface Work<C extends { row: number }> {
  candidates: readonly C[];
  claimOf: (candidate: C) => Claim;
  /** Holds what the rows are about still, so that nothing of it changes before the end of the transaction. */
  lock?: (tx: Tx) => Promise<void>;
  judge: (statements: Statements) => Promise<(candidate: C) => Standing>;
  write: (tx: Tx, candidates: readonly C[]) => Promise<void>;
}

/** What becomes of each candidate; in a dry run what would, each for itself. */
export async function runBatch<C extends { row: number }>(
  db: Database,
  batch: Batch,
  work: Work<C>,
): Promise<Outcome[]> {
  if (batch.dryRun) {
    const judge = await work.judge(db.primary);
    return work.candidates.map((candidate) => {
      const outcome = outcomeOf(candidate.row, judge(candidate));
      return outcome.outcome === "created" ? { ...outcome, claim: sealed(work.claimOf(candidate)) } : outcome;
    });
  }
  for (let attempt = 0; attempt < TRIES; attempt++)
    try {
      return await db.transaction((tx) => inTransaction(tx, batch, work), {
        actor: batch.by,
        requestId: null,
      });
    } catch (error) {
      // Somebody was faster with a name, a membership, or these very rows: it is looked at again.
      if (!isDuplicate(error)) throw error;
    }
  throw new AppError("UNAVAILABLE", { retryAfter: 2 });
}

async function inTransaction<C extends { row: number }>(
  tx: Tx,
  batch: Batch,
  work: Work<C>,
): Promise<Outcome[]> {
  const known = await receiptOf(tx, batch);
  if (known) return known;
  await work.lock?.(tx);
  const judge = await work.judge(tx);
  const inFile = new Claims();
  const fresh: C[] = [];
  const outcomes = work.candidates.map((candidate) => {
    const standing = judge(candidate);
    const claimed = standing === "new" ? inFile.take(work.claimOf(candidate)) : standing;
    if (claimed === "new") fresh.push(candidate);
    return outcomeOf(candidate.row, claimed);
  });
  await work.write(tx, fresh);
  await keepReceipt(tx, batch, outcomes);
  return outcomes;
}

function outcomeOf(row: number, standing: Standing): Outcome {
  if (Array.isArray(standing)) return failedRow(row, standing);
  return { row, outcome: standing === "new" ? "created" : "unchanged" };
}

/** Receipts are idempotency keys whose caller is an import: swept with them after a day. */
function keyOf({ importId, rows }: Batch): string {
  return `import:${importId}:${rows[0]?.row}-${rows.length}`;
}

async function receiptOf(tx: Tx, batch: Batch): Promise<Outcome[] | null> {
  const row = await tx.one<{ answer: string }>(
    "SELECT answer FROM idempotency_keys WHERE user_id = :by AND id = :key",
    { by: batch.by, key: keyOf(batch) },
  );
  return row && (JSON.parse(row.answer) as Outcome[]);
}

async function keepReceipt(tx: Tx, batch: Batch, outcomes: Outcome[]): Promise<void> {
  await tx.insert("idempotency_keys", {
    user_id: batch.by,
    id: keyOf(batch),
    target_id: batch.importId,
    mac: "",
    lease: newId(),
    lease_until: 0,
    status: 200,
    answer: JSON.stringify(outcomes),
    created_at: Date.now(),
  });
}

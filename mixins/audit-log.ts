/** How entries come into the audit log, in a transaction of the admin domain. */
import type { Sequelize } from "sequelize";
import type { Tx } from "../lib/database.ts";
import { chained, CHAINS } from "../lib/audit-chain.ts";
import type { Head, LogEntry } from "../lib/audit-chain.ts";
import { AppError } from "../lib/errors.ts";

/** Where this process begins to look for a chain: others begin elsewhere, mostly. */
let preferred = Math.floor(Math.random() * CHAINS);

/** Where this process has left a chain, which need not be read again if nobody has moved its end. */
const left = new WeakMap<Sequelize, Head>();

/**
 * Appends entries to one of the chains: to one whose end nobody else moves meanwhile. Its end is locked until the
 * transaction ends, so this comes last in it.
 * @throws UNAVAILABLE when all chains are taken; a unique-constraint error for an entry that is in the log already
 */
export async function append(tx: Tx, entries: readonly LogEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const { sequelize } = tx;
  const own = left.get(sequelize);
  left.delete(sequelize);
  if (own && (await extend(tx, own, entries))) return;
  for (let tries = 0; tries < CHAINS; tries++) {
    const chain = (preferred + tries) % CHAINS;
    const head = await tx.one<Head>("SELECT chain, seq, hash, id FROM audit_heads WHERE chain = :chain", {
      chain,
    });
    if (head && (await extend(tx, head, entries))) return;
  }
  throw new AppError("UNAVAILABLE", { retryAfter: 1 });
}

/** Whether the end was still there; then the entries follow it. */
async function extend(tx: Tx, head: Head, entries: readonly LogEntry[]): Promise<boolean> {
  const rows = chained(head, entries);
  const { chain, seq, hash, id } = rows.at(-1) as Head;
  const end = { chain, seq, hash, id };
  if (!(await move(tx, head, end))) return false;
  await tx.insertAll("audit_entries", rows);
  tx.afterCommit.push(() => {
    preferred = chain;
    left.set(tx.sequelize, end);
  });
  return true;
}

/** Whether the end was still where it was. */
async function move(tx: Tx, from: Head, to: Head): Promise<boolean> {
  const moved = await tx.run(
    "UPDATE audit_heads SET seq = :seq, hash = :hash, id = :id WHERE chain = :chain AND seq = :was AND hash = :before",
    { chain: from.chain, seq: to.seq, hash: to.hash, id: to.id, was: from.seq, before: from.hash },
  );
  return moved > 0;
}

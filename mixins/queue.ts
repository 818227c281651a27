/** A domain's queue service: runs the relay of its outbox and gives operators its messages and dead letters. */
import type { Database } from "../lib/database.ts";
import { AppError } from "../lib/errors.ts";
import type { Contract, Envelope } from "../lib/declare.ts";
import { implement } from "../lib/implement.ts";
import type { queueActions } from "../lib/queue-contract.ts";
import type { SqlDomain } from "../lib/settings.ts";
import { database } from "./database.ts";
import { sweepQueue } from "./relay.ts";
import { consumersOf, runtimeOf } from "./runtime.ts";
import { keepReceipt, takeBack } from "./taking-back.ts";
import { sweeper } from "./sweeper.ts";

interface DeadRow {
  id: string;
  type: string;
  consumer: string;
  envelope: string;
  error: string;
  attempts: number;
  created_at: number;
}

const present = ({ id, type, consumer, error, attempts, created_at: createdAt }: DeadRow) => ({
  id,
  type,
  consumer,
  error,
  attempts,
  createdAt,
});

/** The service for the queue of `domain`, by its contract. */
export function queueService(domain: SqlDomain, contract: Contract<string, typeof queueActions>) {
  return implement(contract, {
    mixins: [database(domain), sweeper()],
    actions: {
      async depth() {
        const row = await this.db.primary.one<{ waiting: number; oldest: number | null }>(
          "SELECT COUNT(*) AS waiting, MIN(created_at) AS oldest FROM outbox WHERE published_at IS NULL",
        );
        const dead = await this.db.primary.number("SELECT COUNT(*) AS n FROM dead_letters");
        return { waiting: row?.waiting ?? 0, oldest: row?.oldest ?? null, dead };
      },
      async dead(ctx) {
        const rows = await this.db.primary.all<DeadRow>(
          `SELECT * FROM dead_letters ORDER BY created_at LIMIT ${ctx.params.limit}`,
        );
        return rows.map(present);
      },
      async inspect(ctx) {
        const row = await this.db.primary.one<DeadRow>("SELECT * FROM dead_letters WHERE id = :id", {
          id: ctx.params.id,
        });
        if (!row) throw new AppError("NOT_FOUND");
        return { ...present(row), envelope: JSON.parse(row.envelope) as Record<string, unknown> };
      },
      async again(ctx) {
        const { envelope, consumer } = ctx.params;
        const all = consumersOf(runtimeOf(this.broker).contracts, envelope.type);
        const others = all.filter((each) => each !== consumer);
        await takeBack(this.db, ctx.params, others, this.logger);
        this.relay.nudge();
      },
      async receipt(ctx) {
        await keepReceipt(this.db, ctx.params);
      },
      async replay(ctx) {
        const { id } = ctx.params;
        const rows = await this.db.primary.all<DeadRow>(
          `SELECT * FROM dead_letters${id ? " WHERE id = :id" : ""}`,
          { ...(id && { id }) },
        );
        const { contracts } = runtimeOf(this.broker);
        for (const row of rows) await replay(this.db, row, consumersOf(contracts, row.type));
        this.relay.nudge();
        return { replayed: rows.length };
      },
    },
    async started() {
      this.relay.start();
      this.every(3_600_000, () => sweepQueue(this.db, Date.now()));
    },
  });
}

/** The consumer is called again with the same message: what it has done already it will not do twice. */
async function replay(db: Database, row: DeadRow, consumers: string[]): Promise<void> {
  const id = row.id.split(":")[0] as string;
  await db.transaction(async (tx) => {
    const known = await tx.one<{ done: string }>("SELECT done FROM outbox WHERE id = :id", { id });
    const others = known ? (JSON.parse(known.done) as string[]) : consumers;
    const done = JSON.stringify(others.filter((consumer) => consumer !== row.consumer));
    if (known)
      await tx.run(
        "UPDATE outbox SET done = :done, attempts = 0, due_at = :now, published_at = NULL WHERE id = :id",
        { id, done, now: Date.now() },
      );
    else await tx.requeue(JSON.parse(row.envelope) as Envelope, done);
    await tx.run("DELETE FROM dead_letters WHERE id = :dead", { dead: row.id });
  });
}

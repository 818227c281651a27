import type { Ctx } from "../../lib/implement.ts";
import { implement } from "../../lib/implement.ts";
import { failedRow } from "../../lib/imports.ts";
import type { Batch, Outcome } from "../../lib/imports.ts";
import type { FieldError } from "../../lib/errors.ts";
import { wordsInForce } from "../../middlewares/moderate.ts";
import { database } from "../../mixins/database.ts";
import { readYourWrites } from "../../mixins/read-your-writes.ts";
import { runBatch } from "./import-batch.ts";
import { claimOfClub, judgeClubs, readClub, writeClubs } from "./imported-clubs.ts";
import {
  claimOfMember,
  clubsOf,
  findClubs,
  judgeMembers,
  readMember,
  writeMembers,
} from "./imported-members.ts";
import { clubImports } from "./imports.contract.ts";

export default implement(clubImports, {
  mixins: [database("clubs"), readYourWrites("clubs")],
  actions: {
    async clubs(ctx) {
      const batch = ctx.params;
      const words = await wordsInForce(this.broker);
      const presidents = await peopleOf(ctx, "president");
      const { read, outcomes } = sorted(batch, (row) => readClub(batch, row, words, presidents));
      const done = await runBatch(this.db, batch, {
        candidates: read,
        claimOf: claimOfClub,
        judge: (statements) => judgeClubs(statements, read),
        write: (tx, fresh) => writeClubs(tx, batch, fresh),
      });
      this.relay.nudge();
      return inOrder(outcomes, done);
    },

    async members(ctx) {
      const batch = ctx.params;
      const words = await wordsInForce(this.broker);
      const people = await peopleOf(ctx, "user");
      const { read, outcomes } = sorted(batch, (row) => readMember(row, words, people));
      const candidates = await findClubs(this.db.primary, read);
      const clubIds = clubsOf(candidates);
      const done = await runBatch(this.db, batch, {
        candidates,
        claimOf: claimOfMember,
        lock: async (tx) => {
          await tx.run("UPDATE clubs SET revision = revision + 1 WHERE id IN (:clubIds) AND ready = 1", {
            clubIds,
          });
        },
        judge: (statements) => judgeMembers(statements, candidates),
        write: (tx, fresh) => writeMembers(tx, batch, fresh),
      });
      if (!batch.dryRun) {
        for (const id of clubIds) await this.forget("clubs.record", id);
        await this.wrote(candidates.map(({ userId }) => userId));
      }
      this.relay.nudge();
      return inOrder(outcomes, done);
    },
  },
});

/** Who is meant by the user names and e-mails in a column. */
async function peopleOf(ctx: Ctx<Batch>, column: string): Promise<(login: string) => string | null> {
  const logins = [
    ...new Set(
      ctx.params.rows.map(({ cells }) => cells[column]?.trim() ?? "").filter((login) => login !== ""),
    ),
  ];
  const ids = logins.length === 0 ? [] : await ctx.call("userImports.find", { logins });
  const byLogin = new Map(logins.map((login, i) => [login, ids[i] ?? null]));
  return (login) => byLogin.get(login.trim()) ?? null;
}

/** Rows that can be read, and outcomes of those that cannot. */
function sorted<C>(
  { rows }: Batch,
  read: (row: Batch["rows"][number]) => C | FieldError[],
): { read: C[]; outcomes: Outcome[] } {
  const outcomes: Outcome[] = [];
  const candidates: C[] = [];
  for (const row of rows) {
    const one = read(row);
    if (Array.isArray(one)) outcomes.push(failedRow(row.row, one));
    else candidates.push(one);
  }
  return { read: candidates, outcomes };
}

function inOrder(some: Outcome[], others: Outcome[]): Outcome[] {
  return [...some, ...others].toSorted((a, b) => a.row - b.row);
}

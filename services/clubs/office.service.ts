import { implement } from "../../lib/implement.ts";
import type { Ctx } from "../../lib/implement.ts";
import type { Tx } from "../../lib/database.ts";
import { database } from "../../mixins/database.ts";
import { readYourWrites } from "../../mixins/read-your-writes.ts";
import { replaceCategories } from "./categories.ts";
import { switchStatus } from "./edits.ts";
import { clubLock } from "./lock.ts";
import { listAllClubs } from "./office-list.ts";
import { clubOffice } from "./office.contract.ts";
import { presentClubs, presentNow, toRecord } from "./rows.ts";

export default implement(clubOffice, {
  mixins: [database("clubs"), readYourWrites("clubs"), clubLock()],
  methods: {
    /** A change by an administrator, whom the admin domain has admitted. */
    async changeBy<R>(ctx: Ctx<{ by: string }>, work: (tx: Tx) => Promise<R>): Promise<R> {
      const { by } = ctx.params;
      const answer = await this.db.transaction(work, { actor: by, requestId: ctx.requestID ?? null });
      this.relay.nudge();
      return answer;
    },
  },
  actions: {
    async list(ctx) {
      const { items, nextCursor } = await listAllClubs(this.db.primary, ctx.params);
      return { items: await presentClubs(this.db.primary, null, items.map(toRecord)), nextCursor };
    },
    async setStatus(ctx) {
      const { id, by } = ctx.params;
      return this.changeBy(ctx, async (tx) => {
        const before = await switchStatus(tx, ctx, await this.lockClub(tx, id, [by]), ctx.params);
        return { club: await presentNow(tx, null, id), before };
      });
    },
    async setCategories(ctx) {
      const { categories } = ctx.params;
      const before = await this.changeBy(ctx, async (tx) => {
        tx.afterCommit.push(() => this.wrote([ctx.params.by]));
        return replaceCategories(tx, categories);
      });
      return { categories, before };
    },
  },
});

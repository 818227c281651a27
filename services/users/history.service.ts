import { personFact } from "../../lib/facts.ts";
import { implement } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import { HISTORY } from "./cross-shard.ts";
import { userHistory } from "./history.contract.ts";

export default implement(userHistory, {
  mixins: [database("users")],
  actions: {
    async page(ctx) {
      const { after, limit } = ctx.params;
      const rows = await this.db.primary.all<{ id: string; status: string }>(
        `${HISTORY} > :after ORDER BY id LIMIT ${limit}`,
        { after: after ?? "" },
      );
      return {
        facts: rows.map(({ id, status }) => personFact(id, status === "erased" ? "erased" : undefined)),
        rosters: [],
        next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
      };
    },
  },
});

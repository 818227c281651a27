/** The members of some clubs, in pages by the person. */
import { implement } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import { clubAudience } from "./audience.contract.ts";

export default implement(clubAudience, {
  mixins: [database("clubs")],
  actions: {
    async page(ctx) {
      const { clubIds, after, limit } = ctx.params;
      const found = new Set<string>();
      // A range of the primary key for each club: of several at once a database would read and sort all members.
      for (const clubId of new Set(clubIds)) {
        const rows = await this.db.primary.all<{ user_id: string }>(
          `SELECT user_id FROM members WHERE club_id = :clubId AND user_id > :after ORDER BY user_id LIMIT ${limit}`,
          { clubId, after: after ?? "" },
        );
        for (const { user_id: user } of rows) found.add(user);
      }
      const ids = [...found].toSorted().slice(0, limit);
      return { ids, after: ids.length < limit ? null : (ids.at(-1) ?? null) };
    },
  },
});

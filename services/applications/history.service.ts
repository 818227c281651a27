import { applicationFact } from "../../lib/facts.ts";
import { implement } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import { applicationHistory } from "./history.contract.ts";

interface Row {
  id: string;
  club_id: string;
  applicant_id: string;
  created_at: number;
  approved_at: number | null;
}

export default implement(applicationHistory, {
  mixins: [database("applications")],
  actions: {
    async page(ctx) {
      const { after, limit } = ctx.params;
      // Approved once; what became of the membership may be a second entry.
      const rows = await this.db.primary.all<Row>(
        `SELECT a.id, a.club_id, a.applicant_id, a.created_at, (SELECT MIN(e.at) FROM application_events e
         WHERE e.application_id = a.id AND e.to_status = 'approved') AS approved_at
         FROM applications a WHERE a.id > :after ORDER BY a.id LIMIT ${limit}`,
        { after: after ?? "" },
      );
      return {
        facts: rows.map(({ id, club_id: club, applicant_id: user, created_at: from, approved_at: at }) =>
          applicationFact(id, club, user, at === null ? null : { at, took: at - from }),
        ),
        rosters: [],
        next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
      };
    },
  },
});

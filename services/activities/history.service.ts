import { activityFact, participationFact } from "../../lib/facts.ts";
import type { HistoryPage } from "../../lib/facts.ts";
import { implement } from "../../lib/implement.ts";
import { documents } from "../../mixins/documents.ts";
import { activityHistory } from "./history.contract.ts";
import { openStore } from "./records.ts";
import type { Store } from "./records.ts";

/** In this order; how far a page has come is its kind, a blank, and the last id. */
const KINDS = [
  ["activities", activitiesPage],
  ["rosters", rostersPage],
  ["participations", participationsPage],
] as const;
const FIELDS = {
  activities: ["clubId", "version", "status", "publishedAt"],
  rosters: ["version", "terms"],
  participations: ["roster", "user", "status", "op", "at", "admittedAt", "checkedInAt"],
} as const;

export default implement(activityHistory, {
  mixins: [documents("activities", { tells: true })],
  actions: {
    async page(ctx) {
      const { after, limit } = ctx.params;
      const store = await openStore(this.documents);
      const [kind, last = ""] = (after ?? KINDS[0][0]).split(" ");
      const place = KINDS.findIndex(([name]) => name === kind);
      const [name, read] = KINDS[place] ?? KINDS[0];
      const { last: end, ...found } = await read(store, last, limit);
      return { ...found, next: end === null ? (KINDS[place + 1]?.[0] ?? null) : `${name} ${end}` };
    },
  },
});

type Page = Pick<HistoryPage, "facts" | "rosters"> & { last: string | null };

const by = <K extends keyof typeof FIELDS>(kind: K, limit: number) =>
  ({ sort: { _id: 1 }, limit, projection: FIELDS[kind] }) as const;

function lastOf(rows: readonly { _id: string }[], limit: number): string | null {
  return rows.length === limit ? (rows.at(-1)?._id ?? null) : null;
}

async function activitiesPage({ activities }: Store, after: string, limit: number): Promise<Page> {
  const rows = await activities.find({ _id: { $gt: after } }, by("activities", limit));
  const facts = rows.flatMap(({ _id: id, clubId, version, status, publishedAt }) =>
    publishedAt === null ? [] : [activityFact(id, clubId, version, publishedAt, status === "published")],
  );
  return { facts, rosters: [], last: lastOf(rows, limit) };
}

async function rostersPage({ rosters }: Store, after: string, limit: number): Promise<Page> {
  const rows = await rosters.find({ _id: { $gt: after } }, by("rosters", limit));
  const found = rows.map(({ _id: id, version, terms: { startsAt, endsAt, cancelled } }) => ({
    id,
    version,
    startsAt,
    endsAt,
    cancelled,
  }));
  return { facts: [], rosters: found, last: lastOf(rows, limit) };
}

async function participationsPage(store: Store, after: string, limit: number): Promise<Page> {
  const rows = await store.participations.find({ _id: { $gt: after } }, by("participations", limit));
  const ids = [...new Set(rows.map(({ roster }) => roster))];
  const rosters = await store.rosters.find({ _id: { $in: ids } }, { projection: ["clubId"] });
  const clubs = new Map(rosters.map(({ _id, clubId }) => [_id, clubId]));
  const facts = rows.map(({ _id, roster, at, admittedAt = at, ...rest }) =>
    participationFact(roster, clubs.get(roster) ?? "", {
      key: _id.slice(roster.length + 1),
      admittedAt,
      ...rest,
    }),
  );
  return { facts, rosters: [], last: lastOf(rows, limit) };
}

/** Whom announcements are for: read in pages, so that no statement takes long however many people there are. */
import type { Statements } from "../../lib/database.ts";
import type { Role } from "../../lib/declare.ts";
import { implement } from "../../lib/implement.ts";
import { database } from "../../mixins/database.ts";
import { userAudience } from "./audience.contract.ts";
import { NAMES, PEOPLE } from "./cross-shard.ts";
import { holdersOf } from "./roles.ts";

interface Row {
  id: string;
  college: string | null;
  status: string;
}

interface Who {
  roles?: readonly Role[];
  colleges?: readonly string[];
}

export default implement(userAudience, {
  mixins: [database("users")],
  actions: {
    async page(ctx) {
      const { after, limit, ...who } = ctx.params;
      const db = this.db.primary;
      const holders = await holdersAmong(db, who.roles);
      const rows = await (holders ? someOf(db, holders, after, limit) : everyone(db, after, limit));
      return {
        ids: rows.filter((row) => isMeant(row, who)).map(({ id }) => id),
        after: rows.length < limit ? null : (rows.at(-1)?.id ?? null),
      };
    },
    async among(ctx) {
      const { ids, ...who } = ctx.params;
      const db = this.db.primary;
      const holders = await holdersAmong(db, who.roles);
      const wanted = holders ? ids.filter((id) => holders.has(id)) : ids;
      const rows = wanted.length > 0 ? await db.all<Row>(NAMES, { ids: wanted }) : [];
      return rows.filter((row) => isMeant(row, who)).map(({ id }) => id);
    },
  },
});

/** Null where the roles leave nobody out: everybody is a student. */
async function holdersAmong(db: Statements, roles: Who["roles"]): Promise<Set<string> | null> {
  if (!roles || roles.includes("student")) return null;
  const found: string[] = [];
  for (const role of roles) found.push(...(await holdersOf(db, role, { active: true })));
  return new Set(found);
}

function everyone(db: Statements, after: string | null, limit: number): Promise<Row[]> {
  return db.all<Row>(`${PEOPLE} > :after ORDER BY id LIMIT ${limit}`, { after: after ?? "" });
}

/** Of the holders of roles there are some hundred. */
async function someOf(
  db: Statements,
  holders: Set<string>,
  after: string | null,
  limit: number,
): Promise<Row[]> {
  const ids = [...holders]
    .filter((id) => after === null || id > after)
    .toSorted()
    .slice(0, limit);
  if (ids.length === 0) return [];
  const rows = await db.all<Row>(NAMES, { ids });
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function isMeant({ college, status }: Row, { colleges }: Who): boolean {
  return status === "active" && (!colleges || (college !== null && colleges.includes(college)));
}

/** Whom an announcement is for: somebody in each of its lists. */
import type { ServiceBroker } from "moleculer";
import type { Answer, Params, Role } from "../../lib/declare.ts";
import type { Ctx } from "../../lib/implement.ts";
import type { Audience } from "../admin/announcements.contract.ts";
import type { Bulletin } from "./bulletins.ts";
import { batches } from "./inbox.ts";

interface Page {
  ids: string[];
  after: string | null;
}

/** People that are looked at in one question. */
const LOOKED_AT = 500;
/** Found, these are enough for a page. */
const ENOUGH = 250;
/** Questions for one page, where few of those looked at are meant. */
const QUESTIONS = 20;
const PAIRS = 1_000;

/** The next active people whom it is for, by id; the last page where `after` is null. */
export async function audiencePage(
  broker: ServiceBroker,
  audience: Audience,
  from: string | null,
): Promise<Page> {
  const ids: string[] = [];
  let after = from;
  for (let asked = 0; asked < QUESTIONS && ids.length < ENOUGH; asked++) {
    const page = await someOf(broker, audience, after);
    ids.push(...page.ids);
    after = page.after;
    if (after === null) break;
  }
  return { ids, after };
}

async function someOf(
  broker: ServiceBroker,
  { clubIds, ...who }: Audience,
  after: string | null,
): Promise<Page> {
  const place = { after, limit: LOOKED_AT };
  if (!clubIds)
    return broker.call<Page, Params<"userAudience.page">>("userAudience.page", { ...who, ...place });
  const members = await broker.call<Page, Params<"clubAudience.page">>("clubAudience.page", {
    clubIds,
    ...place,
  });
  const meant = await broker.call<Answer<"userAudience.among">, Params<"userAudience.among">>(
    "userAudience.among",
    { ...who, ids: members.ids },
  );
  return { ids: meant.toSorted(), after: members.after };
}

/** Those that are for the reader; without one those for everyone. Only what they name is asked for. */
export async function meantFor(ctx: Ctx, user: string | null, all: Bulletin[]): Promise<Bulletin[]> {
  if (!user) return all.filter(({ audience }) => isForEveryone(audience));
  const clubs = new Set(all.flatMap(({ audience }) => audience.clubIds ?? []));
  const [roles, college, own] = await Promise.all([
    all.some(({ audience }) => audience.roles) ? rolesOf(ctx, user) : null,
    all.some(({ audience }) => audience.colleges) ? collegeOf(ctx, user) : null,
    clubsAmong(ctx, user, [...clubs]),
  ]);
  return all.filter(
    ({ audience: { roles: anyRole, clubIds, colleges } }) =>
      (!anyRole || anyRole.some((role) => role === "student" || roles?.includes(role))) &&
      (!clubIds || clubIds.some((id) => own.has(id))) &&
      (!colleges || (college !== null && colleges.includes(college))),
  );
}

function isForEveryone({ roles, clubIds, colleges }: Audience): boolean {
  return !roles && !clubIds && !colleges;
}

function rolesOf(ctx: Ctx, user: string): Promise<Role[]> {
  return ctx.call("users.rolesOf", { id: user });
}

async function collegeOf(ctx: Ctx, user: string): Promise<string | null> {
  const [known] = await ctx.call("users.names", { ids: [user] });
  return known?.college ?? null;
}

async function clubsAmong(ctx: Ctx, user: string, ids: string[]): Promise<Set<string>> {
  const found = await Promise.all(
    batches(ids, PAIRS).map((some) =>
      ctx.call("members.rolesOf", { pairs: some.map((clubId) => ({ clubId, userId: user })) }),
    ),
  );
  return new Set(found.flat().map(({ clubId }) => clubId));
}

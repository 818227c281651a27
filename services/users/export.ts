/** Everything that is kept about one person: what users has, and page by page what every other domain tells. */
import type { Statements } from "../../lib/database.ts";
import { AppError } from "../../lib/errors.ts";
import type { Ctx } from "../../lib/implement.ts";
import { iso } from "../../lib/types.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import type { TokenRow } from "./account-mails.ts";
import { load, presentOwn } from "./accounts.ts";
import { givenRoles } from "./roles.ts";
import type { SessionRow } from "./session-store.ts";

type Records = Record<string, unknown>[];

/** More pages than anybody has: a domain that never ends would else hang the export. */
const MAX_PAGES = 10_000;

/** The data of every domain whose contract has an `exportUser`; fails when one of them is away. */
export async function exportOthers(
  ctx: Ctx,
  contracts: Runtime["contracts"],
  user: string,
): Promise<Record<string, Records>> {
  const services = [...contracts.keys()].flatMap((name) => /^(\w+)\.exportUser$/.exec(name)?.[1] ?? []);
  const pages = await Promise.all(services.map((service) => exportFrom(ctx, service, user)));
  return Object.fromEntries(services.map((service, i) => [service, pages[i] as Records]));
}

async function exportFrom(ctx: Ctx, service: string, user: string): Promise<Records> {
  const records: Records = [];
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    // All have the same shape; contracts type calls by name, which is made here.
    const answer: { records: Records; nextCursor: string | null } = await ctx.call(
      `${service}.exportUser` as "clubs.exportUser",
      { user, cursor },
    );
    records.push(...answer.records);
    cursor = answer.nextCursor;
    if (cursor === null) return records;
  }
  throw new Error(`${service}.exportUser does not end.`);
}

/** What users itself keeps: profile, roles, sessions, what was asked for by mail. */
export async function exportOwn(db: Statements, id: string): Promise<Record<string, unknown>> {
  const user = await load(db, id);
  if (!user || user.status === "erased") throw new AppError("INVALID_TOKEN");
  const sessions = await db.all<SessionRow>("SELECT * FROM sessions WHERE user_id = :id ORDER BY id", { id });
  const tokens = await db.all<TokenRow>("SELECT * FROM account_tokens WHERE user_id = :id ORDER BY id", {
    id,
  });
  const time = (at: number | null) => (at === null ? null : iso(at));
  return {
    profile: {
      ...presentOwn(user, await givenRoles(db, id)),
      statusReason: user.status_reason,
      acceptedTermsAt: time(user.terms_accepted_at),
      signedInAt: time(user.signed_in_at),
    },
    sessions: sessions.map((session) => ({
      id: session.id,
      device: session.device,
      address: session.address,
      createdAt: iso(session.created_at),
      lastUsedAt: iso(session.last_used_at),
      endedAt: time(session.ended_at),
    })),
    mails: tokens.map((token) => ({
      for: token.kind === "email" ? "a change of e-mail" : "a password reset",
      email: token.email,
      oldEmail: token.old_email,
      askedAt: iso(token.created_at),
      usedAt: time(token.used_at),
    })),
  };
}

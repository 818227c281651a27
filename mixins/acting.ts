/** How a change comes into the audit log: by a message that is kept with it, or in the log's own domain by its entry. */
import { actedOf, actedType, audited } from "../lib/audit.ts";
import type { Acted } from "../lib/audit.ts";
import type { LogEntry } from "../lib/audit-chain.ts";
import type { Envelope } from "../lib/declare.ts";
import type { NewMessage, Tx } from "../lib/database.ts";
import { AppError } from "../lib/errors.ts";
import { isId, newId } from "../lib/ids.ts";
import type { Ctx } from "../lib/implement.ts";
import { refusalOf } from "../middlewares/errors.ts";
import type { SqlDomain } from "../lib/settings.ts";
import { append } from "./audit-log.ts";
import { runtimeOf } from "./runtime.ts";

/** A domain that tells what was refused in it. */
export interface RefusalMethods {
  /** Tells a try that was refused, in a write of its own. */
  tellRefused(ctx: Ctx, acted: Acted): Promise<void>;
}

/** What the running action has done, or was refused; null where its contract does not say how it is recorded. */
export function actedBy(ctx: Ctx, answer: unknown, result = "ok"): Acted | null {
  const name = ctx.action?.name;
  const rule = name && runtimeOf(ctx.broker).contracts.get(name)?.audit;
  return name && rule ? actedOf(name, rule, ctx, answer, result) : null;
}

/** Records what the running action has done, in the transaction of its change. */
export async function record(tx: Tx, ctx: Ctx, domain: SqlDomain, answer: unknown): Promise<void> {
  const acted = actedBy(ctx, answer);
  if (!acted) return;
  if (domain === "admin")
    await append(tx, [entryOf(ctx, acted)]).catch((error: unknown) => notTaken(ctx, error));
  else await tx.tell(actedMessage(ctx, domain, acted));
  ctx.locals.recorded = true;
}

/** Without its entry nothing is done: what is wrong with the log is not the caller's. */
function notTaken(ctx: Ctx, error: unknown): never {
  if (refusalOf(error)) throw error;
  ctx.broker.logger.error("The audit log takes no entries", {
    requestId: ctx.requestID,
    error: String(error),
  });
  throw new AppError("UNAVAILABLE", { retryAfter: 2 });
}

/** The same where the caller has no token: it is the owner of the account who acts, and on the account. */
export async function recordAs(tx: Tx, ctx: Ctx, domain: SqlDomain, user: string): Promise<void> {
  audited(ctx, { subject: user, actor: user });
  await record(tx, ctx, domain, null);
}

/**
 * What the audit log is told of the running action's change to a document, to be kept in the document with it. Nothing where
 * it has been told already; whoever has written it says so by `ctx.locals.recorded`.
 */
export function tellingOf(ctx: Ctx, domain: string): { type: string; data: Acted }[] {
  const acted = ctx.locals.recorded ? null : actedBy(ctx, null);
  return acted ? [{ type: actedType(domain), data: acted }] : [];
}

/** The message of what was done; its aggregate is what it was done to, by which an outbox in shards finds its place. */
export function actedMessage(ctx: Ctx, domain: string, acted: Acted): NewMessage {
  const actor = actorOf(ctx);
  const { type, id } =
    acted.subject && isId(acted.subject.id) ? acted.subject : { type: "user", id: actor ?? "" };
  return {
    type: actedType(domain),
    aggregate: { type, id, version: 1 },
    data: acted,
    actor,
    requestId: ctx.requestID ?? null,
  };
}

/** The same for an outbox of documents. */
export function actedEnvelope(ctx: Ctx, domain: string, acted: Acted, id = newId()): Envelope {
  const message = actedMessage(ctx, domain, acted);
  return { id, at: Date.now(), actor: null, requestId: null, ...message };
}

/** The entry of what was done now. */
export function entryOf(ctx: Ctx, acted: Acted): LogEntry {
  return { id: newId(), at: Date.now(), actor: actorOf(ctx), requestId: ctx.requestID ?? null, acted };
}

/** Who acts; null: nobody is known. */
export function actorOf({ locals }: Ctx): string | null {
  return locals.audited?.actor ?? locals.user;
}

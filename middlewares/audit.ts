/**
 * Sees to it that whatever changes something says how it is recorded. Records what administrators are refused, and what
 * they do by actions whose change is in another domain: then before it and after it.
 */
import { actedBy, actorOf, entryOf } from "../mixins/acting.ts";
import type { RefusalMethods } from "../mixins/acting.ts";
import type { ActionContract } from "../lib/declare.ts";
import { isResourceRule } from "../lib/declare.ts";
import type { Acted } from "../lib/audit.ts";
import { isAppError } from "../lib/errors.ts";
import type { Ctx } from "../lib/implement.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { refusalOf } from "./errors.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

/** Published changes that are not recorded, and why. */
export const NOT_AUDITED: Readonly<Record<string, string>> = {
  "auth.refresh": "happens by itself all the time, and the session keeps when it was used last",
  "auth.forgotPassword": "changes nothing but that a mail is sent; what is done with its token is recorded",
  "favorites.add": "an everyday fact, kept with who and when",
  "favorites.remove": "an everyday fact",
  "notifications.read": "one's own inbox",
  "notifications.setPreferences": "one's own inbox",
  "notifications.unsubscribe": "one's own inbox",
  "participations.join": "an everyday fact, kept with who and when",
  "participations.leave": "an everyday fact, kept with who and when",
  "participations.checkIn": "an everyday fact, kept with who and when",
  "calendar.renewToken": "one's own calendar, and it is kept when",
  "posts.like": "an everyday fact, kept with who and when",
  "posts.unlike": "an everyday fact",
  "files.create": "an upload, kept with who and when",
  "files.complete": "an upload, kept with who and when",
  "files.remove": "one's own upload",
};

/** Whether a contract says how its change is recorded, or need not. */
export function isAccounted(name: string, { rest, audit }: ActionContract): boolean {
  return !rest || rest.startsWith("GET ") || audit !== undefined || name in NOT_AUDITED;
}

/** Beside the handler: what an action of an administrator changes in other domains. */
export function audit(contracts: Runtime["contracts"]): Middleware {
  return asMiddleware({
    name: "Audit",
    localAction(next, action) {
      const contract = contracts.get(action.name);
      if (!contract) return next;
      if (!isAccounted(action.name, contract))
        throw new Error(
          `Action ${action.name} changes something and does not say how it is recorded (\`audit\`).`,
        );
      if (!contract.audit || !ofAdministrators(contract)) return next;
      return async (ctx) => {
        // What changes the log's own database is recorded in the transaction of the change.
        if (!("change" in (ctx.service ?? {}))) return around(ctx, next);
        const answer = await next(ctx);
        const acted = ctx.locals.recorded ? null : actedBy(ctx, answer);
        if (acted) await store(ctx, acted);
        return answer;
      };
    },
  });
}

/** Outside the authorization: what administrators are refused. */
export function auditRefusals(contracts: Runtime["contracts"]): Middleware {
  return asMiddleware({
    name: "AuditRefusals",
    localAction(next, action) {
      const contract = contracts.get(action.name);
      if (!contract?.audit || !(ofAdministrators(contract) || isOpenToAdmins(contract))) return next;
      return async (ctx) => {
        try {
          return await next(ctx);
        } catch (error) {
          await refused(ctx, contract, error);
          throw error;
        }
      };
    },
  });
}

/** Served by the admin gateway, in the domain that keeps the log. */
function ofAdministrators({ rest = "" }: ActionContract): boolean {
  return rest.includes(" /admin/");
}

function isOpenToAdmins({ access }: ActionContract): boolean {
  const roles = isResourceRule(access) ? access.or : access;
  return [roles].flat().includes("admin");
}

/** Without the entry before it nothing is done; one without another after it tells of what nobody knows the end of. */
async function around(ctx: Ctx, next: (ctx: Ctx) => Promise<unknown>): Promise<unknown> {
  const begun = actedBy(ctx, null, "started");
  if (begun) await store(ctx, begun);
  const answer = await next(ctx);
  const done = actedBy(ctx, answer);
  // It has been done: that it cannot be recorded once more is no reason to say that it has not.
  if (done) await store(ctx, done).catch((error: unknown) => warn(ctx, error));
  return answer;
}

async function refused(ctx: Ctx, contract: ActionContract, error: unknown): Promise<void> {
  if (actorOf(ctx) === null) return;
  const code = refusalOf(error)?.type ?? "INTERNAL";
  const acted = actedBy(ctx, null, code);
  if (!acted) return;
  // Nothing has been done; who cannot be told of the refusal gets it that the log is away.
  if (ofAdministrators(contract)) return store(ctx, acted);
  const service = ctx.service as unknown as Partial<RefusalMethods>;
  const id = ctx.locals.user;
  if (!isAppError(error) || !service.tellRefused || !id) return;
  try {
    const roles = await ctx.call("users.rolesOf", { id });
    if (roles.includes("admin")) await service.tellRefused(ctx, acted);
  } catch (failure) {
    warn(ctx, failure);
  }
}

async function store(ctx: Ctx, acted: Acted): Promise<void> {
  await ctx.call("audit.record", entryOf(ctx, acted));
}

function warn(ctx: Ctx, error: unknown): void {
  ctx.broker.logger.error("The audit log could not be told", {
    action: ctx.action?.name,
    requestId: ctx.requestID,
    error: String(error),
  });
}

/**
 * Who may call an action, decided before its params are looked at and outside the cacher. Default deny: an action
 * that is in no contract does not load.
 */
import type { ServiceSchema } from "moleculer";
import type { ActionContract, Relations, ResourceRule, Role } from "../lib/declare.ts";
import { isResourceRule, isSafe, routeOf, serviceOfKind } from "../lib/declare.ts";
import { AppError, invalid } from "../lib/errors.ts";
import { isId } from "../lib/ids.ts";
import type { Ctx } from "../lib/implement.ts";
import { TokenError } from "../lib/tokens.ts";
import type { Verifier } from "../lib/tokens.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

/** How old a sign-in by password may be for an administrator's work on the public gateway. */
const RECENT_SIGN_IN = 15 * 60_000;
/** Services that are gateways, and the domains that hold nothing else. */
const GATEWAYS = new Set(["api", "admin-api"]);
const GATEWAY_DOMAINS = new Set(["gateway", "admin-gateway"]);

interface Decision {
  verdict: "yes" | "forbidden" | "hidden" | "missing";
  grant: Record<string, unknown>;
}

type Node = Pick<Runtime, "contracts" | "verifier" | "adminVerifier" | "live" | "settings">;

export function authorize(node: Node): Middleware {
  const { contracts } = node;
  return asMiddleware({
    name: "Authorize",
    serviceCreating(_service: unknown, schema: ServiceSchema) {
      for (const [key, action] of Object.entries(schema.actions ?? {})) {
        const hidden = action === false || (typeof action === "object" && action.visibility === "private");
        if (!hidden && !contracts.has(`${schema.name}.${key}`))
          throw new Error(
            `Action ${schema.name}.${key} has no access rule: declare it in a contract of services/contracts.ts.`,
          );
      }
    },
    localAction(next, action) {
      const contract = contracts.get(action.name);
      if (!contract) return next;
      const verifier = isAdministrative(contract) ? node.adminVerifier : node.verifier;
      return async (ctx) => {
        await admit(ctx, contract, verifier, node);
        return next(ctx);
      };
    },
  });
}

/** What the admin gateway serves takes the tokens of its sessions and no others. */
function isAdministrative({ rest, access }: ActionContract): boolean {
  return access === "administrator" || (rest !== undefined && routeOf(rest).path.startsWith("/admin/"));
}

async function admit(ctx: Ctx, contract: ActionContract, verifier: Verifier, node: Node): Promise<void> {
  const rule = contract.access;
  ctx.locals.user = null;
  ctx.locals.sid = null;
  ctx.locals.grant = {};
  if (rule === "service" || rule === "gateway") {
    if (rule === "service" && fromGateway(ctx)) throw new AppError("FORBIDDEN");
    return;
  }
  await identify(ctx, verifier);
  if (rule === "any") return;
  if (isResourceRule(rule)) return admitToResource(ctx, contract, rule, node);
  if (!ctx.locals.user) throw new AppError("UNAUTHENTICATED");
  if (rule === "user") return;
  if (rule === "administrator") return admitAdministrator(ctx, contract);
  const has = await rolesAmong(ctx, [rule].flat() as Role[]);
  if (has.length === 0) throw new AppError("FORBIDDEN");
  if (has.every((role) => role === "admin")) await admitAdmin(ctx, node);
}

/** Asked at each request: a session that ended is good for nothing on any node. */
async function admitAdministrator(ctx: Ctx, { settingUp }: ActionContract): Promise<void> {
  const { user, sid } = ctx.locals;
  const standing = await ctx.call("adminAuth.standing", { user: user as string, sid: sid as string });
  if (standing === "ended") throw new AppError("INVALID_TOKEN");
  if (standing === "settingUp" && !settingUp) throw new AppError("TOTP_SETUP_REQUIRED");
}

/** An administrator's work on the public gateway, where the admin gateway does not have to be used for it. */
async function admitAdmin(ctx: Ctx, { live, settings }: Node): Promise<void> {
  if (!live.known && settings.natsUrl) throw new AppError("UNAVAILABLE", { retryAfter: 2 });
  const guarded =
    live.get("admin.requireTotp") ||
    live.get("admin.allowedNetworks").length > 0 ||
    live.hasTotp(ctx.locals.user as string);
  if (guarded) throw new AppError("USE_ADMIN_GATEWAY");
  await demandRecentSignIn(ctx);
}

/** A gateway as the caller: by its service, and by the name of a node that holds nothing else, whatever it says. */
function fromGateway(ctx: Ctx): boolean {
  if (ctx.caller && GATEWAYS.has(ctx.caller)) return true;
  if (ctx.nodeID === ctx.broker.nodeID) return false;
  const [domains = ""] = String(ctx.nodeID).split(".");
  return domains.split("+").every((each) => GATEWAY_DOMAINS.has(each));
}

/** Verifies the token that came with the call: identity is never taken from anything else. */
async function identify(ctx: Ctx, verifier: Verifier): Promise<void> {
  const token = ctx.headers.passport;
  if (!token) return;
  try {
    const claims = verifier.cached(token) ?? (await verifier.verify(token));
    ctx.locals.user = claims.sub;
    ctx.locals.sid = claims.sid;
  } catch (error) {
    throw error instanceof TokenError
      ? new AppError("INVALID_TOKEN")
      : new AppError("UNAVAILABLE", { retryAfter: 2 });
  }
}

async function admitToResource(
  ctx: Ctx,
  contract: ActionContract,
  rule: ResourceRule,
  node: Node,
): Promise<void> {
  if (!ctx.locals.user && !rule.anonymous) throw new AppError("UNAUTHENTICATED");
  const param = rule.param ?? "id";
  const id = (ctx.params as Record<string, unknown> | null)?.[param];
  if (!isId(id)) throw invalid({ field: param, code: id === undefined ? "REQUIRED" : "INVALID_FORMAT" });
  const [kind, relation] = Object.entries(rule).find(
    ([key]) => !["param", "or", "anonymous"].includes(key),
  ) as [keyof Relations, string];
  const decision = await ask(ctx, kind, { id, relation, user: ctx.locals.user, write: !isSafe(contract) });
  ctx.locals.grant = decision.grant;
  if (decision.verdict === "yes") return;
  if (decision.verdict !== "missing" && rule.or && ctx.locals.user) {
    const has = await rolesAmong(ctx, [rule.or].flat());
    if (has.length > 0) {
      ctx.locals.grant = { ...decision.grant, byRole: true };
      if (!isSafe(contract) && has.every((role) => role === "admin")) await admitAdmin(ctx, node);
      return;
    }
  }
  throw new AppError(decision.verdict === "forbidden" ? "FORBIDDEN" : "NOT_FOUND");
}

/** The owner of the resource answers; contracts type it by name, which is made here. */
function ask(
  ctx: Ctx,
  kind: string,
  question: { id: string; relation: string; user: string | null; write: boolean },
): Promise<Decision> {
  return ctx.call(`${serviceOfKind(kind)}.allows` as "clubs.allows", question) as Promise<Decision>;
}

/** Those of the roles that the caller has. */
async function rolesAmong(ctx: Ctx, roles: Role[]): Promise<Role[]> {
  const own: Role[] = await ctx.call("users.rolesOf", { id: ctx.locals.user as string });
  return roles.filter((role) => own.includes(role));
}

async function demandRecentSignIn(ctx: Ctx): Promise<void> {
  const { user, sid } = ctx.locals;
  const at = await ctx.call("sessions.signedInAt", { user: user as string, sid: sid as string });
  if (at === null || Date.now() - at > RECENT_SIGN_IN) throw new AppError("SIGN_IN_AGAIN");
}

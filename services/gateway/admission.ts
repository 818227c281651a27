/**
 * Whether a request of a known route goes on, in the order that the contract promises: per-address 429, 401, per-user
 * 429, 503. Only then is its body looked at.
 */
import { AppError } from "../../lib/errors.ts";
import { TokenError } from "../../lib/tokens.ts";
import type { Claims } from "../../lib/tokens.ts";
import type { Exchange } from "./exchange.ts";
import type { Gateway } from "./gateway.ts";
import { countAddress, countUser } from "./limits.ts";
import { retryAfter } from "./overload.ts";
import type { Operation } from "./routes.ts";

/** What a person needs to go on reading while nothing may be changed. */
const SESSIONS = new Set(["POST /auth/login", "POST /auth/refresh", "POST /auth/logout"]);
/** Seconds. */
const MAINTENANCE_ENDS = 60;

/** Admits the request and notes whose it is, or throws the refusal. */
export async function admit(exchange: Exchange, operation: Operation): Promise<void> {
  const { gateway, req } = exchange;
  const token = bearerOf(req.headers.authorization);
  const claims = token === null ? null : (gateway.verifier.cached(token) ?? (await verify(gateway, token)));
  const user = claims && !gateway.revocations.has(claims.sid) ? claims.sub : null;
  if (operation.contract.authLimit) countAddress(exchange, "auth");
  else if (user === null) countAddress(exchange, "anonymous");
  if (user === null && token !== null) throw new AppError("INVALID_TOKEN");
  if (user === null && operation.needsUser) throw new AppError("UNAUTHENTICATED");
  exchange.user = user;
  exchange.session = user === null ? null : (claims?.sid ?? null);
  exchange.passport = token;
  if (user !== null && !operation.contract.authLimit) countUser(exchange, user);
  refuseInMaintenance(gateway, operation);
  takeIn(exchange, operation);
}

/** Unless there are too many. */
function takeIn(exchange: Exchange, operation: Operation): void {
  const { overload, recorder } = exchange.gateway;
  const { lane, priority } = operation;
  const served = overload.admits(priority);
  if (served && (!lane || exchange.lane || exchange.over || lane.enter(exchange))) return;
  recorder.shed(operation);
  throw lane?.refusal() ?? new AppError("OVERLOADED", { retryAfter: retryAfter() });
}

/** While `maintenance.mode` is on only administrators change things. */
function refuseInMaintenance({ live }: Gateway, { method, path, label }: Operation): void {
  if (method === "GET" || !live.get("maintenance.mode")) return;
  if (path.startsWith("/admin/") || SESSIONS.has(label)) return;
  throw new AppError("MAINTENANCE", { retryAfter: MAINTENANCE_ENDS });
}

/** The token of `Authorization: Bearer`, which may be empty; null without one. */
function bearerOf(header: string | undefined): string | null {
  if (header === undefined || header.slice(0, 6).toLowerCase() !== "bearer") return null;
  return header.slice(6).trim();
}

/** The claims of a token; null for one that is not ours. */
async function verify(gateway: Gateway, token: string): Promise<Claims | null> {
  try {
    return await gateway.verifier.verify(token);
  } catch (error) {
    if (error instanceof TokenError) return null;
    throw new AppError("UNAVAILABLE", { retryAfter: 2 });
  }
}

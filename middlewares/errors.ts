/** Whatever an action throws leaves its node as a refusal of the catalogue; what is unexpected is logged here, once. */
import { AppError, isAppError } from "../lib/errors.ts";
import { scrubError } from "../lib/scrub.ts";
import { SHARD_AWAY } from "../lib/mysql.ts";
import type { Logger } from "moleculer";
import type { Runtime } from "../mixins/runtime.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";
import { tellUnexpected, watchOf } from "./unexpected.ts";
import type { Whereabouts } from "./unexpected.ts";

const AWAY = new Set([
  "REQUEST_TIMEOUT",
  "REQUEST_REJECTED",
  "REQUEST_SKIPPED",
  "SERVICE_NOT_FOUND",
  "SERVICE_NOT_AVAILABLE",
  "BAD_GATEWAY",
  "STREAM_TIMEOUT",
  "MAX_CALL_LEVEL",
]);
/** Sequelize's and the drivers' ways to say that the database is away, was cut off, takes too long or is none to write to. */
const DATABASE_AWAY =
  /^Sequelize(Connection|Timeout|HostNotFound|HostNotReachable)|^SequelizeConnection\w*Error$|^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|PROTOCOL_CONNECTION_LOST|ER_SERVER_SHUTDOWN|ER_CON_COUNT_ERROR|ER_QUERY_TIMEOUT|ER_QUERY_INTERRUPTED|ER_LOCK_WAIT_TIMEOUT|ER_LOCK_DEADLOCK|ER_OPTION_PREVENTS_STATEMENT|ER_READ_ONLY_MODE|SQLITE_BUSY)$/;

/** The refusal that a client may see for any error; `null` where the error is a fault of ours. */
export function refusalOf(error: unknown): AppError | null {
  if (isAppError(error)) return error;
  const { type, name, code, original, parent } = error as Record<string, unknown> & {
    original?: { code?: string };
    parent?: { code?: string };
  };
  if (typeof type === "string" && AWAY.has(type)) return new AppError("UNAVAILABLE", { retryAfter: 2 });
  if (type === "QUEUE_FULL") return new AppError("OVERLOADED", { retryAfter: 1 });
  if (name === "BusyError")
    return new AppError("OVERLOADED", {
      retryAfter: (error as { retryAfter?: number }).retryAfter ?? 1,
    });
  const codes = [name, code, original?.code, parent?.code];
  if (codes.includes(SHARD_AWAY)) return new AppError("UNAVAILABLE", { retryAfter: 2, shard: true });
  if (codes.some((each) => typeof each === "string" && DATABASE_AWAY.test(each)))
    return new AppError("UNAVAILABLE", { retryAfter: 2 });
  return null;
}

/** The refusal for any error; an unexpected one is logged with its stack, told, and becomes INTERNAL. */
export function explain(error: unknown, runtime: Runtime, log: Logger, where: Whereabouts): AppError {
  const refusal = refusalOf(error);
  if (refusal) return refusal;
  const { action, requestId } = where;
  log.error("Unexpected error", { action, requestId, error: scrubError(error) });
  tellUnexpected(runtime, error, where);
  return new AppError("INTERNAL");
}

/** Whether a call failed for want of a working node, so that another may do. */
export function isAway(error: unknown): boolean {
  const { type, code } = error as { type?: string; code?: number };
  return type === "UNAVAILABLE" || (typeof type === "string" && AWAY.has(type)) || code === 502;
}

/** Whether another node may do better at once: not where one shard of a database is away, for those whose data it has. */
export function isWorthRepeating(error: unknown): boolean {
  return isAway(error) && !ofShard(error);
}

const ofShard = (error: unknown): boolean => isAppError(error) && error.data["shard"] === true;

/**
 * Whether an error says that the callee is in trouble (what a circuit breaker counts). Refusals and busy queues do not,
 * nor does a shard: those of the others are served.
 */
export function isFailure(error: unknown): boolean {
  if (isAppError(error))
    return error.type === "INTERNAL" || (error.type === "UNAVAILABLE" && !ofShard(error));
  return (error as { type?: string }).type !== "QUEUE_FULL";
}

export function errors(runtime: Runtime): Middleware {
  watchOf(runtime);
  return asMiddleware({
    name: "Errors",
    localAction(next, action) {
      return async (ctx) => {
        try {
          return await next(ctx);
        } catch (error) {
          const { nodeID: node, logger } = ctx.broker;
          const where = { action: action.name, requestId: ctx.requestID ?? undefined, node };
          throw explain(error, runtime, logger, where);
        }
      };
    },
  });
}

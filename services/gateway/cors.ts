/** Which pages of other origins may use the API from a browser. Without credentials: tokens go in a header. */
import { AppError } from "../../lib/errors.ts";
import { refuse } from "./answers.ts";
import type { Exchange } from "./exchange.ts";

const REQUEST_HEADERS =
  "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Accept-Language, X-Request-Id";
const EXPOSED =
  "Content-Disposition, ETag, Idempotency-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id";
/** Seconds that a browser remembers a preflight. */
const MAX_AGE = "600";

/** Tells an origin of CORS_ORIGINS that it may read the answer; others just get no such header. */
export function addCors({ gateway, res }: Exchange, origin: string): void {
  if (!gateway.origins.has(origin)) return;
  res.setHeader("Access-Control-Allow-Origin", origin);
  res.setHeader("Access-Control-Expose-Headers", EXPOSED);
}

/** OPTIONS, a preflight or not: 204 with what the path allows. */
export function answerOptions(exchange: Exchange): void {
  const { gateway, req, res, path } = exchange;
  const allow = gateway.routes.allow(path);
  if (allow === null) return refuse(exchange, new AppError("ROUTE_NOT_FOUND"));
  res.setHeader("Allow", allow);
  if (req.headers["access-control-request-method"] && res.hasHeader("Access-Control-Allow-Origin")) {
    res.setHeader("Access-Control-Allow-Methods", allow);
    res.setHeader("Access-Control-Allow-Headers", REQUEST_HEADERS);
    res.setHeader("Access-Control-Max-Age", MAX_AGE);
  }
  exchange.send(204);
}

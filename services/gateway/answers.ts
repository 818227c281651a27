/** Answers: an action's result, or a refusal as a problem document. */
import { Readable } from "node:stream";
import type { Language } from "../../lib/declare.ts";
import { problemOf } from "../../lib/errors.ts";
import type { AppError } from "../../lib/errors.ts";
import { matches, tagOf } from "./conditions.ts";
import type { Exchange } from "./exchange.ts";
import type { Operation } from "./routes.ts";

/** Seconds to wait where a 503 says no other number. */
const RETRY_AFTER = 2;
const REALM = 'Bearer realm="club-alliance"';

/** What services choose of an answer, by `respond()` of lib/implement.ts. */
export interface Chosen {
  $statusCode?: number;
  $responseHeaders?: Record<string, string>;
}

/** Sends what the action has answered. */
export function succeed(exchange: Exchange, operation: Operation, data: unknown, chosen: Chosen): void {
  const { res } = exchange;
  const { produces } = operation.contract;
  const status = chosen.$statusCode ?? operation.status;
  for (const [name, value] of Object.entries(chosen.$responseHeaders ?? {})) res.setHeader(name, value);
  res.setHeader("Cache-Control", cacheControl(exchange));
  if (status === 204 || data === undefined || data === null) return exchange.send(status);
  if (data instanceof Readable) return exchange.stream(status, produces ?? "application/json", data);
  if (produces) {
    if (produces.startsWith("text/csv") && !res.hasHeader("Content-Disposition"))
      res.setHeader("Content-Disposition", `attachment; filename="${fileName(operation.path)}"`);
    return sendTagged(exchange, status, produces, data as string, null);
  }
  const { id, version } = data as { id?: unknown; version?: unknown };
  if (operation.locates && status === 201 && typeof id === "string")
    res.setHeader("Location", `${exchange.path}/${encodeURIComponent(id)}`);
  const stored = Number.isInteger(version) ? (version as number) : null;
  sendTagged(exchange, status, "application/json", JSON.stringify(data), stored);
}

/**
 * Sends a body with its tag where there is something to compare later: what was read, or what a change left behind.
 * A reader who has it already gets 304.
 */
export function sendTagged(
  exchange: Exchange,
  status: number,
  type: string,
  body: string | Buffer,
  version: number | null,
): void {
  const { req, res, operation } = exchange;
  const read = req.method === "GET" || req.method === "HEAD";
  if (status !== 200 || !(read || version !== null) || operation?.contract.secret)
    return exchange.send(status, type, body);
  const tag = tagOf(body, version);
  res.setHeader("ETag", tag);
  const known = read ? req.headers["if-none-match"] : undefined;
  if (known && matches(known, tag)) exchange.send(304);
  else exchange.send(status, type, body);
}

/** Sends whatever went wrong; what is unexpected is logged and says nothing to the client. */
export function fail(exchange: Exchange, error: unknown): void {
  refuse(exchange, exchange.gateway.explain(exchange, error));
}

/** Sends a refusal as a problem document. A replayed one keeps the id and the language of its first answer. */
export function refuse(exchange: Exchange, error: AppError): void {
  const { res } = exchange;
  const { allow, retryAfter, replayed } = error.data as {
    allow?: string;
    retryAfter?: number;
    replayed?: { requestId: string; lang: Language };
  };
  const language = replayed?.lang ?? exchange.language;
  const problem = problemOf(error, language, replayed?.requestId ?? exchange.requestId);
  const { status } = problem;
  if (allow) res.setHeader("Allow", allow);
  if (replayed) res.setHeader("Idempotency-Replayed", "true");
  if (retryAfter !== undefined || status === 503) res.setHeader("Retry-After", retryAfter ?? RETRY_AFTER);
  if (status === 401)
    res.setHeader(
      "WWW-Authenticate",
      error.type === "INVALID_TOKEN" ? `${REALM}, error="invalid_token"` : REALM,
    );
  res.setHeader("Cache-Control", cacheControl(exchange));
  res.setHeader("Content-Language", language);
  exchange.send(status, "application/problem+json", JSON.stringify(problem));
}

/** Nothing is served again without asking; what is the caller's own is kept by no shared cache, a secret by none. */
export function cacheControl({ operation, user }: Exchange): string {
  if (operation?.contract.secret) return "no-store";
  return user ? "private, no-cache" : "no-cache";
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

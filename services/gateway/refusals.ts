/** Which refusals an endpoint may answer: those that all have, those that follow from its contract, and its own. */
import type { ActionContract } from "../../lib/declare.ts";
import { pathParams, propertiesOf, routeOf } from "../../lib/declare.ts";
import { AppError, CATALOG, problemOf } from "../../lib/errors.ts";
import type { Code } from "../../lib/errors.ts";
import { isAdministrative } from "./paths.ts";

/** Whether a POST keeps its answer by Idempotency-Key. */
export function takesKey({ rest = "", secret, access }: ActionContract): boolean {
  return routeOf(rest).method === "POST" && !secret && access !== "any";
}

/** Codes of refusals, as clients see them, by status in ascending order. */
export function refusalsOf(contract: ActionContract): Map<number, string[]> {
  const byStatus = Map.groupBy(new Set(codesOf(contract)), (code) => CATALOG[code].status);
  return new Map(
    [...byStatus]
      .toSorted(([a], [b]) => a - b)
      .map(([status, codes]) => [status, [...new Set(codes.map(publicCode))]]),
  );
}

function* codesOf(contract: ActionContract): Iterable<Code> {
  const { rest = "", access, params } = contract;
  const { method } = routeOf(rest);
  const properties = propertiesOf(params);
  yield* ["INVALID_TOKEN", "RATE_LIMITED", "OVERLOADED", "UNAVAILABLE", "INTERNAL", "VALIDATION_FAILED"];
  if (access !== "any") yield "UNAUTHENTICATED";
  if (isAdministrative(routeOf(rest).path)) yield "NETWORK_NOT_ALLOWED";
  if (access === "administrator") yield "TOTP_SETUP_REQUIRED";
  else if (access !== "any" && access !== "user") yield* ["FORBIDDEN", "SIGN_IN_AGAIN", "USE_ADMIN_GATEWAY"];
  if (pathParams(rest).length > 0) yield "NOT_FOUND";
  if (properties["cursor"]) yield "INVALID_CURSOR";
  if (method !== "GET") {
    yield* ["BAD_REQUEST", "MALFORMED_JSON", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"];
    yield* ["PRECONDITION_FAILED", "SWITCHED_OFF", "MAINTENANCE"];
  }
  if (contract.rush) yield "UPLOAD_TOO_SLOW";
  if (contract.moderate) yield "FORBIDDEN_CONTENT";
  if (takesKey(contract)) yield* ["IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_IN_PROGRESS"];
  // Contracts name them as strings, since lib/declare.ts does not know the catalogue.
  for (const code of contract.errors ?? []) yield code as Code;
}

/** Some share one name: what a client sees is in the problem document. */
export function publicCode(code: Code): string {
  return problemOf(new AppError(code), "en", "").code;
}

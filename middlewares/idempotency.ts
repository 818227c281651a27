/**
 * Idempotency keys: a POST with a key is claimed in the database of the domain that serves it, before its handler
 * runs, and closed in the transaction of its effect (mixins/database.ts). A repeat gets the first answer.
 */
import { createHmac } from "node:crypto";
import type { ActionContract } from "../lib/declare.ts";
import { statusOf } from "../lib/declare.ts";
import { AppError, isAppError } from "../lib/errors.ts";
import type { Code } from "../lib/errors.ts";
import type { Ctx } from "../lib/implement.ts";
import { respond } from "../lib/implement.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { asMiddleware } from "./middleware.ts";
import type { Middleware } from "./middleware.ts";

/** What was answered first. An error keeps the id and the language of the request that met it. */
export interface KeptAnswer {
  status: number;
  body?: unknown;
  error?: { type: string; data: Record<string, unknown>; requestId: string; lang: string };
}

export type Claim =
  | { state: "mine"; id: string; lease: string; repeated: boolean }
  | { state: "done"; mac: string; answer: KeptAnswer }
  | { state: "running"; mac: string };

/** What a domain's store does for keys; `row` is the hash of method, path and key. */
export interface IdempotencyStore {
  claim(user: string, row: string, mac: string): Promise<Claim>;
  /** Keeps the answer where the handler's own transaction has not done so. */
  close(user: string, row: string, lease: string, answer: KeptAnswer): Promise<void>;
  /** Frees the key: the next try runs again with the same id. */
  release(user: string, row: string, lease: string): Promise<void>;
}

const NOT_KEPT = new Set<Code>([
  "UNAUTHENTICATED",
  "INVALID_TOKEN",
  "RATE_LIMITED",
  "ACCOUNT_LOCKED",
  "IDEMPOTENCY_IN_PROGRESS",
]);

export function idempotency(contracts: Runtime["contracts"]): Middleware {
  return asMiddleware({
    name: "Idempotency",
    localAction(next, action) {
      const contract = contracts.get(action.name);
      if (!contract?.rest?.startsWith("POST ") || contract.secret) return next;
      return async (ctx) => {
        const store = (ctx.service as unknown as { idempotencyKeys?: IdempotencyStore }).idempotencyKeys;
        if (!ctx.headers.idempotency || !ctx.locals.user || !store) return next(ctx);
        return once(ctx, contract, store, () => next(ctx));
      };
    },
  });
}

async function once(
  ctx: Ctx,
  contract: ActionContract,
  store: IdempotencyStore,
  run: () => Promise<unknown>,
): Promise<unknown> {
  const user = ctx.locals.user as string;
  const { key, method, path } = ctx.headers.idempotency as { key: string; method: string; path: string };
  const row = createHmac("sha256", key).update(`${user} ${method} ${path}`).digest("hex");
  // Keyed by the client's own key, so that the body cannot be guessed from what is stored.
  const mac = createHmac("sha256", key).update(canonical(ctx.params)).digest("hex");
  const claim = await store.claim(user, row, mac);
  if (claim.state !== "mine") {
    if (claim.mac !== mac) throw new AppError("IDEMPOTENCY_KEY_REUSED");
    if (claim.state === "running") throw new AppError("IDEMPOTENCY_IN_PROGRESS", { retryAfter: 1 });
    return replay(ctx, claim.answer);
  }
  ctx.locals.idempotency = {
    id: claim.id,
    repeated: claim.repeated,
    row,
    lease: claim.lease,
    status: statusOf(contract),
    closed: false,
  };
  try {
    const body = await run();
    if (!ctx.locals.idempotency.closed)
      await store.close(user, row, claim.lease, { status: chosenStatus(ctx), body });
    return body;
  } catch (error) {
    await keepRefusal(ctx, store, row, claim.lease, error);
    throw error;
  }
}

/** The status that the handler chose, or the contract's. */
export function chosenStatus(ctx: Ctx): number {
  return Number(ctx.meta["$statusCode"] ?? ctx.locals.idempotency?.status ?? 200);
}

async function keepRefusal(
  ctx: Ctx,
  store: IdempotencyStore,
  row: string,
  lease: string,
  error: unknown,
): Promise<void> {
  const user = ctx.locals.user as string;
  const kept = isAppError(error) && error.code < 500 && !NOT_KEPT.has(error.type);
  if (!kept) return store.release(user, row, lease);
  const { type, code, data } = error;
  await store.close(user, row, lease, {
    status: code,
    error: { type, data, requestId: String(ctx.requestID), lang: ctx.headers.lang ?? "en" },
  });
}

function replay(ctx: Ctx, { status, body, error }: KeptAnswer): unknown {
  respond(ctx, { status, headers: { "Idempotency-Replayed": "true" } });
  if (!error) return body;
  throw new AppError(error.type as Code, {
    ...error.data,
    replayed: { requestId: error.requestId, lang: error.lang },
  });
}

/** JSON with sorted keys, so that the same body in another order is the same. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    each && typeof each === "object" && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

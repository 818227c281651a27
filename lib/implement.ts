/** Ties a service to its contract: typed handlers, `this` and calls; and the Moleculer options that follow from it. */
import type {
  Context,
  Service,
  ServiceBroker,
  ServiceHooks,
  ServiceSchema,
  ServiceSettingSchema,
} from "moleculer";
import type {
  ActionContract,
  Actions,
  ActionName,
  Answer,
  AnswerOf,
  Contract,
  Language,
  Params,
  ParamsOf,
} from "./declare.ts";
import { isSafe } from "./declare.ts";
import { AppError } from "./errors.ts";
import { newId } from "./ids.ts";

/** What the gateway passes of a request, in `ctx.headers`: to the action that it calls, not to that one's own calls. */
export interface Headers {
  /** The caller's access token; the only identity that crosses the bus, handed on to child calls. */
  passport?: string;
  lang?: Language;
  /** Refusals found while the params were put together. */
  formErrors?: import("./errors.ts").FieldError[];
  idempotency?: { key: string; method: string; path: string };
  /** Version that `If-Match` names; 0 for a tag of another form, which matches nothing. */
  ifMatch?: number;
  /** Names the request to a `repeatable` action, so that it is known when another node has tried it already. */
  mark?: string;
  /** Set by the gateway alone: this call answers a request, so status and headers may be chosen. */
  edge?: true;
  client?: { address: string; device: string };
}

/** What middlewares found out for the handler; stays on the node. */
export interface Locals {
  user: string | null;
  sid: string | null;
  /** What the resource check of `access` learned, e.g. the caller's role in the club. */
  grant: Record<string, unknown>;
  /** What the handler says of its change for the audit log. */
  audited?: import("./audit.ts").Audited;
  /** The change is in the audit log, or will be by a message that was kept with it. */
  recorded?: true;
  /** Of an action that `holds`: why a moderator is to look at it first. */
  held?: "word" | "everything";
  /** Where the request carries an Idempotency-Key: the id for what will be created, and the claim to close. */
  idempotency?: {
    id: string;
    repeated: boolean;
    row: string;
    lease: string;
    status: number;
    closed: boolean;
  };
}

type Call = <F extends ActionName>(action: F, ...rest: CallArguments<F>) => Promise<Answer<F>>;
type CallArguments<F extends ActionName> =
  Record<string, never> extends Params<F>
    ? [params?: Params<F>, options?: CallOptions]
    : [params: Params<F>, options?: CallOptions];
export interface CallOptions {
  timeout?: number;
  retries?: number;
  nodeID?: string;
  headers?: Headers;
}

/** A Moleculer context with typed params, calls, headers and locals. */
export type Ctx<P = unknown> = Omit<Context, "params" | "call" | "headers" | "locals" | "meta"> & {
  params: P;
  call: Call;
  headers: Headers;
  locals: Locals;
  meta: Record<string, unknown>;
};

/** Methods that a mixin adds to a service's `this`. */
export type Mixin<M = unknown> = Partial<ServiceSchema> & { readonly $methods?: M };
type MethodsOf<X> = X extends readonly [infer H, ...infer R]
  ? (H extends Mixin<infer M> ? M : unknown) & MethodsOf<R>
  : unknown;

export type This<M> = Omit<Service, "actions" | "settings"> & { broker: ServiceBroker } & M;

type Handlers<A extends Actions> = { [K in keyof A]: (ctx: Ctx<ParamsOf<A[K]>>) => Promise<AnswerOf<A[K]>> };

interface Definition<A extends Actions, X extends readonly Mixin[], M> {
  mixins?: X;
  dependencies?: string[];
  settings?: ServiceSettingSchema;
  hooks?: ServiceHooks;
  /** Before actions: TypeScript infers in this order. */
  methods?: M & ThisType<This<M & MethodsOf<X>>>;
  actions: Handlers<A>;
  events?: Record<string, (ctx: Ctx<never>) => Promise<void> | void>;
  created?(): void;
  started?(): Promise<void>;
  stopped?(): Promise<void>;
}

/** The Moleculer schema of a service whose actions are those of the contract, no more and no fewer. */
export function implement<
  N extends string,
  A extends Actions,
  const X extends readonly Mixin[] = [],
  M = unknown,
>(
  contract: Contract<N, A>,
  definition: Definition<A, X, M> & ThisType<This<M & MethodsOf<X>>>,
): ServiceSchema {
  const actions: Record<string, object> = {};
  for (const [name, action] of Object.entries<ActionContract>(contract.actions)) {
    const handler = (definition.actions as Record<string, unknown>)[name];
    if (typeof handler !== "function")
      throw new Error(`Action ${contract.name}.${name} is declared but has no handler.`);
    actions[name] = { ...optionsOf(action), handler };
  }
  for (const name of Object.keys(definition.actions))
    if (!contract.actions[name])
      throw new Error(`Action ${contract.name}.${name} has a handler but is not declared.`);
  // Moleculer's own types know nothing of contracts; this is the one place where a typed service becomes a plain schema.
  return { ...definition, name: contract.name, actions } as unknown as ServiceSchema;
}

/** Only what Moleculer needs travels in a node's INFO: no schemas, no rules. */
function optionsOf(action: ActionContract): object {
  return {
    visibility: action.rest ? "published" : "public",
    timeout: action.timeout ?? (isSafe(action) ? 2_000 : 10_000),
    retryPolicy: { enabled: isSafe(action) || action.repeatable === true },
    ...(action.owner && { strategy: OWNERS, strategyOptions: { key: action.owner } }),
    ...(action.bulkhead && { bulkhead: { concurrency: action.bulkhead } }),
    ...(action.cache && { cache: { ttl: action.cache.ttl, keys: action.cache.keys } }),
  };
}

/** The strategy by which calls find the owner of what they are about; registered by middlewares/owners.ts. */
export const OWNERS = "Owners";

/** The caller; only where the access rule demands one. */
export function userOf(ctx: { locals: Locals }): string {
  if (!ctx.locals.user) throw new Error("The action's access rule does not demand a user.");
  return ctx.locals.user;
}

/** The id for what the request creates: made beforehand where the request carries an Idempotency-Key. */
export function idFor(ctx: { locals: Locals }): string {
  return ctx.locals.idempotency?.id ?? newId();
}

/** Refuses with 412 when the request's If-Match names another version; before any other conflict. */
export function expectVersion(ctx: { headers: Headers }, version: number): void {
  if (ctx.headers.ifMatch !== undefined && ctx.headers.ifMatch !== version)
    throw new AppError("PRECONDITION_FAILED");
}

/** Chooses status and headers of the answer to the request; without effect in calls between services. */
export function respond(ctx: Ctx, answer: { status?: number; headers?: Record<string, string> }): void {
  if (!ctx.headers.edge) return;
  if (answer.status) ctx.meta["$statusCode"] = answer.status;
  if (answer.headers)
    ctx.meta["$responseHeaders"] = { ...(ctx.meta["$responseHeaders"] as object), ...answer.headers };
}

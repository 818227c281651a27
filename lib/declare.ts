/**
 * How an action, a message and an event are declared: once, in the contract beside the service. Routes,
 * validation, authorization, OpenAPI, the access-matrix test and the types of every call are derived from it.
 */
import type { Static, TObject, TSchema } from "typebox";
import { Type as T } from "typebox";
import { closed } from "./validate.ts";

export type Role = "student" | "reviewer" | "moderator" | "admin";
export type Language = "en" | "zh-CN";
export type Localized = { en: string; "zh-CN": string };

/**
 * What a caller may be to a resource, by kind of resource. Each domain adds its own in its contract
 * (`declare module`) and answers `<kind>s.allows { id, relation, user }`.
 */
export interface Relations {}

/** Contracts by service name; filled by services/contracts.ts, so that lib need not know the services. */
export interface Contracts {}

export type ResourceRule = {
  [K in keyof Relations]: { [P in K]: Relations[K] } & {
    /** The path parameter that names the resource; default `id`. */
    param?: string;
    /** These global roles pass whatever the relation. */
    or?: Role | Role[];
    /** Also without a token, where the relation grants it. */
    anonymous?: true;
  };
}[keyof Relations];

/**
 * Who may call an action. `service`: only other services (no route; a gateway is refused). `gateway`: services
 * and gateways, for the plumbing of the gateway itself. `administrator`: somebody with the role of an admin in a session
 * of the admin gateway. A role: that global role, by a session of the public gateway; two: either of them.
 */
export type Access =
  | "any"
  | "user"
  | "service"
  | "gateway"
  | "administrator"
  | GivenRole
  | readonly [GivenRole, GivenRole]
  | ResourceRule;
type GivenRole = Exclude<Role, "student">;

/** How a change is recorded in the audit log: who, when, from where and what came of it always are. */
export interface AuditRule {
  /** Kind of the thing that is changed. */
  subject: string;
  /** The param that names it, or the field of the answer where no param has the name; null: the caller themself. Default `id`. */
  id?: string | null;
  /** Whose values are recorded before and after: nothing secret, and nothing that an erasure would have to take back. */
  fields?: readonly string[];
}

export interface ActionContract {
  /** `METHOD /path/:param`; only these are published. */
  rest?: string;
  /** One line for the reference. Required with `rest`. */
  summary?: Localized;
  /** An object, or a union of objects. */
  params?: TSchema;
  returns?: TSchema;
  access: Access;
  /** Status of a success; the first is the default, more than one are the handler's choice. Default 200, without `returns` 204. */
  status?: number | number[];
  /** Codes of refusals (lib/errors.ts) beyond those that every endpoint has. */
  errors?: readonly string[];
  /** The answer carries a secret: `no-store`, and no idempotency keys. */
  secret?: true;
  /** Counted by address in RATE_LIMIT_AUTH. */
  authLimit?: true;
  /** Which routes are shed last under overload. Default `normal`. */
  priority?: "high" | "normal" | "low";
  /** A service action without side effects, so that it may be retried on another node. Implied by GET. */
  safe?: true;
  /** Only for `access: "service"`: the answer depends on nothing but `keys`. `ttl` in seconds. */
  cache?: { ttl: number; keys: string[] };
  /** Types of the queue messages that this action takes; its params are the message's envelope. */
  consumes?: readonly string[];
  /** Milliseconds until the caller gives up. */
  timeout?: number;
  /** The handler needs the caller's address and device. */
  client?: true;
  /** The param that names a thing whose calls all go to one node, its owner (middlewares/owners.ts). */
  owner?: string;
  /** A change that may be repeated without harm, so that another node is tried when one does not answer. */
  repeatable?: true;
  /** How many calls a node has in work at once before the others wait; default 200. */
  bulkhead?: number;
  /** Thousands may come at one moment: the gateway takes as many as are decided in time and tells the others when to come. */
  rush?: true;
  /** A change whose params stand in its address; a body that comes with it is not looked at. */
  addressed?: true;
  /** Every published action that changes something says how it is recorded, or is excused in middlewares/audit.ts. */
  audit?: AuditRule;
  /** Of access `administrator`: also for who has yet to set up the second factor that is required. */
  settingUp?: true;
  /** Media type of an answer that is not JSON. */
  produces?: string;
  /**
   * Params that people write (`a.b` and `list[].b` reach inside): what the word list blocks is refused before the
   * handler runs, what it masks is masked. Every published action that takes such text names it (middlewares/moderate.ts).
   */
  moderate?: readonly string[];
  /** What the word list holds waits for a moderator: `ctx.locals.held` says so. Without it such text is refused. */
  holds?: true;
  /** The body is too large to be parsed at the gateway: it reaches the handler as a stream (`ctx.stream`). */
  body?: { type: string; /** Bytes. */ limit: number };
}

export type Actions = Record<string, ActionContract>;

export interface Contract<N extends string = string, A extends Actions = Actions> {
  readonly name: N;
  readonly actions: A;
}

/** Declares a service's actions. Throws on a contradiction, so that a wrong contract does not load. */
export function declare<const N extends string, const A extends Actions>(
  name: N,
  actions: A,
): Contract<N, A> {
  for (const [key, action] of Object.entries<ActionContract>(actions)) {
    check(`${name}.${key}`, action);
    if (action.params) action.params = closed(action.params);
    if (action.returns) action.returns = closed(action.returns);
  }
  return { name, actions };
}

/** Fields that never come into the audit log. */
const SECRET = /passw|secret|token|code|e-?mail|address|bio/i;

function check(name: string, action: ActionContract): void {
  const refuse = (why: string): never => {
    throw new Error(`Action ${name}: ${why}`);
  };
  if (!action.access) refuse("has no access rule: say who may call it.");
  const internal = action.access === "service" || action.access === "gateway";
  if (action.rest && internal) refuse(`access "service" and "gateway" are for actions without a route.`);
  if (!action.rest && !internal) refuse('an action without a route needs access "service" or "gateway".');
  if (action.rest && !action.summary) refuse("a route needs a summary.");
  if (action.cache && action.access !== "service")
    refuse("only service actions are cached: the answer must not depend on the caller.");
  const secret = action.audit?.fields?.find((field) => SECRET.test(field));
  if (secret) refuse(`"${secret}" is not recorded: no secret and nothing personal stands in the audit log.`);
  if (action.consumes && action.access !== "service") refuse("a consumer is called by the relay alone.");
  for (const param of pathParams(action.rest ?? ""))
    if (!propertiesOf(action.params)[param]) refuse(`the path parameter "${param}" is not among its params.`);
}

/** The properties of params, all branches together where they are a union. */
export function propertiesOf(params: TSchema | undefined): Record<string, TSchema> {
  const schema = (params ?? {}) as { properties?: Record<string, TSchema>; anyOf?: TSchema[] };
  return Object.assign({}, schema.properties, ...(schema.anyOf ?? []).map(propertiesOf)) as Record<
    string,
    TSchema
  >;
}

/** The service that answers for resources of a kind: `activity` → `activities`. */
export function serviceOfKind(kind: string): string {
  return `${kind.replace(/y$/, "ie")}s`;
}

/** Names of the `:parameters` in a route. */
export function pathParams(rest: string): string[] {
  return [...rest.matchAll(/:(\w+)/g)].map((match) => match[1] as string);
}

/** The method and the path of a route. */
export function routeOf(rest: string): { method: string; path: string } {
  const [method, path] = rest.split(" ");
  return { method: method as string, path: path as string };
}

/** Whether a rule is about what the caller is to a resource. */
export function isResourceRule(access: Access): access is ResourceRule {
  return typeof access === "object" && !Array.isArray(access);
}

/** Whether the action has no side effect, so that a retry repeats nothing. */
export function isSafe(action: ActionContract): boolean {
  return action.safe === true || action.rest?.startsWith("GET ") === true;
}

/** The status of a success, unless the handler chooses another of the declared ones. */
export function statusOf(action: ActionContract): number {
  const first = Array.isArray(action.status) ? action.status[0] : action.status;
  return first ?? (action.returns ? 200 : 204);
}

// Messages and events

export type Messages = Record<string, TObject>;

/** Declares the durable messages of a domain: type → shape of `data`. Types are `<aggregate>s.<pastParticiple>`. */
export function declareMessages<const M extends Messages>(messages: M): M {
  return messages;
}

export interface Envelope<D = unknown> {
  /** UUIDv7; also the id for deduplication. */
  id: string;
  type: string;
  /** Milliseconds since 1970. */
  at: number;
  aggregate: { type: string; id: string; version: number };
  actor: string | null;
  requestId: string | null;
  data: D;
}

/** The shape of a message's envelope around `data`. */
export function EnvelopeOf<const D extends TSchema>(data: D) {
  return T.Object({
    id: T.String(),
    type: T.String(),
    at: T.Integer(),
    aggregate: T.Object({ type: T.String(), id: T.String(), version: T.Integer() }),
    actor: T.Union([T.String(), T.Null()]),
    requestId: T.Union([T.String(), T.Null()]),
    data,
  });
}

/** What a consumer of several types declares as `params`: the envelope, with `data` checked by its type. */
export const AnyEnvelope = EnvelopeOf(T.Record(T.String(), T.Unknown()));

// Types of calls

type ParamsOf<A extends ActionContract> = A["params"] extends TSchema
  ? Static<A["params"]>
  : Record<string, never>;
type AnswerOf<A extends ActionContract> = A["returns"] extends TSchema ? Static<A["returns"]> : void;

export type { AnswerOf, ParamsOf };

type ServiceName = keyof Contracts;
type ActionsOf<N extends ServiceName> = Contracts[N] extends Contract<string, infer A> ? A : never;

/** Every action's full name, `service.action`. */
export type ActionName = { [N in ServiceName]: `${N}.${keyof ActionsOf<N> & string}` }[ServiceName];

type ContractOf<F extends ActionName> = F extends `${infer N extends ServiceName}.${infer A}`
  ? A extends keyof ActionsOf<N>
    ? ActionsOf<N>[A] extends ActionContract
      ? ActionsOf<N>[A]
      : never
    : never
  : never;

/** Params of an action by its full name. */
export type Params<F extends ActionName> = ParamsOf<ContractOf<F>>;
/** Answer of an action by its full name. */
export type Answer<F extends ActionName> = AnswerOf<ContractOf<F>>;

/** What is said of a change for the audit log: by its contract (`audit`), and by the handler, which knows what was before. */
import type { Static } from "typebox";
import { Type as T } from "typebox";
import type { AuditRule } from "./declare.ts";
import type { Headers, Locals } from "./implement.ts";
import { Nullable } from "./types.ts";

/** A record of which the fields that the contract names are recorded. */
type Fields = object;

export interface Audited {
  /** Where neither a param nor the answer names the thing. */
  subject?: string;
  /** As it was; without it, or null: there was nothing. */
  before?: Fields | null;
  /** As it is; without it the answer, or the params where they have the field. */
  after?: Fields | null;
  /** Who acts, where no token says so: whoever signs in, or has a mailed one. */
  actor?: string;
}

/** Says what was before a change, and what is where the answer does not say it; inside the change's transaction. */
export function audited(ctx: { locals: Locals }, what: Audited): void {
  ctx.locals.audited = what;
}

/** `data` of the messages `<domain>.acted`: one change, or one refused try of an administrator. */
export const Acted = T.Object({
  /** Full name of the action. */
  action: T.String(),
  subject: Nullable(T.Object({ type: T.String(), id: T.String() })),
  /** By field: what was, and what is. */
  changes: T.Record(T.String(), T.Tuple([T.Unknown(), T.Unknown()])),
  /** `ok`, or the code of the refusal. */
  result: T.String(),
  /** The caller's, where a request began it. */
  address: Nullable(T.String()),
});
export type Acted = Static<typeof Acted>;

/** Of a refused try the id may be whatever was sent. */
const SUBJECT_ID = /^[\x21-\x7e]{1,100}$/;

/** What is known of an action of this node when its change is recorded. */
interface Acting {
  params: unknown;
  headers: Pick<Headers, "client">;
  locals: Pick<Locals, "user" | "audited">;
}

/**
 * What an action has done, or been refused, by its contract's rule.
 * @param action its full name
 * @param answer what it answers; not asked for where the handler said what is after the change
 * @param result `ok`, or the code of the refusal, with which nothing has changed
 */
export function actedOf(
  action: string,
  rule: AuditRule,
  ctx: Acting,
  answer: unknown = null,
  result = "ok",
): Acted {
  return {
    action,
    subject: subjectOf(rule, ctx, answer),
    changes: result === "ok" ? changesOf(rule, ctx, answer) : {},
    result,
    address: ctx.headers.client?.address ?? null,
  };
}

function subjectOf({ subject: type, id = "id" }: AuditRule, ctx: Acting, answer: unknown): Acted["subject"] {
  const own = id === null ? ctx.locals.user : (valueOf(ctx.params, id) ?? valueOf(answer, id));
  const named = ctx.locals.audited?.subject ?? own;
  return typeof named === "string" && SUBJECT_ID.test(named) ? { type, id: named } : null;
}

function changesOf({ fields = [] }: AuditRule, ctx: Acting, answer: unknown): Acted["changes"] {
  const { before = null, after = null } = ctx.locals.audited ?? {};
  const changes: Acted["changes"] = {};
  for (const field of fields) {
    const was = valueOf(before, field) ?? null;
    const is = valueOf(after ?? answer, field) ?? (after ? null : (valueOf(ctx.params, field) ?? null));
    if (JSON.stringify(was) !== JSON.stringify(is)) changes[field] = [was, is];
  }
  return changes;
}

function valueOf(from: unknown, field: string): unknown {
  return (from as Record<string, unknown> | null | undefined)?.[field];
}

/** The type of a domain's messages with what was done in it. */
export function actedType<const D extends string>(domain: D): `${D}.acted` {
  return `${domain}.acted`;
}

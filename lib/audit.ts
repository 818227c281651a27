/** What is said of a change for the audit log: by its contract (`audit`), and by the handler, which knows what was before. */
import type { Static } from "typebox";
import { Type as T } from "typebox";
import type { Locals } from "./implement.ts";
import { Nullable } from "./types.ts";

/** A record of which the fields that the contract names are recorded. */
type Fields = Record<string, unknown>;

export interface Audited {
  /** Where neither a param nor the answer names the thing. */
  subject?: string;
  /** As it was; without it, or null: there was nothing. */
  before?: Fields | null;
  /** As it is; without it the answer, or the params where they have the field. */
  after?: Fields | null;
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

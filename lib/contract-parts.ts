/** Service actions that several domains have alike. */
import type { TProperties } from "typebox";
import { Type as T } from "typebox";
import { Nullable, OneOf } from "./types.ts";

/** The resource check of a domain's rules (`<kind>s.allows`); `grant` is what it learned for the handler. */
export function allows<const G extends TProperties>(grant: G) {
  return {
    params: T.Object({
      id: T.String(),
      relation: T.String(),
      user: Nullable(T.String()),
      /** The action that asks will write: look at the primary. */
      write: T.Boolean(),
    }),
    returns: T.Object({
      verdict: OneOf(["yes", "forbidden", "hidden", "missing"]),
      grant: T.Object(grant),
    }),
    access: "service",
    safe: true,
  } as const;
}

/** What a domain keeps about a person, for their export; a page after `cursor`. */
export const exportUser = {
  params: T.Object({ user: T.String(), cursor: Nullable(T.String()) }),
  returns: T.Object({
    records: T.Array(T.Record(T.String(), T.Unknown())),
    nextCursor: Nullable(T.String()),
  }),
  access: "service",
  safe: true,
} as const;

/** Which files things show, by the things' ids; those that are not there are left out. */
export const shownFiles = {
  params: T.Object({ ids: T.Array(T.String(), { maxItems: 1000 }) }),
  returns: T.Array(T.Object({ id: T.String(), fileIds: T.Array(T.String()) })),
  access: "service",
  safe: true,
} as const;

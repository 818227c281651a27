import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Batch, Outcome } from "../../lib/imports.ts";

/** What the imports of the admin domain ask of clubs. The same rows again change nothing. */
export const clubImports = declare("clubImports", {
  /** Makes clubs that are active at once. */
  clubs: { params: Batch, returns: T.Array(Outcome), access: "service", timeout: 30_000 },
  /** Makes people members of clubs. */
  members: { params: Batch, returns: T.Array(Outcome), access: "service", timeout: 30_000 },
});

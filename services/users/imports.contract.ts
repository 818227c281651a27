import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Batch, Outcome } from "../../lib/imports.ts";
import { Id, Nullable } from "../../lib/types.ts";

/** What the imports of the admin domain, and clubs in theirs, ask of users. */
export const userImports = declare("userImports", {
  /** Makes accounts without a password, each with an invitation by mail; the same rows again make nothing. */
  take: {
    params: Batch,
    returns: T.Array(Outcome),
    access: "service",
    timeout: 30_000,
  },
  /** Who is meant by user names and e-mails, in their order; null for nobody who is active. */
  find: {
    params: T.Object({ logins: T.Array(T.String(), { maxItems: 500 }) }),
    returns: T.Array(Nullable(Id)),
    access: "service",
    safe: true,
  },
});

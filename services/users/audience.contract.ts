import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Nullable, OneOf } from "../../lib/types.ts";
import { ROLES } from "./users.contract.ts";

/** Any of each list; without one it does not matter. */
const Who = {
  roles: T.Optional(T.Array(OneOf(ROLES))),
  colleges: T.Optional(T.Array(T.String())),
};

/** Whom an announcement is for: active people by their roles and colleges. */
export const userAudience = declare("userAudience", {
  /** By id, after the one named; a page may be short, or empty, and is the last where `after` is null. */
  page: {
    params: T.Object({
      ...Who,
      after: Nullable(T.String()),
      limit: T.Integer({ minimum: 1, maximum: 1_000 }),
    }),
    returns: T.Object({ ids: T.Array(T.String()), after: Nullable(T.String()) }),
    access: "service",
    safe: true,
    timeout: 8_000,
  },
  /** Those of the ids that are meant, in any order. */
  among: {
    params: T.Object({ ...Who, ids: T.Array(T.String(), { maxItems: 1_000 }) }),
    returns: T.Array(T.String()),
    access: "service",
    safe: true,
    timeout: 8_000,
  },
});

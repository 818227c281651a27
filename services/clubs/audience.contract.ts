import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Nullable } from "../../lib/types.ts";

/** The members of clubs, whom an announcement may be for. */
export const clubAudience = declare("clubAudience", {
  /** Members of any of the clubs, each once, by id after the one named; the last page where `after` is null. */
  page: {
    params: T.Object({
      clubIds: T.Array(T.String(), { minItems: 1, maxItems: 100 }),
      after: Nullable(T.String()),
      limit: T.Integer({ minimum: 1, maximum: 1_000 }),
    }),
    returns: T.Object({ ids: T.Array(T.String()), after: Nullable(T.String()) }),
    access: "service",
    safe: true,
    timeout: 8_000,
  },
});

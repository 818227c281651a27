/** Before a thing shows a file, the file is claimed for it: so that it is the user's own, complete, and kept. */
import type { Params } from "../lib/declare.ts";
import { AppError } from "../lib/errors.ts";
import type { Ctx } from "../lib/implement.ts";
import { userOf } from "../lib/implement.ts";
import { isAway } from "../middlewares/errors.ts";

interface Showing {
  subject: Params<"files.claim">["subject"];
  purpose: Params<"files.claim">["purpose"];
  /** What it shows already: that is not claimed again. */
  before: readonly (string | null)[];
  /** What it is to show. */
  after: readonly (string | null)[];
  /** The name of the field, of a list that of one of its entries. */
  field: (index: number) => string;
}

/**
 * Claims what a thing did not show before; asks nobody where that is nothing.
 * @throws 422 INVALID_REFERENCE at each id that the caller cannot use; UNAVAILABLE when files is away
 */
export async function claimFiles(
  ctx: Ctx,
  { subject, purpose, before, after, field }: Showing,
): Promise<void> {
  const added = after.filter((id): id is string => id !== null && !before.includes(id));
  if (added.length === 0) return;
  const { refused } = await ctx
    .call("files.claim", { subject, user: userOf(ctx), purpose, fileIds: added })
    .catch((error: unknown) => {
      throw partAway(error);
    });
  const errors = after.flatMap((id, i) =>
    id !== null && refused.includes(id) ? [{ field: field(i), code: "INVALID_REFERENCE" } as const] : [],
  );
  if (errors.length > 0) throw new AppError("VALIDATION_FAILED", { errors });
}

/**
 * That another domain is away, told as the loss of a part: whoever needs nothing of it goes on being served, and no circuit
 * opens for all.
 */
export function partAway(error: unknown): unknown {
  return isAway(error) ? new AppError("UNAVAILABLE", { shard: true, retryAfter: 2 }) : error;
}

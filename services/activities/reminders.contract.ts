import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";

export const reminders = declare("reminders", {
  /** For operators: what people are still to be told, since when the oldest (milliseconds), and what came too late. */
  depth: {
    returns: T.Object({
      waiting: T.Integer(),
      oldest: T.Union([T.Integer(), T.Null()]),
      dropped: T.Integer({
        description: "Reminders that came too late to be of use, of this node since it started",
      }),
    }),
    access: "service",
    safe: true,
  },
});

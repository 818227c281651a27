import { Type as T } from "typebox";
import { AnyEnvelope, declare } from "../../lib/declare.ts";
import { Id, Nullable, OneOf, Page, Time, Version } from "../../lib/types.ts";

/** What readers see of announcements; the admin domain, which makes them, is not asked. */
export const bulletin = declare("bulletin", {
  list: {
    rest: "GET /announcements",
    summary: { en: "Announcements for me, newest first", "zh-CN": "面向我的公告" },
    params: T.Object({ ...Page }),
    returns: T.Object({
      items: T.Array(
        T.Object({
          id: Id,
          title: T.String(),
          body: T.String(),
          level: OneOf(["info", "warning"]),
          startsAt: Time,
          endsAt: Nullable(Time),
          createdAt: Time,
          version: Version,
        }),
      ),
      /** A line above everything; empty: none. */
      banner: T.String(),
      nextCursor: Nullable(T.String()),
    }),
    access: "any",
  },
  /** How many people an announcement has reached; null where it is not known yet. */
  reach: {
    params: T.Object({ id: T.String() }),
    returns: Nullable(T.Object({ people: T.Integer(), told: T.Integer(), read: T.Integer() })),
    access: "service",
    safe: true,
    timeout: 5_000,
  },
  onMessage: {
    params: AnyEnvelope,
    access: "service",
    consumes: ["announcements.changed", "announcements.withdrawn"],
  },
});

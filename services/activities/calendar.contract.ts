import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Id, List, OneOf, Time } from "../../lib/types.ts";

const ICS = "text/calendar; charset=utf-8";

export const calendar = declare("calendar", {
  page: {
    rest: "GET /calendar",
    summary: { en: "Occurrences in order of start", "zh-CN": "活动日历" },
    params: T.Object({
      from: Time,
      to: Time,
      clubId: T.Optional(Id),
      limit: T.Optional(T.Integer({ minimum: 1, maximum: 1000, default: 20 })),
      cursor: T.Optional(T.String({ minLength: 1, maxLength: 500 })),
    }),
    returns: List(
      T.Object({
        activityId: Id,
        occurrence: Time,
        title: T.String(),
        startsAt: Time,
        endsAt: Time,
        timezone: T.String(),
        location: T.String(),
        clubId: Id,
        status: OneOf(["published", "cancelled", "finished"]),
      }),
    ),
    access: "any",
  },
  club: {
    rest: "GET /clubs/:id/calendar.ics",
    summary: { en: "A club's calendar to subscribe to", "zh-CN": "订阅社团日历" },
    params: T.Object({ id: Id }),
    returns: T.String(),
    produces: ICS,
    access: { club: "visible", anonymous: true },
    priority: "low",
  },
  mine: {
    rest: "GET /users/me/calendar.ics",
    summary: { en: "My calendar to subscribe to", "zh-CN": "订阅我的日历" },
    params: T.Object({ token: T.String({ minLength: 1, maxLength: 200 }) }),
    returns: T.String(),
    produces: ICS,
    access: "any",
    errors: ["INVALID_TOKEN"],
    priority: "low",
  },
  renewToken: {
    rest: "POST /users/me/calendar-token",
    summary: { en: "A new address of my calendar; the old one stops", "zh-CN": "更新我的日历订阅地址" },
    returns: T.Object({ url: T.String() }),
    status: 201,
    access: "user",
    secret: true,
  },
});

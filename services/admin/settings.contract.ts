import { Type as T } from "typebox";
import type { Static } from "typebox";
import { declare } from "../../lib/declare.ts";
import { Person, Time, Version } from "../../lib/types.ts";

/** Newest first; at most so many are shown. */
export const HISTORY_SHOWN = 20;

const Value = T.Union([T.Boolean(), T.Number(), T.String(), T.Array(T.String())]);

export const SettingShown = T.Object({
  key: T.String(),
  value: Value,
  default: Value,
  type: T.String({ description: "boolean, integer, text, timezone or list" }),
  min: T.Optional(T.Integer({ description: "Least value, or number of items" })),
  max: T.Optional(T.Integer({ description: "Largest value, or number of items or characters" })),
  options: T.Optional(T.Array(T.String())),
  description: T.String(),
  history: T.Array(
    T.Object({
      at: Time,
      by: Person,
      value: T.Union([Value, T.Null()], { description: "null: set back to the default" }),
    }),
  ),
  version: Version,
});

export type SettingShown = Static<typeof SettingShown>;

export const settings = declare("settings", {
  list: {
    rest: "GET /admin/settings",
    summary: { en: "All settings, each with who has changed it", "zh-CN": "全部设置及其修改记录" },
    returns: T.Array(SettingShown),
    access: "administrator",
  },
  set: {
    rest: "PUT /admin/settings/:key",
    summary: {
      en: "Change a setting (`null`: its default again); in force everywhere within 5 s",
      "zh-CN": "修改设置（null 恢复默认值，5 秒内全部生效）",
    },
    params: T.Object({
      key: T.String(),
      value: T.Unknown({ description: "Of the setting's type, or null" }),
    }),
    returns: SettingShown,
    access: "administrator",
    // The address that a list of networks must not shut out.
    client: true,
    audit: { subject: "setting", id: "key", fields: ["value"] },
  },
  /** Tells every node now what is set, and whose second factor is in force. */
  tell: { access: "service", safe: true },
});

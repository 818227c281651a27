/** What a setting takes: a value as it is sent becomes the one that is kept, or is refused with the reason. */
import type { FieldError } from "./errors.ts";
import type { IntegerSetting, ListSetting, Setting, TextSetting } from "./live-settings.ts";
import { networkOf } from "./networks.ts";
import { isTimeZone } from "./time-zones.ts";

export type SettingJson = boolean | number | string | readonly string[];
type Problem = Omit<FieldError, "field">;
export type Checked = { value: SettingJson } | { problem: Problem };

/** Control characters, line and paragraph separators. */
const HIDDEN = /[\p{Cc}\u2028\u2029]/u;
/** Longer than any network. */
const NETWORK_LENGTH = 64;

/** Checks a value for a setting; text is trimmed and in Unicode NFC then. */
export function checkSetting(setting: Setting, value: unknown): Checked {
  switch (setting.type) {
    case "boolean":
      return typeof value === "boolean" ? { value } : refused("NOT_A_SWITCH");
    case "integer":
      return integer(setting, value);
    case "text":
      return text(setting, value);
    case "timezone":
      return typeof value === "string" && isTimeZone(value) ? { value } : refused("UNKNOWN_TIME_ZONE");
    case "list":
    default:
      return list(setting, value);
  }
}

const refused = (code: Problem["code"], values?: Problem["values"]): Checked => ({
  problem: { code, ...(values && { values }) },
});

function integer({ min, max }: IntegerSetting, value: unknown): Checked {
  const fits = typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
  // JSON knows no -0.
  return fits ? { value: value + 0 } : refused("NOT_IN_RANGE", { min, max });
}

function text({ max }: TextSetting, value: unknown): Checked {
  if (typeof value !== "string") return refused("NOT_TEXT", { max });
  const clean = value.normalize("NFC").trim();
  if (HIDDEN.test(clean) || !clean.isWellFormed()) return refused("INVALID_CHARACTERS");
  return Array.from(clean).length <= max ? { value: clean } : refused("NOT_TEXT", { max });
}

function list({ options, min, max }: ListSetting, value: unknown): Checked {
  const fits = (item: unknown): boolean =>
    typeof item === "string" &&
    (options ? options.includes(item) : item.length <= NETWORK_LENGTH && networkOf(item) !== null);
  const isList = Array.isArray(value) && value.length >= min && value.length <= max;
  if (isList && value.every(fits) && new Set(value).size === value.length) return { value: [...value] };
  return options
    ? refused("NOT_A_LIST_OF", { min, max, allowed: options.join(", ") })
    : refused("NOT_NETWORKS", { max });
}

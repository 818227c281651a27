/** Building blocks of the contracts' schemas: text, ids, times, lists, people. */
import type { TEnum, TSchema, TSchemaOptions } from "typebox";
import { Type as T } from "typebox";
import { ID_PATTERN } from "./ids.ts";

/**
 * Text that people write. Before it is checked it is trimmed and brought to Unicode NFC (lib/validate.ts);
 * lengths are in code points after that.
 * @param multiline line feed and tab are allowed, CRLF becomes LF
 */
export function Text(min: number, max: number, options: { multiline?: boolean; description?: string } = {}) {
  const { multiline = false, ...rest } = options;
  return T.String({ minLength: min, maxLength: max, "x-text": multiline ? "block" : "line", ...rest });
}

export const Id = T.String({ pattern: ID_PATTERN, format: "uuid", description: "UUIDv7" });
/** RFC 3339, UTC, milliseconds. Inside the services a time is a number (milliseconds since 1970). */
export const Time = T.String({ format: "date-time" });

export function Nullable<const S extends TSchema>(schema: S) {
  return T.Union([schema, T.Null()]);
}

export function OneOf<const V extends readonly [string, ...string[]]>(
  values: V,
  options: TSchemaOptions = {},
): TEnum<[...V]> {
  return T.Enum<[...V]>([...values], options);
}

/** `limit` and `cursor` of a list. */
export const Page = {
  limit: T.Optional(T.Integer({ minimum: 1, maximum: 100, default: 20 })),
  cursor: T.Optional(T.String({ minLength: 1, maxLength: 500 })),
};

/** `{ items, nextCursor }`. */
export function List<const S extends TSchema>(item: S) {
  return T.Object({ items: T.Array(item), nextCursor: Nullable(T.String()) });
}

/** A user inside other things; an erased one has no id. */
export const Person = T.Object({
  id: Nullable(T.String()),
  displayName: T.String(),
  avatarFileId: Nullable(T.String()),
});

export const LanguageTag = OneOf(["en", "zh-CN"]);
export const Version = T.Integer({ minimum: 1 });

/** Milliseconds since 1970 as the contract writes times. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}

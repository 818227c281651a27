import { v7 } from "uuid";

/** RFC 9562 UUIDs of version 7, lower case. */
export const ID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$";
const ID = new RegExp(ID_PATTERN);

/** A new id: a UUIDv7, so that ids sort by their time of making. */
export function newId(): string {
  return v7();
}

/** Whether `value` has the form of an id. */
export function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

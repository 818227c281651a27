/**
 * How stored objects are called in a target: `objects/<shelf>/<key>!<sha256>(.age)`. The shelf says for whom they are
 * encrypted: after a change of recipients none of the old copies is taken for one that the new identity reads. Copies of
 * versions before have no shelf; their names still are in the lists of those backups.
 */
import { createHash } from "node:crypto";
import type { Recipients } from "./parts.ts";

export const OBJECTS = "objects/";
/** Sorts before whatever a key has, so that the names are in the order of the keys. */
const MARK = "!";
const ENCRYPTED = ".age";
/** No key begins so: those begin with what a file is for. */
const SHELF = /^(?:clear|[0-9a-f]{16})\//;

/** Below which name the copies for these recipients are. */
export function shelfOf(recipients: Recipients): string {
  if (recipients.length === 0) return `${OBJECTS}clear/`;
  const sorted = [...new Set(recipients)].toSorted().join("\n");
  return `${OBJECTS}${createHash("sha256").update(sorted).digest("hex").slice(0, 16)}/`;
}

/** @param sha256 of the bytes as they are stored */
export function nameOf(key: string, sha256: string, recipients: Recipients): string {
  return `${shelfOf(recipients)}${key}${MARK}${sha256}${recipients.length > 0 ? ENCRYPTED : ""}`;
}

/** The key of a stored object's name. */
export function keyOf(name: string): string {
  return name.slice(OBJECTS.length, name.lastIndexOf(MARK)).replace(SHELF, "");
}

export const isEncrypted = (name: string): boolean => name.endsWith(ENCRYPTED);

/** What the stored bytes must have. */
export function sha256Of(name: string): string {
  return name.slice(name.lastIndexOf(MARK) + 1).replace(ENCRYPTED, "");
}

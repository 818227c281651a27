/** What a request's own headers ask of its action, and of its answer: If-Match, If-None-Match, Idempotency-Key. */
import { hash } from "node:crypto";
import type { FieldError } from "../../lib/errors.ts";

/**
 * The version that `If-Match` names: one tag, `"<version>"` or `"<version>.<hash>"`. 0, which is no version, for a tag
 * of another form; undefined without the header and for `*`, which every version matches.
 */
export function versionOf(ifMatch: string | undefined): number | undefined {
  const tag = ifMatch?.trim();
  if (tag === undefined || tag === "*") return undefined;
  return Number(/^"([1-9]\d{0,14})(?:\.[\w-]+)?"$/.exec(tag)?.[1] ?? 0);
}

/** The strong tag of an answer; with its version in front where it has one, so that `If-Match` can name it. */
export function tagOf(body: string | Buffer, version: number | null): string {
  const digest = hash("sha1", body, "hex").slice(0, 16);
  return version === null ? `"${digest}"` : `"${version}.${digest}"`;
}

/** Whether `If-None-Match` names the tag (weak comparison, RFC 9110, 13.1.2). */
export function matches(ifNoneMatch: string, tag: string): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  const tags: string[] = ifNoneMatch.match(/"[^"]*"/g) ?? [];
  return tags.includes(tag);
}

/** A key of 1–128 characters; else it is named in `errors`. */
export function checkKey(key: string, errors: FieldError[]): void {
  if (key.length < 1) errors.push({ field: "Idempotency-Key", code: "TOO_SHORT", values: { limit: 1 } });
  if (key.length > 128) errors.push({ field: "Idempotency-Key", code: "TOO_LONG", values: { limit: 128 } });
}

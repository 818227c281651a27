/**
 * Tokens that are looked up by what they say of themselves: the ids of a user and of a row, so that one statement on
 * one shard finds it, and something that only the holder knows. Stored are SHA-256 hashes alone.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { isId } from "../../lib/ids.ts";
import type { SigningKeys } from "../../lib/keys.ts";

const ID_BYTES = 16;

export interface Unpacked {
  user: string;
  id: string;
  rest: Buffer;
}

/** SHA-256 in hexadecimal. */
export function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

/** A token: two ids and bytes, in base64url. */
export function pack(user: string, id: string, rest: Buffer): string {
  return Buffer.concat([bytesOf(user), bytesOf(id), rest]).toString("base64url");
}

/** What a token says, if it has the form of one with so many bytes after the ids. Nothing of it is proven. */
export function unpack(token: string, restBytes: number): Unpacked | null {
  const bytes = Buffer.from(token, "base64url");
  // Other spellings of the same bytes are no token.
  if (bytes.length !== 2 * ID_BYTES + restBytes || bytes.toString("base64url") !== token) return null;
  const user = idOf(bytes.subarray(0, ID_BYTES));
  const id = idOf(bytes.subarray(ID_BYTES, 2 * ID_BYTES));
  return isId(user) && isId(id) ? { user, id, rest: bytes.subarray(2 * ID_BYTES) } : null;
}

function bytesOf(id: string): Buffer {
  return Buffer.from(id.replaceAll("-", ""), "hex");
}

function idOf(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** HMAC-SHA256, cut to so many bytes. */
export function mac(key: Buffer, data: string | Buffer, bytes = 32): Buffer {
  return createHmac("sha256", key).update(data).digest().subarray(0, bytes);
}

/** Whether two strings or buffers are the same, in a time that does not tell where they differ. */
export function same(a: string | Buffer, b: string | Buffer): boolean {
  const [left, right] = [Buffer.from(a as string), Buffer.from(b as string)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/**
 * Keys for the tokens in mails, one for each signing key, the first for new ones: so a token can be made again when
 * its mail is sent, on any node of users, and is kept nowhere.
 */
export function mailKeysOf(keys: SigningKeys): Buffer[] {
  return keys.map(({ privateKey }) =>
    Buffer.from(
      hkdfSync("sha256", privateKey.export({ type: "pkcs8", format: "der" }), "", "tokens in mails", 32),
    ),
  );
}

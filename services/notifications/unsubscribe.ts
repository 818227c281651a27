/** The token in a mail by which its reader stops such mails: it needs no sign-in and does not end (RFC 8058). */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { DocumentStore } from "../../lib/documents.ts";
import { KINDS } from "./notifications.contract.ts";
import type { Kind } from "./preferences.ts";

interface Secret {
  _id: string;
  /** In base64url. */
  key: string;
}

export interface Stop {
  user: string;
  kinds: readonly Kind[];
}

const KEY_BYTES = 32;
const MAC_BYTES = 16;

/** The key, made by whoever comes first and the same from then on. */
export async function unsubscribeKey(store: DocumentStore): Promise<Buffer> {
  const secrets = await store.collection<Secret>("secrets", { indexes: [] });
  const own = { _id: "unsubscribe", key: randomBytes(KEY_BYTES).toString("base64url") };
  await secrets.insertOne(own);
  const kept = await secrets.findOne({ _id: own._id });
  return Buffer.from(kept?.key ?? own.key, "base64url");
}

/** A kind is a bit, so that the token stays short; new kinds come at the end of the list. */
export function tokenOf(key: Buffer, { user, kinds }: Stop): string {
  const bits = kinds.reduce((sum, kind) => sum | (1 << KINDS.indexOf(kind)), 0);
  const text = `${user}.${bits.toString(36)}`;
  return `${text}.${macOf(key, text).toString("base64url")}`;
}

/** What a token stops; null when it is not one of ours. */
export function stopOf(key: Buffer, token: string): Stop | null {
  const [user = "", bits = "", mac = ""] = token.split(".");
  const given = Buffer.from(mac, "base64url");
  if (given.length !== MAC_BYTES || !timingSafeEqual(given, macOf(key, `${user}.${bits}`))) return null;
  const mask = Number.parseInt(bits, 36);
  return { user, kinds: KINDS.filter((_, index) => (mask & (1 << index)) !== 0) };
}

function macOf(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest().subarray(0, MAC_BYTES);
}

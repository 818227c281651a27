/** Signed addresses of a folder's objects, as an S3 server has them: who holds one may do what it says, for a while. */
import { createHmac, timingSafeEqual } from "node:crypto";

export interface Link {
  method: "PUT" | "GET";
  key: string;
  /** Of an upload: exactly these. */
  size?: number;
  contentType?: string;
  fileName?: string;
  /** It is shown, although it has a name. */
  shown?: true;
}

/** `<base>/<token>`. @param seconds until it is no longer good */
export function signLink(links: { base: string; secret: Buffer }, link: Link, seconds: number): string {
  const text = JSON.stringify({ ...link, until: Date.now() + seconds * 1_000 });
  const payload = Buffer.from(text).toString("base64url");
  return `${links.base}/${payload}.${mac(links.secret, payload)}`;
}

/** What a token allows; null when it was not signed with this secret, or is no longer good. @param now milliseconds */
export function readLink(secret: Buffer, token: string, now = Date.now()): Link | null {
  const [payload = "", signature = ""] = token.split(".");
  const [given, right] = [Buffer.from(signature), Buffer.from(mac(secret, payload))];
  if (given.length !== right.length || !timingSafeEqual(given, right)) return null;
  // What is signed was written by signLink.
  const { until, ...link } = JSON.parse(Buffer.from(payload, "base64url").toString()) as Link & {
    until: number;
  };
  return now <= until ? link : null;
}

const mac = (secret: Buffer, payload: string): string =>
  createHmac("sha256", secret).update(payload).digest("base64url");

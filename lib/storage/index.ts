/**
 * Where files are kept: a folder of this machine, or an S3 server (docs/decisions/0016-storage.md). Clients send and
 * fetch files by signed addresses, past the federation's nodes where there is an S3 server.
 */
import type { Readable } from "node:stream";

export interface ObjectInfo {
  /** Bytes. */
  size: number;
  contentType: string;
}

export interface StoredObject extends ObjectInfo {
  stream: Readable;
}

/** A request that a client makes: with these headers and no others of the same names. */
export interface SignedRequest {
  method: "PUT" | "GET";
  url: string;
  headers: Record<string, string>;
}

/** Keys are `name/name/…` of letters, digits, `.`, `_` and `-`, up to 200 characters; no name begins with a dot. */
export interface Storage {
  /**
   * Keeps an object; when it resolves, it is on disk. What is there already is never replaced: false.
   * @throws TypeError when the body has another size than said; nothing is kept then
   */
  put(key: string, body: Readable | Buffer, info: ObjectInfo): Promise<boolean>;
  /** Null when it is not there, or not whole yet. */
  head(key: string): Promise<ObjectInfo | null>;
  /** @param range offsets of the first and last byte */
  get(key: string, range?: { from: number; to: number }): Promise<StoredObject | null>;
  /** Also when it is not there. */
  delete(key: string): Promise<void>;
  /** Keys that begin with the prefix, in order, up to 1000 after the one given. */
  list(prefix: string, after?: string): Promise<string[]>;
  /** For a client that uploads exactly this. @param seconds until it is no longer good */
  signUpload(key: string, info: ObjectInfo, seconds: number): Promise<SignedRequest>;
  /**
   * For whoever may fetch it.
   * @param fileName what a browser calls it when it saves it; without, it is shown
   * @param shown it is shown although it has a name
   */
  signDownload(key: string, seconds: number, fileName?: string, shown?: boolean): Promise<SignedRequest>;
  /** Where everybody may fetch it without a signature: behind a CDN; null where there is none. */
  publicUrl(key: string): string | null;
  /** Deletes what broken-off uploads have left. */
  tidy(): Promise<void>;
  close(): void;
}

export interface StorageOptions {
  /** With key, secret, bucket and region; null: the folder. */
  s3Url: string | null;
  /** Under which browsers reach the bucket, when that is another address. */
  s3PublicUrl: string | null;
  /** The folder. */
  folder: string;
  /** Of a folder's signed addresses: where the gateway answers them, and the secret that they are signed with. */
  links: { base: string; secret: Buffer };
}

/** Opens the storage; an S3 server need not answer yet: while it does not, calls reject with UNAVAILABLE. */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  // Loaded only where it is used: the client is large.
  if (options.s3Url) return (await import("./s3.ts")).openS3(options.s3Url, options.s3PublicUrl);
  return (await import("./folder.ts")).openFolder(options.folder, options.links);
}

/** How a browser treats an object (RFC 6266, RFC 5987): a name that is ASCII for old ones, and as it is. */
export function disposition(fileName: string, shown: boolean): string {
  const plain = fileName.replace(/[^\x20-\x7e]|["\\%]/gu, "_");
  const encoded = encodeURIComponent(fileName).replace(
    /['()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${shown ? "inline" : "attachment"}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

const KEY = /^(?!.*\/\/)(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** @throws TypeError for a key that no storage takes; a path out of the folder is none */
export function checkKey(key: string): void {
  if (key.length > 200 || !KEY.test(key)) throw new TypeError("This is no key of a stored object.");
}

/**
 * Uploads and downloads at signed addresses where there is no S3 server that would take them: streams between the client
 * and the folder. Who holds an address may do what it says; nobody else is asked.
 */
import { hash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { AppError } from "../../lib/errors.ts";
import type { Settings } from "../../lib/settings.ts";
import { FolderStorage } from "../../lib/storage/folder.ts";
import { disposition } from "../../lib/storage/index.ts";
import { readLink } from "../../lib/storage/links.ts";
import type { Link } from "../../lib/storage/links.ts";
import { readSecret } from "../../lib/storage/secret.ts";
import { matches } from "./conditions.ts";
import type { Exchange } from "./exchange.ts";
import { rangeOf } from "./range.ts";
import type { Page } from "./routes.ts";

/** Less than the server gives a request (server.ts), so that a slow one is still told. */
const UPLOAD_MS = 25_000;
/** What is shown is shown alone: a document runs nothing and asks for nothing. */
const CONTENT_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'";
/** Keys that everybody may have: avatars and logos. */
const OPEN = /^(?:avatar|logo)\//;

interface Opened {
  secret: Buffer;
  folder: FolderStorage;
}

/** `/blobs/:token`; none where files are on an S3 server. */
export function blobPages({ s3Url, filesDir }: Settings): Page[] {
  if (s3Url) return [];
  let opened: Opened | null = null;
  const open = async (): Promise<Opened> => {
    const secret = opened?.secret ?? (await readSecret(filesDir));
    // Files are elsewhere, or nobody has stored any yet.
    if (!secret) throw new AppError("ROUTE_NOT_FOUND");
    return (opened ??= { secret, folder: new FolderStorage(filesDir, { base: "", secret }) });
  };
  const on = (
    method: "GET" | "PUT",
    work: (exchange: Exchange, folder: FolderStorage, link: Link) => Promise<void>,
  ) => ({
    path: "/blobs/:token",
    method,
    priority: "low" as const,
    async answer(exchange: Exchange): Promise<void> {
      const { secret, folder } = await open();
      const link = readLink(secret, exchange.req.$params.params["token"] as string);
      if (link?.method !== method) throw new AppError("LINK_NOT_VALID");
      exchange.res.setHeader("Cache-Control", "no-store");
      await work(exchange, folder, link);
    },
  });
  return [on("PUT", take), on("GET", give)];
}

async function take(
  exchange: Exchange,
  folder: FolderStorage,
  { key, size = 0, contentType = "" }: Link,
): Promise<void> {
  const { req } = exchange;
  const { "content-type": type, "content-length": length } = req.headers;
  if (type !== contentType)
    throw closing(exchange, new AppError("UNSUPPORTED_MEDIA_TYPE", { expected: contentType }));
  if (length !== undefined && Number(length) !== size)
    throw closing(exchange, new AppError("WRONG_SIZE", { limit: size }));
  const late = AbortSignal.timeout(UPLOAD_MS);
  try {
    await folder.replace(key, req, { size, contentType }, late);
  } catch (error) {
    if (late.aborted) throw closing(exchange, new AppError("UPLOAD_TOO_SLOW"));
    if (error instanceof TypeError) throw closing(exchange, new AppError("WRONG_SIZE", { limit: size }));
    // Whoever has gone away is told nothing.
    if (req.destroyed && !req.complete) return;
    throw error;
  }
  exchange.send(200);
}

/** What else the client would send is not read. */
function closing({ res }: Exchange, error: AppError): AppError {
  res.setHeader("Connection", "close");
  return error;
}

async function give(exchange: Exchange, folder: FolderStorage, link: Link): Promise<void> {
  const { req, res } = exchange;
  const found = await folder.head(link.key);
  if (!found) throw new AppError("NOT_FOUND");
  // What has a key never changes.
  const tag = `"${hash("sha1", link.key, "hex").slice(0, 16)}"`;
  res.setHeader(
    "Cache-Control",
    `${OPEN.test(link.key) ? "public" : "private"}, max-age=31536000, immutable`,
  );
  res.setHeader("Content-Security-Policy", CONTENT_POLICY);
  res.setHeader("ETag", tag);
  res.setHeader("Accept-Ranges", "bytes");
  const known = req.headers["if-none-match"];
  if (known && matches(known, tag)) return exchange.send(304);
  const range = partOf(exchange, found.size, tag);
  const { from, to } = range ?? { from: 0, to: found.size - 1 };
  res.setHeader("Content-Type", found.contentType);
  res.setHeader("Content-Length", to - from + 1);
  if (range) res.setHeader("Content-Range", `bytes ${from}-${to}/${found.size}`);
  if (link.fileName) res.setHeader("Content-Disposition", disposition(link.fileName, link.shown === true));
  if (exchange.gateway.draining) res.setHeader("Connection", "close");
  res.statusCode = range ? 206 : 200;
  await stream(exchange, folder, link.key, { from, to });
}

function partOf({ req, res }: Exchange, size: number, tag: string) {
  try {
    return rangeOf(req.headers, size, tag);
  } catch (error) {
    res.setHeader("Content-Range", `bytes */${size}`);
    throw error;
  }
}

async function stream(
  exchange: Exchange,
  folder: FolderStorage,
  key: string,
  { from, to }: { from: number; to: number },
): Promise<void> {
  const { req, res } = exchange;
  const object = req.method === "HEAD" || to < from ? null : await folder.get(key, { from, to });
  if (!object) {
    res.end();
    return;
  }
  exchange.bytes = to - from + 1;
  // A client that goes away ends it; there is nobody left to tell.
  await pipeline(object.stream, res).catch(() => res.destroy());
}

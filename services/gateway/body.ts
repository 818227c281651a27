/** Bodies: JSON in UTF-8, up to 1 MiB, as it is. */
import { isUtf8 } from "node:buffer";
import { Readable } from "node:stream";
import type { IncomingMessage, ServerResponse } from "node:http";
import ApiGateway from "moleculer-web";
import { AppError } from "../../lib/errors.ts";

export const MAX_BODY = 1_048_576;
/** Deeper than anything that a contract takes. Unbounded depth would break whoever serializes it. */
const MAX_DEPTH = 32;
/** Ten times what the largest form has: each that is unknown costs time to refuse. */
const MAX_VALUES = 10_000;

const parser = ApiGateway.bodyParser.json({
  limit: MAX_BODY,
  strict: false,
  inflate: false,
  type: () => true,
  verify(_req: unknown, _res: unknown, body: Buffer) {
    if (!isUtf8(body)) throw new Error("not UTF-8");
  },
});

/** The parsed body; undefined without one. Throws 415, 413 or 400, and 408 where it is not whole `within` milliseconds. */
export async function readBody(
  req: IncomingMessage,
  res: ServerResponse,
  within: number | null = null,
): Promise<unknown> {
  const { "content-length": length, "transfer-encoding": chunked, "content-type": type } = req.headers;
  if (!chunked && (length === undefined || length === "0")) return undefined;
  if (!isJson(type)) throw new AppError("UNSUPPORTED_MEDIA_TYPE", { expected: "application/json" });
  await new Promise<void>((resolve, reject) => {
    const late = within === null ? undefined : setTimeout(() => reject(tooSlow(res)), within);
    parser(req, res, (error?: { type?: string }) => {
      clearTimeout(late);
      if (error) reject(refusalOf(error.type));
      else resolve();
    });
  });
  const { body } = req as { body?: unknown };
  if (isBeyond(body, MAX_DEPTH)) throw new AppError("BAD_REQUEST");
  return body;
}

/** What else the client would send is not waited for. */
function tooSlow(res: ServerResponse): AppError {
  res.setHeader("Connection", "close");
  return new AppError("UPLOAD_TOO_SLOW");
}

/** A body on its way to the action that takes it as a stream. */
export interface StreamedBody {
  stream: Readable;
  /** Why it was cut off; null where it was not. */
  refusal(): AppError | null;
  /** Nobody reads it any more. */
  end(): void;
}

/**
 * A body of up to `limit` bytes as it comes: JSON as text, all else in base64 (lib/binary-body.ts). Throws 415, and 413
 * where its length says so at once.
 */
export function streamBody(
  req: IncomingMessage,
  { type, limit }: { type: string; limit: number },
): StreamedBody {
  const { "content-length": length, "content-type": given, "content-encoding": encoding } = req.headers;
  const fits =
    type === "application/json" ? isJson(given) : given?.split(";")[0]?.trim().toLowerCase() === type;
  if (!fits || (encoding !== undefined && encoding !== "identity"))
    throw new AppError("UNSUPPORTED_MEDIA_TYPE", { expected: type });
  if (Number(length ?? 0) > limit) throw new AppError("PAYLOAD_TOO_LARGE", { limit });
  let refusal: AppError | null = null;
  const refuse = (error: AppError): AppError => (refusal = error);
  // Nothing is read before somebody listens, so that nobody misses that it breaks off. It goes on as text, since the
  // bus writes bytes as lists of numbers.
  const bytes = bytesOf(req, limit, refuse);
  const texts = type === "application/json" ? textOf(bytes, refuse) : base64Of(bytes);
  const stream = Readable.from(texts, { objectMode: false, encoding: "utf8" });
  stream.on("error", () => undefined);
  return {
    stream,
    refusal: () => refusal,
    end() {
      if (!stream.readableEnded) stream.destroy(new AppError("BAD_REQUEST"));
      req.resume();
    },
  };
}

/** What comes of a body. Where it is refused the connection stays open for the answer. */
async function* bytesOf(
  req: IncomingMessage,
  limit: number,
  refuse: (error: AppError) => AppError,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) throw refuse(new AppError("PAYLOAD_TOO_LARGE", { limit }));
    yield chunk;
  }
}

/** Each piece of whole groups of three bytes, so that the pieces together are base64 too. */
async function* base64Of(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = all.length - (all.length % 3);
    rest = all.subarray(whole);
    if (whole > 0) yield all.toString("base64", 0, whole);
  }
  if (rest.length > 0) yield rest.toString("base64");
}

async function* textOf(
  chunks: AsyncIterable<Buffer>,
  refuse: (error: AppError) => AppError,
): AsyncGenerator<string> {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for await (const chunk of chunks) yield decoded(() => text.decode(chunk, { stream: true }), refuse);
  // Half a character at the end.
  decoded(() => text.decode(), refuse);
}

function decoded(decode: () => string, refuse: (error: AppError) => AppError): string {
  try {
    return decode();
  } catch {
    throw refuse(new AppError("MALFORMED_JSON"));
  }
}

function isJson(type: string | undefined): boolean {
  if (type === "application/json") return true;
  const [media, ...parameters] = (type ?? "").split(";").map((each) => each.trim().toLowerCase());
  const charset = parameters.find((each) => each.startsWith("charset="))?.slice("charset=".length);
  return media === "application/json" && (charset ?? "utf-8").replaceAll('"', "") === "utf-8";
}

/** body-parser's errors by their type. */
function refusalOf(type = "unknown"): AppError {
  switch (type) {
    case "entity.too.large":
      return new AppError("PAYLOAD_TOO_LARGE", { limit: MAX_BODY });
    case "entity.parse.failed":
    case "entity.verify.failed":
      return new AppError("MALFORMED_JSON");
    case "encoding.unsupported":
      return new AppError("UNSUPPORTED_MEDIA_TYPE", { expected: "application/json" });
    default:
      return new AppError("BAD_REQUEST");
  }
}

/** Whether a value has more levels than that, or more values within. */
function isBeyond(value: unknown, levels: number, room = { left: MAX_VALUES }): boolean {
  if (room.left-- === 0) return true;
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isBeyond(each, levels - 1, room));
}

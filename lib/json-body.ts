/** A body of JSON that an action reads itself: one that is too large for the gateway, or that is no object. */
import { isUtf8 } from "node:buffer";
import { addAbortSignal, Readable } from "node:stream";
import { AppError, isAppError } from "./errors.ts";

/** Milliseconds in which the body must have come. */
const TO_COME = 25_000;

/** The JSON of a stream (`ctx.stream`) of at most `limit` bytes. @throws 400, 413 */
export async function readJson(body: unknown, limit: number): Promise<unknown> {
  const bytes = await bytesOf(body instanceof Readable ? body : null, limit);
  if (!isUtf8(bytes)) throw new AppError("MALFORMED_JSON");
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw new AppError("MALFORMED_JSON");
  }
}

async function bytesOf(body: Readable | null, limit: number): Promise<Buffer> {
  if (!body) throw new AppError("BAD_REQUEST");
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // A stream whose sender has died may never end.
    for await (const chunk of addAbortSignal(AbortSignal.timeout(TO_COME), body)) {
      const bytes = Buffer.from(chunk as Buffer);
      length += bytes.length;
      if (length > limit) throw new AppError("PAYLOAD_TOO_LARGE", { limit });
      chunks.push(bytes);
    }
  } catch (error) {
    throw isAppError(error) ? error : new AppError("BAD_REQUEST");
  }
  return Buffer.concat(chunks);
}

/** Bodies that are no JSON, on their way over the bus: in base64, since that writes bytes as lists of numbers. */
import { addAbortSignal } from "node:stream";
import type { Readable } from "node:stream";
import { AppError, isAppError } from "./errors.ts";

/**
 * The bytes of a body that the gateway hands on (`ctx.stream`), in the pieces in which they come.
 * @param patience milliseconds in which all of it must have come
 * @throws PAYLOAD_TOO_LARGE beyond `limit` bytes; BAD_REQUEST where there is none or it breaks off
 */
export async function readBinary(
  body: Readable | null | undefined,
  limit: number,
  patience: number,
): Promise<Buffer[]> {
  if (!body) throw new AppError("BAD_REQUEST");
  const chunks: Buffer[] = [];
  let length = 0;
  let rest = "";
  const take = (text: string): void => {
    const bytes = Buffer.from(text, "base64");
    length += bytes.length;
    if (length > limit) throw new AppError("PAYLOAD_TOO_LARGE", { limit });
    if (bytes.length > 0) chunks.push(bytes);
  };
  try {
    // A stream whose sender has died may never end.
    for await (const chunk of addAbortSignal(AbortSignal.timeout(patience), body)) {
      const text = rest + String(chunk);
      const whole = text.length - (text.length % 4);
      rest = text.slice(whole);
      take(text.slice(0, whole));
    }
    take(rest);
    return chunks;
  } catch (error) {
    throw isAppError(error) ? error : new AppError("BAD_REQUEST");
  }
}

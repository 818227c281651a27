/** Bodies: JSON in UTF-8, up to 1 MiB, as it is. */
import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import ApiGateway from "moleculer-web";
import { AppError } from "../../lib/errors.ts";

export const MAX_BODY = 1_048_576;
/** Deeper than anything that a contract takes. Unbounded depth would break whoever serializes it. */
const MAX_DEPTH = 32;

const parser = ApiGateway.bodyParser.json({
  limit: MAX_BODY,
  strict: false,
  inflate: false,
  type: () => true,
  verify(_req: unknown, _res: unknown, body: Buffer) {
    if (!isUtf8(body)) throw new Error("not UTF-8");
  },
});

/** The parsed body; undefined without one. Throws 415, 413 or 400. */
export async function readBody(req: IncomingMessage, res: ServerResponse): Promise<unknown> {
  const { "content-length": length, "transfer-encoding": chunked, "content-type": type } = req.headers;
  if (!chunked && (length === undefined || length === "0")) return undefined;
  if (!isJson(type)) throw new AppError("UNSUPPORTED_MEDIA_TYPE", { expected: "application/json" });
  await new Promise<void>((resolve, reject) => {
    parser(req, res, (error?: { type?: string }) => (error ? reject(refusalOf(error.type)) : resolve()));
  });
  const { body } = req as { body?: unknown };
  if (isDeeper(body, MAX_DEPTH)) throw new AppError("BAD_REQUEST");
  return body;
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

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

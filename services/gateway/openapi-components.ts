/** What the operations of the OpenAPI document share. */
import { FIELD_CODES } from "../../lib/refusals/fields.ts";

const text = { type: "string" };

const Problem = {
  type: "object",
  description: "RFC 9457. `code` is stable; the words follow Accept-Language.",
  required: ["type", "title", "status", "detail", "code", "requestId"],
  properties: {
    type: { type: "string", format: "uri" },
    title: text,
    status: { type: "integer" },
    detail: text,
    code: text,
    requestId: text,
    errors: {
      type: "array",
      description: 'One entry for each wrong field; a field of the body as a whole is "".',
      items: {
        type: "object",
        required: ["field", "code", "message"],
        properties: { field: text, code: { enum: Object.keys(FIELD_CODES) }, message: text },
      },
    },
  },
};

const header = (description: string, schema: object = text) => ({ description, schema });

export const COMPONENTS = {
  schemas: { Problem },
  parameters: {
    IdempotencyKey: {
      name: "Idempotency-Key",
      in: "header",
      required: false,
      description:
        "The same key and body answer the first status and body again for 24 hours, with `Idempotency-Replayed: true`.",
      schema: { type: "string", minLength: 1, maxLength: 128 },
    },
    IfMatch: {
      name: "If-Match",
      in: "header",
      required: false,
      description:
        "One tag, of which the version counts, or `*`. Another version: 412, and nothing is changed.",
      schema: text,
    },
    IfNoneMatch: {
      name: "If-None-Match",
      in: "header",
      required: false,
      description: "Tags of answers that the client has; 304 where it still holds.",
      schema: text,
    },
  },
  headers: {
    RequestId: header("The request's id in logs and traces; `X-Request-Id` of the request where it had one."),
    ETag: header('`"<version>.<hash>"` of what has a version, else `"<hash>"`.'),
    RetryAfter: header("Seconds.", { type: "integer" }),
    RateLimitReset: header("Seconds until the limit's window ends.", { type: "integer" }),
    WwwAuthenticate: header("`Bearer`"),
  },
  securitySchemes: {
    bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "The access token." },
  },
};

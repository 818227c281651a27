/** From an admitted request to its action's answer. */
import { randomBytes } from "node:crypto";
import type { Context } from "moleculer";
import type { ActionContract } from "../../lib/declare.ts";
import type { FieldError } from "../../lib/errors.ts";
import type { Headers } from "../../lib/implement.ts";
import { succeed } from "./answers.ts";
import type { Chosen } from "./answers.ts";
import { readBody, streamBody } from "./body.ts";
import { checkKey, versionOf } from "./conditions.ts";
import type { Exchange } from "./exchange.ts";
import { gather } from "./params.ts";
import type { Operation } from "./routes.ts";

const DEVICE_LENGTH = 200;
/**
 * For the body of a request that stands in line, where nobody gets in for as long as it is waited for. Such bodies are
 * tiny, and mostly come together with the head.
 */
const LANE_BODY_MS = 2_000;

/** Calls the action by its name, so that the broker chooses the node, and sends what it answers. */
export async function callAction(exchange: Exchange, operation: Operation, action: string): Promise<void> {
  const { req, res, query } = exchange;
  const ctx: Context<unknown, Chosen> = req.$ctx as Context<unknown, Chosen>;
  if (operation.contract.body) return callWithStream(exchange, operation, action, operation.contract.body);
  // RFC 9110 gives the body of a GET no meaning.
  const bodiless = operation.method === "GET" || operation.contract.addressed;
  const body = bodiless ? undefined : await readBody(req, res, exchange.lane && LANE_BODY_MS);
  const errors: FieldError[] = [];
  const params = gather(operation.form, req.$params.params, query, body, errors);
  const headers = headersOf(exchange, operation, errors);
  if (errors.length > 0) headers.formErrors = errors;
  const data: unknown = await ctx.call(action, params, { headers });
  succeed(exchange, operation, data, ctx.meta);
}

/** The same with a body that goes on to the action as it comes. */
async function callWithStream(
  exchange: Exchange,
  operation: Operation,
  action: string,
  expected: NonNullable<ActionContract["body"]>,
): Promise<void> {
  const { req, query } = exchange;
  const ctx: Context<unknown, Chosen> = req.$ctx as Context<unknown, Chosen>;
  const errors: FieldError[] = [];
  const params = gather(operation.form, req.$params.params, query, undefined, errors);
  const headers = headersOf(exchange, operation, errors);
  if (errors.length > 0) headers.formErrors = errors;
  const body = streamBody(req, expected);
  const data: unknown = await ctx.call(action, params, { headers, stream: body.stream }).then(
    (answer) => {
      body.end();
      return answer;
    },
    (error: unknown) => {
      body.end();
      throw body.refusal() ?? error;
    },
  );
  succeed(exchange, operation, data, ctx.meta);
}

function headersOf(exchange: Exchange, operation: Operation, errors: FieldError[]): Headers {
  const { req, user, passport, path } = exchange;
  const { method, contract } = operation;
  const headers: Headers = { lang: exchange.language, edge: true };
  if (passport !== null) headers.passport = passport;
  const ifMatch = versionOf(req.headers["if-match"]);
  if (ifMatch !== undefined) headers.ifMatch = ifMatch;
  const key = req.headers["idempotency-key"] as string | undefined;
  if (key !== undefined && method === "POST" && user !== null && !contract.secret) {
    checkKey(key, errors);
    headers.idempotency = { key, method, path };
  }
  if (contract.repeatable) headers.mark = randomBytes(9).toString("base64url");
  // Of a change that is recorded, the audit log keeps the address.
  if (contract.client || contract.audit)
    headers.client = {
      address: exchange.address.text,
      device: (req.headers["user-agent"] ?? "").slice(0, DEVICE_LENGTH),
    };
  return headers;
}

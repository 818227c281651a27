/**
 * The params of an action from path, query and body. Path and query are text and are converted by their schema; a value
 * that cannot be is left as it is, so that validation names it. What is wrong with the form itself is collected, since
 * the service refuses it only after it has decided who may.
 */
import { parse } from "node:querystring";
import type { TSchema } from "typebox";
import type { ActionContract } from "../../lib/declare.ts";
import { pathParams, propertiesOf, routeOf } from "../../lib/declare.ts";
import type { FieldError } from "../../lib/errors.ts";

type Convert = (text: string) => unknown;
interface Field {
  convert: Convert;
  /** Takes the values of a parameter that is repeated. */
  many: boolean;
}

export interface Form {
  path: readonly (readonly [name: string, Convert])[];
  query: ReadonlyMap<string, Field>;
}

/** No route has as many, so that beyond them an unknown one has been seen. */
const MAX_QUERY = 100;

export type Place = "path" | "query" | "body";

/**
 * Where a param of an action is given. A DELETE has what it must have in its body (a password does not belong in an
 * address) and what it may have in the query. Beside a body that is a stream all is in the address.
 */
export function placeOf({ rest = "", params, addressed, body }: ActionContract, name: string): Place {
  if (pathParams(rest).includes(name)) return "path";
  const { method } = routeOf(rest);
  if (method === "GET" || addressed || body) return "query";
  if (method !== "DELETE") return "body";
  const { required = [] } = (params ?? {}) as { required?: string[] };
  return required.includes(name) ? "body" : "query";
}

/** What an action takes from path and query. */
export function formOf(contract: ActionContract): Form {
  const properties = propertiesOf(contract.params);
  const fields = Object.entries(properties).map(([name, schema]) => [name, fieldOf(schema)] as const);
  const at = (place: Place) => fields.filter(([name]) => placeOf(contract, name) === place);
  return {
    path: at("path").map(([name, { convert }]) => [name, convert] as const),
    query: new Map(at("query")),
  };
}

/**
 * Puts the params together; `body` is the parsed JSON, undefined without one. What is wrong is added to `errors`.
 */
export function gather(
  form: Form,
  path: Record<string, string>,
  query: string,
  body: unknown,
  errors: FieldError[],
): Record<string, unknown> {
  const params = objectOf(body, errors);
  for (const [name, convert] of form.path) {
    if (Object.hasOwn(params, name)) errors.push({ field: name, code: "UNKNOWN_FIELD" });
    params[name] = convert(path[name] as string);
  }
  if (query) addQuery(form, query, params, errors);
  return params;
}

function objectOf(body: unknown, errors: FieldError[]): Record<string, unknown> {
  if (body === undefined) return {};
  if (typeof body === "object" && body !== null && !Array.isArray(body))
    return body as Record<string, unknown>;
  errors.push({ field: "", code: "WRONG_TYPE", values: { expected: "object" } });
  return {};
}

function addQuery(form: Form, query: string, params: Record<string, unknown>, errors: FieldError[]): void {
  const given = parse(query, undefined, undefined, { maxKeys: MAX_QUERY });
  for (const name of Object.keys(given)) {
    const field = form.query.get(name);
    const value = given[name] as string | string[];
    if (!field) errors.push({ field: name, code: "UNKNOWN_FIELD" });
    else if (Object.hasOwn(params, name) || (Array.isArray(value) && !field.many))
      errors.push({ field: name, code: "DUPLICATE" });
    else params[name] = field.many ? [value].flat().map(field.convert) : field.convert(value as string);
  }
}

interface JsonSchema {
  type?: string;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
}

function fieldOf(schema: TSchema): Field {
  const plain = nonNull(schema);
  const many = plain.type === "array";
  return { many, convert: converterOf((many ? plain.items : plain)?.type) };
}

function nonNull(schema: JsonSchema): JsonSchema {
  return schema.anyOf?.find((each) => each.type !== "null") ?? schema;
}

function converterOf(type: string | undefined): Convert {
  if (type === "integer" || type === "number") return toNumber;
  if (type === "boolean") return toBoolean;
  return asItIs;
}

const asItIs: Convert = (text) => text;
const toNumber: Convert = (text) => (/^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text);
const toBoolean: Convert = (text) => (text === "true" ? true : text === "false" ? false : text);

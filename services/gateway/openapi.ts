/** The OpenAPI 3.1 document of a gateway, from the contracts: their schemas are JSON Schema 2020-12 as they are. */
import type { TSchema } from "typebox";
import type { ActionContract } from "../../lib/declare.ts";
import { isResourceRule, pathParams, propertiesOf, routeOf, statusOf } from "../../lib/declare.ts";
import { VERSION } from "../../lib/version.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import { MAX_BODY } from "./body.ts";
import { COMPONENTS } from "./openapi-components.ts";
import { placeOf } from "./params.ts";
import { refusalsOf, takesKey } from "./refusals.ts";

type Json = Record<string, unknown>;
interface ObjectSchema {
  properties?: Record<string, TSchema>;
  required?: string[];
  anyOf?: ObjectSchema[];
}

/** The document of those routes whose path `serves` says. */
export function openapiOf(contracts: Runtime["contracts"], serves: (path: string) => boolean): Json {
  const routes = [...contracts].filter(([, { rest }]) => rest && serves(routeOf(rest).path));
  const versioned = new Set(
    routes.flatMap(([, contract]) =>
      contract.rest?.startsWith("GET ") && hasVersion(contract) ? pathOf(contract) : [],
    ),
  );
  const paths: Record<string, Json> = {};
  for (const [action, contract] of routes) {
    const path = pathOf(contract);
    const method = routeOf(contract.rest as string).method.toLowerCase();
    (paths[path] ??= {})[method] = operationOf(action, contract, versioned.has(path));
  }
  return {
    openapi: "3.1.0",
    info: {
      title: serves("/admin/") ? "Club Alliance administration API" : "Club Alliance API",
      version: VERSION,
      description:
        "A federation of student clubs. Bodies are JSON in UTF-8; times are RFC 3339 in UTC; ids are UUIDv7. " +
        "Every refusal is a problem document (RFC 9457) whose `code` is stable; `title`, `detail` and `message` " +
        "follow `Accept-Language` (en, zh-CN). Every answer carries `X-Request-Id`.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: [...new Set(routes.map(([action]) => tagOf(action)))].map((name) => ({ name })),
    paths,
    components: COMPONENTS,
  };
}

function operationOf(action: string, contract: ActionContract, versioned: boolean): Json {
  const { rest = "", summary } = contract;
  const { method } = routeOf(rest);
  const changes = method !== "GET" && pathParams(rest).length + Number(versioned) > 0;
  const parameters = [
    ...parametersOf(contract),
    ...(takesKey(contract) ? [ref("parameters", "IdempotencyKey")] : []),
    ...(changes && (versioned || hasVersion(contract)) ? [ref("parameters", "IfMatch")] : []),
    ...(method === "GET" && !contract.secret ? [ref("parameters", "IfNoneMatch")] : []),
  ];
  const body = bodyOf(contract);
  return {
    operationId: action,
    summary: summary?.en,
    "x-summary-zh-CN": summary?.["zh-CN"],
    description: descriptionOf(contract),
    tags: [tagOf(action)],
    security: securityOf(contract),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: body }),
    responses: { ...successesOf(contract), ...problemsOf(contract) },
  };
}

function parametersOf(contract: ActionContract): Json[] {
  const required = requiredOf(contract.params);
  return Object.entries(propertiesOf(contract.params)).flatMap(([name, schema]): Json[] => {
    const place = placeOf(contract, name);
    if (place === "body") return [];
    return [{ name, in: place, required: place === "path" || required.has(name), schema: plain(schema) }];
  });
}

/** The params that are not in path or query; null where there are none. */
function bodyOf(contract: ActionContract): Json | null {
  if (contract.body) {
    const { type, limit } = contract.body;
    return { description: `At most ${limit} bytes.`, required: true, content: { [type]: {} } };
  }
  const names = Object.keys(propertiesOf(contract.params));
  const elsewhere = new Set(names.filter((name) => placeOf(contract, name) !== "body"));
  if (names.length === elsewhere.size) return null;
  const schema = without(contract.params as ObjectSchema, elsewhere);
  return {
    description: `At most ${MAX_BODY} bytes.`,
    required: schema.anyOf !== undefined || requiredOf(schema).size > 0,
    content: { "application/json": { schema: plain(schema) } },
  };
}

function without(schema: ObjectSchema, names: ReadonlySet<string>): ObjectSchema {
  if (schema.anyOf) return { ...schema, anyOf: schema.anyOf.map((each) => without(each, names)) };
  const properties = Object.entries(schema.properties ?? {}).filter(([name]) => !names.has(name));
  const required = (schema.required ?? []).filter((name) => !names.has(name));
  return { ...schema, properties: Object.fromEntries(properties), required };
}

function requiredOf(schema: ObjectSchema | undefined): Set<string> {
  if (!schema?.anyOf) return new Set(schema?.required);
  const [first = new Set<string>(), ...others] = schema.anyOf.map(requiredOf);
  return new Set([...first].filter((name) => others.every((each) => each.has(name))));
}

function successesOf(contract: ActionContract): Json {
  const statuses = contract.status === undefined ? [statusOf(contract)] : [contract.status].flat();
  const { returns, produces = "application/json", secret } = contract;
  const content = returns && { [produces]: { schema: plain(returns) } };
  return Object.fromEntries(
    statuses.map((status) => [
      String(status),
      {
        description: DESCRIPTIONS[status] ?? "Done.",
        headers: {
          "X-Request-Id": ref("headers", "RequestId"),
          ...(status === 200 && content && !secret && { ETag: ref("headers", "ETag") }),
        },
        ...(content && status !== 204 && { content }),
      },
    ]),
  );
}

const DESCRIPTIONS: Record<number, string> = {
  200: "The result.",
  201: "Created.",
  202: "Accepted: the rest follows.",
  204: "Done; there is nothing to say.",
};

/** Each status with its codes; the words that all share are in the components. */
function problemsOf(contract: ActionContract): Json {
  const entries = [...refusalsOf(contract)].map(([status, codes]) => [
    String(status),
    {
      description: `Problem: ${codes.map((code) => `\`${code}\``).join(", ")}.`,
      headers: {
        "X-Request-Id": ref("headers", "RequestId"),
        ...(status === 429 && { "RateLimit-Reset": ref("headers", "RateLimitReset") }),
        ...((status === 429 || status === 503) && { "Retry-After": ref("headers", "RetryAfter") }),
        ...(status === 401 && { "WWW-Authenticate": ref("headers", "WwwAuthenticate") }),
      },
      content: {
        "application/problem+json": {
          schema: { allOf: [ref("schemas", "Problem"), { properties: { code: { enum: codes } } }] },
        },
      },
    },
  ]);
  return Object.fromEntries(entries);
}

function securityOf({ access }: ActionContract): Json[] {
  if (access === "any") return [{}, { bearer: [] }];
  return isResourceRule(access) && access.anonymous ? [{}, { bearer: [] }] : [{ bearer: [] }];
}

function descriptionOf({ access, authLimit, priority = "normal", secret }: ActionContract): string {
  const lines = [`Who: ${whoOf(access)}.`];
  lines.push(
    authLimit
      ? "Limit: by address, that of sign-ins (`RATE_LIMIT_AUTH`)."
      : "Limit: by user, without a token by address.",
  );
  lines.push(`Under overload: priority ${priority}.`);
  if (secret) lines.push("The answer carries a secret: it is not stored, and `Idempotency-Key` is ignored.");
  return lines.join(" ");
}

function whoOf(access: ActionContract["access"]): string {
  if (access === "any") return "anyone";
  if (access === "user") return "whoever is signed in";
  if (access === "administrator") return "an administrator, in a session of the admin gateway";
  if (!isResourceRule(access))
    return [access]
      .flat()
      .map((role) => `the role ${role}`)
      .join(" or ");
  const { param: _param, or, anonymous, ...rule } = access;
  const relation = Object.entries(rule).map(([kind, name]) => `${name} of the ${kind}`);
  const roles = [or ?? []].flat().map((role) => `the role ${role}`);
  return [...relation, ...roles].join(" or ") + (anonymous ? ", also without a token" : "");
}

function hasVersion({ returns }: ActionContract): boolean {
  return propertiesOf(returns)["version"] !== undefined;
}

function pathOf({ rest = "" }: ActionContract): string {
  return routeOf(rest).path.replaceAll(/:(\w+)/g, "{$1}");
}

function tagOf(action: string): string {
  return action.slice(0, action.indexOf("."));
}

function ref(kind: keyof typeof COMPONENTS, name: string): Json {
  return { $ref: `#/components/${kind}/${name}` };
}

/** Plain JSON, without what only this project's validation reads. */
function plain(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema, (key, value: unknown) => (key === "x-text" ? undefined : value)));
}

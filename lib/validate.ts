/** Strict validation of params by their TypeBox schema: text is normalized first, every wrong field is named. */
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { Settings } from "typebox/system";
import { AppError } from "./errors.ts";
import type { FieldCode, FieldError } from "./errors.ts";

// A form with many wrong fields gets one entry for each (the default stops at 8).
Settings.Set({ maxErrors: 200 });
/** Unknown fields that are named where there are too many for anything else. */
const MAX_UNKNOWN = 20;

type Json = Record<string, unknown>;
type JsonSchema = {
  type?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  patternProperties?: Record<string, JsonSchema>;
  additionalProperties?: boolean | JsonSchema;
  default?: unknown;
  "x-text"?: "line" | "block";
};

/** Checks params: returns them normalized, with defaults; throws a 422 that names each wrong field. */
export type Check = (params: unknown, known?: FieldError[]) => Record<string, unknown>;

const CONTROL = { line: /[\p{Cc}\u2028\u2029]/u, block: /[^\P{Cc}\n\t]/u };

/** Closes every object of a schema that does not say otherwise: unknown fields are refused. */
export function closed<S extends TSchema>(schema: S): S {
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk);
    if (!node || typeof node !== "object") return node;
    const copy: Json = {};
    for (const [key, value] of Object.entries(node)) copy[key] = walk(value);
    if (copy["type"] === "object" && copy["properties"] && copy["additionalProperties"] === undefined)
      copy["additionalProperties"] = false;
    return copy;
  };
  // The copy has the same shape but for the closing; TypeBox's types cannot say so.
  return walk(schema) as S;
}

/** Compiles a schema into its check. `known` are errors that the gateway found while it put the params together. */
export function compileCheck(schema: TSchema): Check {
  const shape = JSON.parse(JSON.stringify(closed(schema))) as JsonSchema;
  const validator = Compile(shape as TSchema);
  const normalize = normalizer(shape);
  const defaults = Object.entries(shape.properties ?? {}).filter(
    ([, property]) => property.default !== undefined,
  );
  return (params, known = []) => {
    // A body that is no object has no fields to say more about.
    if (known.some(({ field }) => field === "")) throw new AppError("VALIDATION_FAILED", { errors: known });
    const bad: FieldError[] = [...known];
    const value = (normalize ? normalize(params ?? {}, "", bad) : (params ?? {})) as Json;
    if (!validator.Check(value)) bad.push(...reasons(validator.Errors(value), value, shape));
    if (bad.length > 0) throw new AppError("VALIDATION_FAILED", { errors: once(bad) });
    for (const [name, property] of defaults) if (value[name] === undefined) value[name] = property.default;
    return value;
  };
}

type Normalize = (value: unknown, path: string, bad: FieldError[]) => unknown;

/** Builds the walk to the text fields of a schema; null where there are none. Values are copied, never changed. */
function normalizer(schema: JsonSchema): Normalize | null {
  const mode = schema["x-text"];
  if (mode)
    return (value, path, bad) => (typeof value === "string" ? cleanText(value, mode, path, bad) : value);
  if (schema.anyOf) return firstOf(schema.anyOf.map(normalizer));
  if (schema.items) {
    const each = normalizer(schema.items);
    return (
      each &&
      ((value, path, bad) =>
        Array.isArray(value) ? value.map((item, i) => each(item, `${path}[${i}]`, bad)) : value)
    );
  }
  if (schema.type !== "object") return null;
  const own = Object.entries(schema.properties ?? {}).map(
    ([name, property]) => [name, normalizer(property)] as const,
  );
  const pattern = firstOf(Object.values(schema.patternProperties ?? {}).map(normalizer));
  return (value, path, bad) => {
    if (!value || typeof value !== "object" || Array.isArray(value)) return value;
    const copy: Json = { ...value };
    for (const [name, each] of own)
      if (each && copy[name] !== undefined) copy[name] = each(copy[name], join(path, name), bad);
    if (pattern)
      for (const name of Object.keys(copy)) copy[name] = pattern(copy[name], join(path, name), bad);
    return copy;
  };
}

function firstOf(all: (Normalize | null)[]): Normalize | null {
  return all.find((each) => each !== null) ?? null;
}

function cleanText(text: string, mode: "line" | "block", path: string, bad: FieldError[]): string {
  const clean = (mode === "block" ? text.replaceAll("\r\n", "\n") : text).normalize("NFC").trim();
  // Half a surrogate pair is no character and could not be stored.
  if (CONTROL[mode].test(clean) || !clean.isWellFormed())
    bad.push({ field: path, code: "INVALID_CHARACTERS" });
  return clean;
}

const join = (path: string, name: string): string => (path ? `${path}.${name}` : name);

interface RawError {
  keyword: string;
  instancePath: string;
  params: object;
}

const CODES: Record<string, FieldCode> = {
  required: "REQUIRED",
  additionalProperties: "UNKNOWN_FIELD",
  type: "WRONG_TYPE",
  minLength: "TOO_SHORT",
  maxLength: "TOO_LONG",
  minItems: "TOO_FEW",
  maxItems: "TOO_MANY",
  maxProperties: "TOO_MANY",
  minimum: "TOO_SMALL",
  exclusiveMinimum: "TOO_SMALL",
  maximum: "TOO_LARGE",
  enum: "NOT_ALLOWED",
  const: "NOT_ALLOWED",
  pattern: "INVALID_FORMAT",
  format: "INVALID_FORMAT",
  uniqueItems: "DUPLICATE",
};

/**
 * Why a value does not fit: one reason at least. Of many unknown fields TypeBox tells as many times that they are there,
 * and its list ends before it names one of them, or anything else.
 */
function reasons(raw: RawError[], value: Json, { properties = {} }: JsonSchema): FieldError[] {
  const named = fieldErrors(raw, value);
  if (named.length > 0) return named;
  const unknown = Object.keys(value)
    .filter((name) => !Object.hasOwn(properties, name))
    .slice(0, MAX_UNKNOWN);
  if (unknown.length === 0) return [{ field: "", code: "INVALID" }];
  return unknown.map((field) => ({ field, code: "UNKNOWN_FIELD" }));
}

function fieldErrors(raw: RawError[], value: unknown): FieldError[] {
  // A failed union reports each branch; `null` beside a real schema is not what the sender meant, unless all is of a wrong type.
  const inUnion = raw.filter((error) => error.keyword === "anyOf").map((error) => error.instancePath);
  return raw.flatMap((error): FieldError[] => {
    if (error.keyword === "boolean" || error.keyword === "anyOf") return [];
    const params = error.params as Record<string, unknown>;
    const field = fieldOf(error.instancePath);
    const union = inUnion.includes(error.instancePath);
    if (union && error.keyword === "type" && params["type"] === "null") return [];
    const names = (params["requiredProperties"] ?? params["additionalProperties"]) as string[] | undefined;
    if (names)
      return names.map((name) => ({ field: join(field, name), code: CODES[error.keyword] ?? "INVALID" }));
    const code = CODES[error.keyword] ?? "INVALID";
    return [{ field, code: value === undefined ? "REQUIRED" : code, values: wordsOf(params) }];
  });
}

function wordsOf(params: Record<string, unknown>): Record<string, string | number> {
  const values: Record<string, string | number> = {};
  if (typeof params["limit"] === "number") values["limit"] = params["limit"];
  if (typeof params["type"] === "string") values["expected"] = params["type"];
  if (Array.isArray(params["allowedValues"])) values["allowed"] = params["allowedValues"].join(", ");
  return values;
}

/** `/questions/0/label` → `questions[0].label` */
function fieldOf(pointer: string): string {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : join(path, part)), "");
}

function once(errors: FieldError[]): FieldError[] {
  const seen = new Set<string>();
  return errors.filter(({ field }) => !seen.has(field) && seen.add(field));
}

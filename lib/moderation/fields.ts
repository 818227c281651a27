/** Where params have text that people write: by their schema, and in what came. */
import type { TSchema } from "typebox";
import type { WordFilter } from "./filter.ts";

interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  patternProperties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  pattern?: string;
  "x-text"?: string;
}

export interface TextField {
  /** `a`, `a.b`, `list[]`, `list[].b`, `record.*` */
  path: string;
  /** It has a form of its own, so that nothing in it can be masked. */
  formed: boolean;
}

/** Every param that is text which people write. */
export function textFields(schema: TSchema | undefined): TextField[] {
  const found = new Map<string, TextField>();
  walk(schema ?? {}, "", found);
  return [...found.values()];
}

function walk(schema: JsonSchema, path: string, found: Map<string, TextField>): void {
  const below = (name: string): string => (path ? `${path}.${name}` : name);
  if (schema["x-text"]) found.set(path, { path, formed: schema.pattern !== undefined });
  for (const each of schema.anyOf ?? []) walk(each, path, found);
  for (const [name, each] of Object.entries(schema.properties ?? {})) walk(each, below(name), found);
  for (const each of Object.values(schema.patternProperties ?? {})) walk(each, below("*"), found);
  if (schema.items) walk(schema.items, `${path}[]`, found);
}

/** A text of params, and what puts another in its place. */
export interface Written {
  /** As errors name it: `questions[1].label`. */
  field: string;
  text: string;
  replace: (text: string) => void;
}

/** The texts of params at a path; those that are not there are left out. */
export function textsAt(params: unknown, path: string): Written[] {
  const steps = path.match(/\[\]|[^.[\]]+/g) ?? [];
  let reached: Place[] = [{ field: "", value: params, replace: () => undefined }];
  for (const step of steps) reached = reached.flatMap((place) => placesIn(place, step));
  return reached.flatMap(({ field, value, replace }) =>
    typeof value === "string" ? [{ field, text: value, replace }] : [],
  );
}

interface Place {
  field: string;
  value: unknown;
  replace: (text: string) => void;
}

function placesIn({ field, value }: Place, step: string): Place[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value) !== (step === "[]")) return [];
  const holder = value as Record<string, unknown>;
  const keys =
    step === "[]" || step === "*" ? Object.keys(holder) : Object.hasOwn(holder, step) ? [step] : [];
  return keys.map((key) => ({
    field: step === "[]" ? `${field}[${key}]` : field ? `${field}.${key}` : key,
    value: holder[key],
    replace(text) {
      holder[key] = text;
    },
  }));
}

/** What the words of a list say of the texts of an action. */
export interface Finding {
  refused: string[];
  held: string[];
  masked: { field: string; path: string; text: string }[];
}

/** Looks at the texts of params at these paths. */
export function lookThrough(filter: WordFilter, params: unknown, fields: readonly TextField[]): Finding {
  const finding: Finding = { refused: [], held: [], masked: [] };
  for (const { path, formed } of fields)
    for (const { field, text } of textsAt(params, path)) {
      const { action, masked } = filter.check(text);
      if (action === "block" || (formed && masked !== text)) finding.refused.push(field);
      else if (action === "hold") finding.held.push(field);
      if (masked !== text) finding.masked.push({ field, path, text: masked });
    }
  return finding;
}

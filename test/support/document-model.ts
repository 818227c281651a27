/** A plain model of what MongoDB does with a collection of small documents, to compare engines with. */
import type { Query, Update } from "../../lib/documents.ts";

export interface Doc {
  _id: string;
  owner?: string | null;
  slot?: number;
  n?: number | null;
  tags?: string[];
  inner?: { x?: number | null };
}

/** The model has the unique one by hand. */
export const INDEXES = [{ fields: ["owner", "slot"], unique: true }, { fields: ["n"] }, { fields: ["tags"] }];
const at = (doc: object, path: string): unknown =>
  path.split(".").reduce<unknown>((value, name) => Reflect.get(Object(value ?? {}), name), doc);
const orNull = (value: unknown) => (value === undefined ? null : value);

/** Below, at or above 0; NaN, which is none of them, where the types differ. */
function difference(a: unknown, b: unknown): number {
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : Number(a > b);
  return typeof a === "number" && typeof b === "number" ? a - b : Number.NaN;
}

function holds(value: unknown, condition: unknown): boolean {
  const equals = (wanted: unknown) =>
    Array.isArray(value) ? value.includes(wanted) : orNull(value) === wanted;
  if (typeof condition !== "object" || condition === null) return equals(condition);
  return Object.entries(condition).every(([operator, operand]) => {
    const order = difference(value, operand);
    switch (operator) {
      case "$in":
        return operand.some(equals);
      case "$nin":
        return !operand.some(equals);
      case "$ne":
        return !equals(operand);
      case "$exists":
        return (value !== undefined) === operand;
      case "$lt":
        return order < 0;
      case "$lte":
        return order <= 0;
      case "$gt":
        return order > 0;
      case "$gte":
        return order >= 0;
      default:
        throw new Error(operator);
    }
  });
}

function matches(doc: Doc, query: Query<Doc>): boolean {
  const { $and = [], $or, ...fields } = query;
  return (
    $and.every((each) => matches(doc, each)) &&
    (!$or || $or.some((each) => matches(doc, each))) &&
    Object.entries(fields).every(([path, condition]) => holds(at(doc, path), condition))
  );
}

function put(doc: object, path: string, value: unknown): void {
  const [first = "", second] = path.split(".");
  if (second === undefined) Reflect.set(doc, first, value);
  else Reflect.set(doc, first, { ...Object(at(doc, first) ?? {}), [second]: value });
}

function added(operand: unknown): unknown[] {
  const each = at(Object(operand), "$each");
  return Array.isArray(each) ? each : [operand];
}

function changed(doc: Doc, update: Update<Doc>): Doc {
  const result = structuredClone(doc);
  const list = (path: string): unknown[] => Array.from(Object(at(result, path) ?? []));
  for (const [operator, fields] of Object.entries(update)) {
    for (const [path, operand] of Object.entries(Object(fields))) {
      if (operator === "$set") put(result, path, operand);
      if (operator === "$inc") put(result, path, Number(at(result, path) ?? 0) + Number(operand));
      if (operator === "$push") put(result, path, [...list(path), ...added(operand)]);
      if (operator === "$addToSet") {
        const known = list(path);
        put(result, path, [...known, ...new Set(added(operand).filter((each) => !known.includes(each)))]);
      }
      if (operator === "$pull" && at(result, path))
        put(
          result,
          path,
          list(path).filter((each) => !holds(each, operand)),
        );
      if (operator === "$unset") {
        const [first = "", second] = path.split(".");
        if (second === undefined) Reflect.deleteProperty(result, first);
        else if (result.inner) Reflect.deleteProperty(result.inner, second);
      }
    }
  }
  return result;
}

/** The documents by id, with the unique index by hand. */
export class Model {
  docs = new Map<string, Doc>();

  isFree(docs: Iterable<Doc>): boolean {
    const keys = [...docs].map((doc) => JSON.stringify([orNull(doc.owner), orNull(doc.slot)]));
    return new Set(keys).size === keys.length;
  }
  insert(doc: Doc): boolean {
    if (this.docs.has(doc._id) || !this.isFree([...this.docs.values(), doc])) return false;
    this.docs.set(doc._id, doc);
    return true;
  }
  find(query: Query<Doc>): Doc[] {
    return [...this.docs.values()].filter((doc) => matches(doc, query));
  }
  /** How many changed, or "duplicate". */
  update(query: Query<Doc>, update: Update<Doc>): number | "duplicate" {
    const next = new Map(this.docs);
    let modified = 0;
    for (const doc of this.find(query)) {
      const after = changed(doc, update);
      if (JSON.stringify(after) !== JSON.stringify(doc)) modified++;
      next.set(doc._id, after);
    }
    if (!this.isFree(next.values())) return "duplicate";
    this.docs = next;
    return modified;
  }
  /** Of a document by its id and n; how many changed or were made. */
  upsert(query: { _id: string; n: Query<Doc>["n"] }, update: Update<Doc>): number {
    if (this.docs.has(query._id)) return Number(this.update(query, update)) || 0;
    const { _id, n } = query;
    return Number(this.insert(changed(typeof n === "object" && n ? { _id } : { _id, n }, update)));
  }
}

/** Ascending by n, descending by owner, ascending by id, as MongoDB orders: null and missing first. */
export function order(a: Doc, b: Doc): number {
  const n = (doc: Doc) => doc.n ?? -1;
  const name = (doc: Doc) => doc.owner ?? "";
  return n(a) - n(b) || (name(b) > name(a) ? 1 : name(b) < name(a) ? -1 : 0) || (a._id < b._id ? -1 : 1);
}

/**
 * What MongoDB's queries and updates mean, for the embedded store: NeDB differs in null and missing fields, in
 * negations over lists, and in what updates do to fields that are not there. Only what is listed in documents.ts.
 */
export type Fields = Record<string, unknown>;
type Scalar = string | number | boolean | null;

const RANGES = new Set(["$lt", "$lte", "$gt", "$gte"]);

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function entries(value: object): [string, unknown][] {
  return Object.entries(value);
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

/** A deep copy of a JSON value. */
export function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/**
 * A deep copy of a JSON value without undefined fields. Anything that JSON would turn into something else (Date, Map,
 * NaN…) is refused, and so are names that a query could not reach.
 */
export function plain<T>(value: T): T {
  const result: T = JSON.parse(JSON.stringify(value, checked));
  return result;
}

function checked(this: Fields, key: string, value: unknown): unknown {
  const original = this[key]; // before toJSON
  if (key.startsWith("$") || key.includes(".") || key === "__proto__") {
    throw new TypeError(`A field cannot be named "${key}".`);
  }
  const allowed =
    typeof original === "object"
      ? original === null ||
        ["[object Object]", "[object Array]"].includes(Object.prototype.toString.call(original))
      : typeof original === "number"
        ? Number.isFinite(original)
        : ["string", "boolean", "undefined"].includes(typeof original);
  if (!allowed) throw new TypeError(`"${key}" is not JSON: keep a time as milliseconds, a set as a list.`);
  return value;
}

/** The value at a dotted path, undefined where there is none; paths do not go through lists. */
export function valueAt(doc: object, path: string): unknown {
  let value: unknown = doc;
  for (const name of path.split(".")) {
    if (!isFields(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function rank(value: unknown): number {
  return ["number", "string", "boolean"].indexOf(typeof value);
}

/** MongoDB's order of scalars: null and missing, numbers, strings, booleans. */
function compare(a: unknown, b: unknown): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (!isScalar(a) || !isScalar(b) || a === null || b === null || a === b) return 0;
  return a < b ? -1 : 1;
}

/** Compares documents by several fields, the first one first; 1 is ascending, -1 descending. */
export function comparator(sort: object): (a: object, b: object) => number {
  const keys: [string, number][] = Object.entries(sort);
  return (a, b) => {
    for (const [path, direction] of keys) {
      const order = compare(valueAt(a, path), valueAt(b, path));
      if (order !== 0) return order * direction;
    }
    return 0;
  };
}

/**
 * NeDB's query for a MongoDB query. NeDB looks into its indexes for what stands at the top as equality, `$in` or range,
 * so that stays there. Refuses what a domain must not use, above all undefined, which would match too much or nothing.
 */
export function nedbQuery(query: object): Fields {
  const parts = entries(query).flatMap(([key, condition]) => {
    if (key === "$and") return [{ $and: alternatives(key, condition) }];
    return key === "$or" ? [{ $or: alternatives(key, condition) }] : conditions(key, condition);
  });
  const top: Fields = {};
  const rest: Fields[] = [];
  for (const part of parts) {
    if (Object.keys(part).some((name) => name === "$and" || Object.hasOwn(top, name))) rest.push(part);
    else Object.assign(top, part);
  }
  return rest.length === 0 ? top : { ...top, $and: rest };
}

function alternatives(operator: string, queries: unknown): Fields[] {
  if (!Array.isArray(queries) || queries.length === 0)
    throw new TypeError(`${operator} takes a list of queries.`);
  return queries.map((each: object) => nedbQuery(each));
}

/** What one field's condition asks, in parts that must all hold. */
function conditions(field: string, condition: unknown): Fields[] {
  if (field.startsWith("$")) throw new TypeError(`A query cannot use ${field}.`);
  if (!isFields(condition)) return [equal(field, [condition])];
  const operators = Object.entries(condition);
  if (operators.length === 0) throw new TypeError(`The query says nothing about "${field}".`);
  const ranges = operators.filter(([operator]) => RANGES.has(operator));
  for (const [operator, bound] of ranges) {
    if (typeof bound !== "string" && typeof bound !== "number") {
      throw new TypeError(`${operator} of "${field}" takes a string or a number.`);
    }
  }
  const parts = operators
    .filter(([operator]) => !RANGES.has(operator))
    .map((each) => operation(field, ...each));
  return ranges.length === 0 ? parts : [{ [field]: Object.fromEntries(ranges) }, ...parts];
}

function operation(field: string, operator: string, value: unknown): Fields {
  switch (operator) {
    case "$in":
      return equal(field, value);
    case "$nin":
      return { $not: equal(field, value) };
    case "$ne":
      return { $not: equal(field, [value]) };
    case "$exists":
      return value === true ? { $not: { [field]: { $exists: false } } } : { [field]: { $exists: false } };
    default:
      throw new TypeError(`The query of "${field}" cannot use ${operator}.`);
  }
}

/** The field, or an element where it is a list, is one of the values; null is also a field that is not there. */
function equal(field: string, values: unknown): Fields {
  if (!Array.isArray(values) || !values.every(isScalar)) {
    throw new TypeError(
      `The query compares "${field}" with something other than string, number, boolean or null.`,
    );
  }
  const [first] = values;
  if (values.length === 1 && first !== null) return { [field]: first };
  const solid = { [field]: { $in: values.filter((value) => value !== null) } };
  return values.includes(null) ? { $or: [solid, { [field]: null }, { [field]: { $exists: false } }] } : solid;
}

/** The fields that an upsert takes over from its query: what the query demands to be equal. */
export function equalities(query: object): Fields {
  const doc: Fields = {};
  for (const [key, condition] of entries(query)) {
    if (key === "$and" && Array.isArray(condition))
      for (const each of condition) Object.assign(doc, equalities(each));
    else if (isScalar(condition)) setAt(doc, key, condition);
  }
  return doc;
}

/**
 * The function that a MongoDB update is: takes a document, returns the changed copy. The update is copied first.
 * @throws TypeError at once for an update that MongoDB would refuse whatever the document, later for one that does not
 *   fit the document
 */
export function updater(update: object): <D extends object>(doc: D) => D {
  const steps = Object.entries(update).flatMap(([operator, fields]: [string, object]) => {
    const prepare = OPERATORS[operator];
    if (!prepare) throw new TypeError(`An update cannot use "${operator}".`);
    const given = entries(fields).filter(([, value]) => value !== undefined);
    return given.map(([path, value]) => ({ path, apply: prepare(value) }));
  });
  checkPaths(steps.map(({ path }) => path));
  return (doc) => {
    const changed = copy(doc);
    for (const { path, apply } of steps) apply(changed, path);
    return changed;
  };
}

function checkPaths(paths: string[]): void {
  for (const path of paths) {
    const names = path.split(".");
    if (
      names[0] === "_id" ||
      names.some((name) => name === "" || name === "__proto__" || name.startsWith("$"))
    ) {
      throw new TypeError(`An update cannot change "${path}".`);
    }
    if (paths.filter((other) => other === path || other.startsWith(`${path}.`)).length > 1) {
      throw new TypeError(`The update changes "${path}" twice.`);
    }
  }
}

type Apply = (doc: object, path: string) => void;

const OPERATORS: Record<string, (operand: unknown) => Apply> = {
  $set: (operand) => {
    const value = plain(operand);
    return (doc, path) => setAt(doc, path, value);
  },
  $unset: () => (doc, path) => {
    const { parent, name } = locate(doc, path, false);
    if (parent) delete parent[name];
  },
  $inc: (operand) => {
    if (typeof operand !== "number") throw new TypeError("$inc takes a number.");
    return (doc, path) => {
      const before = valueOr(doc, path, 0);
      if (typeof before !== "number") throw new TypeError(`"${path}" is not a number.`);
      setAt(doc, path, plain(before + operand));
    };
  },
  $push: (operand) => {
    const added = elements(operand);
    return (doc, path) => setAt(doc, path, [...listAt(doc, path), ...added]);
  },
  $addToSet: (operand) => {
    const added = elements(operand);
    return (doc, path) => {
      const list = listAt(doc, path);
      const known = new Set(list.map((each) => JSON.stringify(each)));
      setAt(doc, path, [
        ...list,
        ...added.filter((each) => known.size < known.add(JSON.stringify(each)).size),
      ]);
    };
  },
  $pull: (operand) => {
    const pulled = elementTest(operand);
    return (doc, path) => {
      if (valueAt(doc, path) !== undefined)
        setAt(
          doc,
          path,
          listAt(doc, path).filter((each) => !pulled(each)),
        );
    };
  },
};

/** `{ $each: [...] }` or one element. */
function elements(operand: unknown): unknown[] {
  if (!isFields(operand) || !("$each" in operand)) return [plain(operand)];
  if (!Array.isArray(operand.$each)) throw new TypeError("$each takes a list.");
  return plain(operand.$each as unknown[]);
}

/** What `$pull` removes: one value, any of `{ $in: [...] }`, or objects with the fields given. */
function elementTest(operand: unknown): (element: unknown) => boolean {
  if (isScalar(operand)) return (element) => element === operand;
  if (isFields(operand) && Array.isArray(operand.$in)) {
    const values = plain(operand.$in as unknown[]);
    return (element) => values.includes(element);
  }
  const fields = Object.entries(isFields(operand) ? plain(operand) : {});
  if (fields.length === 0 || !fields.every(([, value]) => isScalar(value))) {
    throw new TypeError("$pull takes a value, { $in: [...] } or an object of values.");
  }
  return (element) => isFields(element) && fields.every(([name, value]) => (element[name] ?? null) === value);
}

/** The value at the path, or `fallback` where it is missing; null is a value. */
function valueOr(doc: object, path: string, fallback: unknown): unknown {
  const value = valueAt(doc, path);
  return value === undefined ? fallback : value;
}

function listAt(doc: object, path: string): unknown[] {
  const list = valueOr(doc, path, []);
  if (!Array.isArray(list)) throw new TypeError(`"${path}" is not a list.`);
  return list;
}

function setAt(doc: object, path: string, value: unknown): void {
  const { parent, name } = locate(doc, path, true);
  if (!parent) throw new TypeError(`"${path}" leads through something that is not an object.`);
  parent[name] = value;
}

/** The object that has the last name of a path; null where the path ends before, unless `make` adds what is missing. */
function locate(doc: object, path: string, make: boolean): { parent: Fields | null; name: string } {
  const names = path.split(".");
  const name = names.pop() ?? path;
  if (!isFields(doc)) return { parent: null, name };
  let parent = doc;
  for (const each of names) {
    if (make && !Object.hasOwn(parent, each)) parent[each] = {};
    const next = valueAt(parent, each);
    if (!isFields(next)) return { parent: null, name };
    parent = next;
  }
  return { parent, name };
}

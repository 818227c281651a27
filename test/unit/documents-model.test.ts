/** Random operations on the document store against a plain model of what MongoDB does. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { DuplicateKeyError } from "../../lib/documents.ts";
import type { Query, Update } from "../../lib/documents.ts";
import { engine } from "../support/document-engine.ts";
import { INDEXES, Model, order } from "../support/document-model.ts";
import type { Doc } from "../support/document-model.ts";

const OPERATORS = ["$in", "$nin", "$ne", "$exists", "$lt", "$lte", "$gt", "$gte"] as const;

const id = fc.constantFrom("a", "b", "c", "d", "e", "f");
const owner = fc.constantFrom("kim", "lee", null);
const number = fc.integer({ min: 0, max: 4 });
const tag = fc.constantFrom("x", "y", "z");
const slot = fc.integer({ min: 0, max: 12 });
const numberOrNull = fc.option(number);

const document: fc.Arbitrary<Doc> = fc.record(
  {
    _id: id,
    owner,
    slot,
    n: numberOrNull,
    tags: fc.array(tag, { maxLength: 3 }),
    inner: fc.record({ x: numberOrNull }, { requiredKeys: [] }),
  },
  { requiredKeys: ["_id"] },
);

function condition<T>(value: fc.Arbitrary<T>, ranges: boolean) {
  const operators = OPERATORS.filter((operator) => ranges || !/^\$[lg]t/.test(operator));
  const operand = (operator: string): fc.Arbitrary<unknown> => {
    if (operator === "$exists") return fc.boolean();
    if (operator === "$in" || operator === "$nin") return fc.array(fc.option(value), { maxLength: 3 });
    return operator === "$ne" ? fc.option(value) : value;
  };
  const one = fc
    .constantFrom(...operators)
    .chain((name) => operand(name).map((value) => ({ [name]: value })));
  const two = fc.tuple(one, one).map(([a, b]) => ({ ...a, ...b }));
  return fc.oneof(fc.option(value), one, two);
}

const CONDITIONS: Record<string, fc.Arbitrary<unknown>> = {
  _id: condition(id, true),
  owner: condition(fc.constantFrom("kim", "lee"), false),
  n: condition(number, true),
  tags: condition(tag, false),
  "inner.x": condition(number, true),
};
/** Few conditions, so that queries find something. */
const fields: fc.Arbitrary<Query<Doc>> = fc
  .subarray(Object.entries(CONDITIONS), { maxLength: 2 })
  .chain((some) => fc.record(Object.fromEntries(some)))
  .map((each): Query<Doc> => JSON.parse(JSON.stringify(each)));
const query: fc.Arbitrary<Query<Doc>> = fc.oneof(
  fields,
  fc.record(
    { $or: fc.array(fields, { minLength: 1, maxLength: 2 }), n: condition(number, true) },
    { requiredKeys: ["$or"] },
  ),
  fc.record(
    { $and: fc.array(fields, { minLength: 1, maxLength: 2 }), tags: condition(tag, false) },
    { requiredKeys: ["$and"] },
  ),
);

const oneUpdate: fc.Arbitrary<Update<Doc>> = fc.oneof(
  fc.record({ $set: fc.record({ owner, n: number, "inner.x": numberOrNull }, { requiredKeys: [] }) }),
  fc.record({ $set: fc.record({ slot }), $push: fc.record({ tags: tag }) }),
  fc.record({
    $unset: fc.constantFrom<Update<Doc>["$unset"]>(
      { n: true },
      { owner: true },
      { "inner.x": true },
      { tags: true },
    ),
  }),
  fc.record({ $inc: fc.record({ "counts.seen": number }) }),
  fc.record({ $push: fc.record({ tags: fc.record({ $each: fc.array(tag, { maxLength: 2 }) }) }) }),
  fc.record({
    $addToSet: fc.record({ tags: fc.oneof(tag, fc.record({ $each: fc.array(tag, { maxLength: 3 }) })) }),
  }),
  fc.record({
    $pull: fc.record({ tags: fc.oneof(tag, fc.record({ $in: fc.array(tag, { maxLength: 2 }) })) }),
  }),
);

const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("insert" as const),
      docs: fc.array(document, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("updateOne" as const), id, fields, update: oneUpdate }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("upsert" as const), id, floor: number, to: number }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("upsertMany" as const),
      changes: fc.array(
        fc.record({
          query: fc.record({ _id: id, n: fc.oneof(numberOrNull, fc.record({ $lt: number })) }),
          update: oneUpdate,
        }),
        { maxLength: 6 },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("updateMany" as const), query, update: oneUpdate }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), query }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("find" as const),
      query,
      limit: fc.integer({ min: 1, max: 6 }),
      skip: fc.integer({ min: 0, max: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);

/** On MongoDB what documents take from each other has no order, so there they take nothing. */
function withOwnSlot<C extends { query: { _id: string }; update: Update<Doc> }>(change: C): C {
  const slot = 200 + change.query._id.charCodeAt(0);
  return { ...change, update: { ...change.update, $set: { ...change.update.$set, slot } } };
}

const byId = (docs: Doc[]) => docs.toSorted((a, b) => (a._id < b._id ? -1 : 1));
const refused = (error: unknown) => {
  if (error instanceof DuplicateKeyError) return "duplicate" as const;
  throw error;
};

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "documents-"));
});
afterEach(() => rm(directory, { recursive: true }));

test("does what the model does, and still after reopening", async () => {
  let run = 0;
  const property = fc.asyncProperty(
    fc.array(operation, { minLength: 5, maxLength: 40 }),
    async (operations) => {
      const file = join(directory, `${run++}.sqlite`);
      const model = new Model();
      let store = await engine.current.open(file);
      let docs = await store.collection<Doc>("docs", { indexes: INDEXES });
      for (const step of operations) {
        switch (step.kind) {
          case "insert":
            expect(await docs.insertMany(step.docs)).toBe(
              step.docs.filter((doc) => model.insert(doc)).length,
            );
            break;
          case "updateOne": {
            const wanted = { $and: [{ _id: step.id }, step.fields] };
            const matched = model.find(wanted).length;
            const expected = model.update(wanted, step.update);
            const result = await docs.updateOne(wanted, step.update).catch(refused);
            expect(result).toEqual(expected === "duplicate" ? expected : { matched, modified: expected });
            break;
          }
          case "upsert": {
            const wanted: Query<Doc> = { _id: step.id, slot: 100 + step.to, n: { $lt: step.floor } };
            const update: Update<Doc> = { $set: { n: step.to } };
            const matched = model.find(wanted).length;
            const modified =
              matched > 0
                ? model.update(wanted, update)
                : Number(model.insert({ _id: step.id, slot: 100 + step.to, n: step.to }));
            expect(await docs.updateOne(wanted, update, { upsert: true })).toEqual({ matched, modified });
            break;
          }
          case "upsertMany": {
            const changes = engine.current.embedded ? step.changes : step.changes.map(withOwnSlot);
            const modified = changes.map(({ query, update }) => model.upsert(query, update));
            expect(await docs.upsertMany(changes)).toBe(modified.reduce((sum, each) => sum + each, 0));
            break;
          }
          case "updateMany": {
            const expected = model.update(step.query, step.update);
            // MongoDB has changed some before it meets the duplicate.
            if (expected === "duplicate" && !engine.current.embedded) break;
            expect(await docs.updateMany(step.query, step.update).catch(refused)).toBe(expected);
            break;
          }
          case "delete": {
            const gone = model.find(step.query);
            for (const doc of gone) model.docs.delete(doc._id);
            expect(await docs.deleteMany(step.query)).toBe(gone.length);
            break;
          }
          case "find": {
            const { skip, limit } = step;
            const expected = model.find(step.query).toSorted(order);
            expect(await docs.find(step.query, { sort: { n: 1, owner: -1, _id: 1 }, skip, limit })).toEqual(
              expected.slice(skip, skip + limit),
            );
            expect(await docs.count(step.query)).toBe(expected.length);
            const first = await docs.findOne(step.query);
            expect(first === null ? 0 : 1).toBe(Math.min(1, expected.length));
            break;
          }
          case "reopen":
            await store.close();
            store = await engine.current.open(file);
            docs = await store.collection<Doc>("docs", { indexes: INDEXES });
            break;
        }
        expect(byId(await docs.find({}))).toEqual(byId([...model.docs.values()]));
      }
      await store.close();
    },
  );
  await fc.assert(property, { numRuns: engine.current.embedded ? 100 : 40 });
});

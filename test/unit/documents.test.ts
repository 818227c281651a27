import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuplicateKeyError } from "../../lib/documents.ts";
import type { Collection, DocumentStore } from "../../lib/documents.ts";

import { engine } from "../support/document-engine.ts";

interface Event {
  _id: string;
  club?: string | null;
  code?: string | null;
  left?: number | null;
  people?: string[];
  items?: { id: string; note?: string }[];
  data?: { [key: string]: unknown };
}

const INDEXES = [{ fields: ["club", "code"], unique: true }, { fields: ["left"] }];

interface Untyped {
  find(query: object): Promise<unknown>;
  deleteMany(query: object): Promise<unknown>;
  updateOne(query: object, update: object, options?: { upsert: boolean }): Promise<unknown>;
  updateMany(query: object, update: object): Promise<unknown>;
  upsertMany(changes: readonly object[]): Promise<unknown>;
}

/** A promise of the embedded store alone. */
const embedded = engine.current.embedded ? test : test.skip;

let directory: string;
let store: DocumentStore;
let events: Collection<Event>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "documents-"));
  store = await engine.current.open(join(directory, "test.documents.sqlite"));
  events = await store.collection<Event>("events", { indexes: INDEXES });
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

async function reopen(): Promise<void> {
  await store.close();
  store = await engine.current.open(join(directory, "test.documents.sqlite"));
  events = await store.collection<Event>("events", { indexes: INDEXES });
}

describe("at the same time", () => {
  test("50 conditional updates on a stock of 20 give exactly 20", async () => {
    await events.insertOne({ _id: "e", left: 20, people: [] });
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        events.updateOne({ _id: "e", left: { $gt: 0 } }, { $inc: { left: -1 }, $push: { people: `p${i}` } }),
      ),
    );
    expect(results.filter(({ modified }) => modified === 1)).toHaveLength(20);
    expect(results.filter(({ matched }) => matched === 0)).toHaveLength(30);
    await reopen();
    const event = await events.findOne({ _id: "e" });
    expect(event?.left).toBe(0);
    expect(new Set(event?.people).size).toBe(20);
  });

  test("of inserts with the same id or the same unique values one wins", async () => {
    const sameId = Array.from({ length: 10 }, (_, i) => events.insertOne({ _id: "one", code: `a${i}` }));
    const sameCode = Array.from({ length: 10 }, (_, i) =>
      events.insertOne({ _id: `n${i}`, club: "c", code: "b" }),
    );
    expect((await Promise.all(sameId)).filter(Boolean)).toHaveLength(1);
    expect((await Promise.all(sameCode)).filter(Boolean)).toHaveLength(1);
    expect(await events.count({})).toBe(2);
  });

  test("of upserts that may only raise a version the highest stays, in whatever order they come", async () => {
    const versions = [3, 1, 5, 2, 4, 5];
    await Promise.all(
      versions.map((left) =>
        events.updateOne({ _id: "v", left: { $lt: left } }, { $set: { left } }, { upsert: true }),
      ),
    );
    expect(await events.find({})).toEqual([{ _id: "v", left: 5 }]);
  });

  embedded("closing waits for writes, and refuses later calls", async () => {
    const written = Promise.all(
      Array.from({ length: 5 }, (_, i) => events.insertOne({ _id: `${i}`, code: `${i}` })),
    );
    await store.close();
    expect(await written).toEqual([true, true, true, true, true]);
    for (const call of [
      events.findOne({}),
      events.find({}),
      events.count({}),
      events.insertOne({ _id: "x" }),
      store.ping(),
    ]) {
      await expect(call).rejects.toThrow("closed");
    }
    await reopen();
    expect(await events.count({})).toBe(5);
  });
});

describe("many upserts", () => {
  const raise = (_id: string, left: number) => ({
    query: { _id, left: { $lt: left } },
    update: { $set: { left } },
  });

  test("make, change and leave alone, each seeing what those before it did", async () => {
    await events.insertMany([
      { _id: "old", club: "c", code: "1", left: 5 },
      { _id: "low", club: "c", code: "2", left: 1 },
    ]);
    const changes = [raise("new", 3), raise("old", 4), raise("low", 4), raise("new", 2), raise("new", 7)];
    expect(await events.upsertMany([...changes, raise("low", 4)])).toBe(3);
    expect(await events.upsertMany(changes)).toBe(0);
    expect(await events.upsertMany([])).toBe(0);
    await reopen();
    expect(await events.find({}, { sort: { _id: 1 }, projection: ["left"] })).toEqual([
      { _id: "low", left: 4 },
      { _id: "new", left: 7 },
      { _id: "old", left: 5 },
    ]);
  });

  test("leave out what a unique index forbids, and take what one of them gives up", async () => {
    await events.insertMany([
      { _id: "a", club: "c", code: "1" },
      { _id: "b", club: "c", code: "2" },
    ]);
    const code = (_id: string, value: string) => ({
      query: { _id, club: "c" },
      update: { $set: { code: value } },
    });
    expect(await events.upsertMany([code("b", "1"), code("x", "2"), code("a", "3"), code("b", "1")])).toBe(2);
    expect(await events.find({}, { sort: { _id: 1 } })).toEqual([
      { _id: "a", club: "c", code: "3" },
      { _id: "b", club: "c", code: "1" },
    ]);
    expect(await events.insertOne({ _id: "x", club: "c", code: "2" })).toBe(true);
  });

  test("of several callers at once lose nothing: the highest version stays", async () => {
    const versions = [3, 1, 5, 2, 4, 5];
    const ids = Array.from({ length: 100 }, (_, i) => `v${i}`);
    await Promise.all(
      versions.map((left, i) =>
        events.upsertMany(
          ids.map((_id, k) => {
            const { query, update } = raise(_id, versions[(i + k) % versions.length] ?? left);
            return { query: { ...query, code: _id }, update };
          }),
        ),
      ),
    );
    const docs = await events.find({});
    expect(docs).toHaveLength(100);
    expect(new Set(docs.map(({ left }) => left))).toEqual(new Set([5]));
  });

  test("make the document also where there is nothing to set", async () => {
    expect(await events.upsertMany([{ query: { _id: "a", club: "c" }, update: {} }])).toBe(1);
    expect(await events.upsertMany([{ query: { _id: "a" }, update: { $set: { club: undefined } } }])).toBe(0);
    expect(await events.find({})).toEqual([{ _id: "a", club: "c" }]);
  });

  test("are refused before any is done where one names no _id or uses what must not be used", async () => {
    const good = { query: { _id: "a" }, update: { $set: { left: 1 } } };
    const wrong = [
      { query: { club: "c" }, update: { $set: { left: 1 } } },
      { query: { _id: "b", club: undefined }, update: { $set: { left: 1 } } },
      { query: { _id: "b" }, update: { $rename: { left: "right" } } },
    ];
    for (const each of wrong) {
      await expect(untyped().upsertMany([good, each])).rejects.toThrow(TypeError);
    }
    expect(await events.count({})).toBe(0);
  });

  test("one that does not fit its document is an error; embedded the others are not done either", async () => {
    await events.insertMany([
      { _id: "a", club: "c", code: "1" },
      { _id: "b", club: "c", code: "2" },
    ]);
    const code = { query: { _id: "a" }, update: { $set: { code: "3" } } };
    const unfit = { query: { _id: "b" }, update: { $push: { club: "x" } } };
    await expect(untyped().upsertMany([code, unfit])).rejects.toThrow(TypeError);
    if (!engine.current.embedded) return;
    expect((await events.findOne({ _id: "a" }))?.code).toBe("1");
    expect(await events.insertOne({ _id: "x", club: "c", code: "3" })).toBe(true);
  });
});

describe("unique indexes", () => {
  beforeEach(async () => {
    await events.insertMany([
      { _id: "a", club: "c", code: "1" },
      { _id: "b", club: "c", code: "2" },
      { _id: "c", club: "d" },
    ]);
  });

  test("hold over several fields, with null and missing alike", async () => {
    expect(await events.insertOne({ _id: "x", club: "d", code: "1" })).toBe(true);
    expect(await events.insertOne({ _id: "y", club: "d", code: null })).toBe(false);
    expect(
      await events.insertMany([
        { _id: "y", club: "e" },
        { _id: "z", club: "e" },
        { _id: "a", club: "f" },
      ]),
    ).toBe(1);
  });

  test("an update that breaks one changes nothing, and the values stay where they were", async () => {
    await expect(events.updateOne({ _id: "b" }, { $set: { code: "1" } })).rejects.toThrow(DuplicateKeyError);
    if (engine.current.embedded)
      await expect(events.updateMany({ club: "c" }, { $set: { code: "3" } })).rejects.toThrow(
        DuplicateKeyError,
      );
    expect(await events.find({ club: "c" }, { sort: { _id: 1 }, projection: ["code"] })).toEqual([
      { _id: "a", code: "1" },
      { _id: "b", code: "2" },
    ]);
    expect(await events.insertOne({ _id: "x", club: "c", code: "3" })).toBe(true);
  });

  test("what an update or a removal gives up can be taken", async () => {
    await events.updateOne({ _id: "a" }, { $set: { code: "9" } });
    await events.deleteMany({ _id: "b" });
    expect(
      await events.insertMany([
        { _id: "x", club: "c", code: "1" },
        { _id: "y", club: "c", code: "2" },
      ]),
    ).toBe(2);
    await reopen();
    expect(await events.insertOne({ _id: "z", club: "c", code: "9" })).toBe(false);
  });

  embedded("a value that cannot be unique is refused, and what came with it is not taken", async () => {
    const docs = JSON.parse('[{"_id":"x","club":"n"},{"_id":"y","code":["1"]}]');
    await expect(events.insertMany(docs)).rejects.toThrow('"code" is in a unique index');
    expect(await events.insertOne({ _id: "x", club: "n" })).toBe(true);
  });

  embedded("a collection that contradicts a new one does not open", async () => {
    await store.close();
    store = await engine.current.open(join(directory, "test.documents.sqlite"));
    const opened = store.collection("events", { indexes: [{ fields: ["club"], unique: true }] });
    await expect(opened).rejects.toThrow("Another document of events has the same club");
  });
});

describe("what goes in and out", () => {
  test("is copied, also what an update holds", async () => {
    const doc: Event = { _id: "a", data: { list: [1] } };
    const set = { data: { list: [2] } };
    await events.insertOne(doc);
    doc.data = {};
    expect((await events.findOne({ _id: "a" }))?.data).toEqual({ list: [1] });
    await events.updateOne({ _id: "a" }, { $set: set });
    set.data.list.push(3);
    for (const found of [await events.findOne({}), ...(await events.find({}))]) {
      expect(found?.data).toEqual({ list: [2] });
      Object.assign(found?.data ?? {}, { list: null });
    }
    expect((await events.findOne({}))?.data).toEqual({ list: [2] });
  });

  test("is JSON, without undefined fields and without names that a query could not reach", async () => {
    await events.insertOne({ _id: "a", club: undefined, data: { text: "社团 😀", n: 1.5, no: null } });
    const wrong: unknown[] = [
      new Date(),
      new Map(),
      new Set(),
      Number.NaN,
      Infinity,
      1n,
      Buffer.from("x"),
      () => 1,
    ];
    wrong.push({ $set: 1 }, { "a.b": 1 }, JSON.parse('{"__proto__":1}'));
    for (const value of wrong) {
      await expect(events.insertOne({ _id: "x", data: { value } })).rejects.toThrow(TypeError);
      await expect(events.updateOne({ _id: "a" }, { $set: { "data.text": value } })).rejects.toThrow(
        TypeError,
      );
    }
    await reopen();
    expect(await events.find({})).toEqual([{ _id: "a", data: { text: "社团 😀", n: 1.5, no: null } }]);
  });

  test("collections of one store are apart, and one name is one collection", async () => {
    const others = await store.collection<Event>("others", { indexes: [] });
    if (engine.current.embedded) expect(await store.collection("events", { indexes: INDEXES })).toBe(events);
    expect([await events.insertOne({ _id: "a" }), await others.insertOne({ _id: "a" })]).toEqual([
      true,
      true,
    ]);
    await events.deleteMany({});
    await reopen();
    expect(await events.count({})).toBe(0);
    expect(await (await store.collection("others", { indexes: [] })).count({})).toBe(1);
  });
});

/** The collection for what its types would not let through. */
const untyped = (): Untyped => events;

/** MongoDB changes the element; the others it refuses too, but the tests' imitation takes null for missing. */
const WRONG_EMBEDDED = [
  { $set: { "people.0": "q" } },
  { $set: { "data.x.y": 1 } },
  { $inc: { "data.x": 1 } },
];

describe("refused", () => {
  test("queries that would mean something else on MongoDB or match by accident", async () => {
    await events.insertOne({ _id: "a", people: ["p"] });
    const wrong = [
      { club: undefined },
      { club: {} },
      { club: { $ne: undefined } },
      { club: { $regex: "x" } },
      { club: { $in: "x" } },
      { data: { a: 1 } },
      { people: ["p"] },
      { left: { $lt: null } },
      { $where: () => true },
      { $or: [] },
      { $or: [{ club: undefined }] },
    ];
    for (const query of wrong) {
      await expect(untyped().deleteMany(query)).rejects.toThrow(TypeError);
      await expect(untyped().find(query)).rejects.toThrow(TypeError);
    }
    await expect(events.find({}, { limit: 0 })).rejects.toThrow(RangeError);
    expect(await events.count({})).toBe(1);
  });

  test("updates that MongoDB refuses", async () => {
    const doc = { _id: "a", club: "c", people: ["p"], data: { x: null } };
    await events.insertOne(doc);
    const wrong = [
      { club: "d" },
      { $set: { _id: "b" } },
      { $set: { "data.__proto__.y": 1 } },
      { $set: { data: {} }, $inc: { "data.y": 1 } },
      { $inc: { club: 1 } },
      { $push: { club: "x" } },
      { $pull: { people: {} } },
      { $rename: { club: "klub" } },
      ...(engine.current.embedded ? WRONG_EMBEDDED : []),
    ];
    for (const update of wrong) {
      await expect(untyped().updateOne({ _id: "a" }, update)).rejects.toThrow(TypeError);
      await expect(untyped().updateMany({}, update)).rejects.toThrow(TypeError);
    }
    await expect(untyped().updateOne({ club: "x" }, { $set: { left: 1 } }, { upsert: true })).rejects.toThrow(
      "_id",
    );
    await reopen();
    expect(await events.find({})).toEqual([doc]);
  });
});

test("lists of objects: pulled by their fields, added unless the same is there", async () => {
  await events.insertOne({ _id: "a", items: [{ id: "1" }, { id: "2", note: "n" }] });
  await events.updateOne(
    { _id: "a" },
    { $addToSet: { items: { $each: [{ id: "1" }, { id: "1", note: "m" }] } } },
  );
  expect(await events.updateOne({ _id: "a" }, { $pull: { items: { id: "2" } } })).toEqual({
    matched: 1,
    modified: 1,
  });
  expect(await events.updateOne({ _id: "a" }, { $pull: { people: "p" } })).toEqual({
    matched: 1,
    modified: 0,
  });
  expect(await events.find({})).toEqual([{ _id: "a", items: [{ id: "1" }, { id: "1", note: "m" }] }]);
});

test("sorted by several keys: null and missing are the same and come first, then numbers, strings by their code", async () => {
  await events.insertMany([
    { _id: "a", club: "a", left: 2 },
    { _id: "b", club: "b", left: null },
    { _id: "c", club: "c" },
    { _id: "d", club: "B" },
    { _id: "e", club: "é", left: 1 },
  ]);
  const ids = async (sort: { left?: 1 | -1; club?: 1 | -1 }) =>
    (await events.find({}, { sort })).map(({ _id }) => _id).join("");
  expect(await ids({ left: 1, club: 1 })).toBe("dbcea");
  expect(await ids({ left: -1, club: -1 })).toBe("aecbd");
  expect(await ids({ left: 1, club: -1 })).toBe("cbdea");
  expect(await ids({ club: 1 })).toBe("dabce");
});

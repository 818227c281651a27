/** The embedded document store when its process is killed or its disk refuses. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { DatabaseSync } from "node:sqlite";
import { openDocuments } from "../../lib/documents.ts";
import type { Collection, DocumentStore } from "../../lib/documents.ts";

interface Doc {
  _id: string;
  key?: string;
  n?: number;
}
const INDEXES = [{ fields: ["key"], unique: true }];

let directory: string;
let file: string;
let child: ChildProcessByStdio<null, Readable, null> | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "documents-"));
  file = join(directory, "test.documents.sqlite");
});
afterEach(async () => {
  child?.kill("SIGKILL");
  child = undefined;
  await rm(directory, { recursive: true });
});

/** Runs `code` in a process of its own, with `docs`, a collection of `file`; yields the lines that it says. */
function run(code: string): AsyncIterable<string> {
  const lib = new URL("../../lib/documents.ts", `file://${import.meta.dirname}/`).href;
  const program = `
    import { writeSync } from "node:fs";
    import { spawnSync } from "node:child_process";
    import { openDocuments } from ${JSON.stringify(lib)};
    const store = await openDocuments(${JSON.stringify(file)});
    const docs = await store.collection("docs", { indexes: ${JSON.stringify(INDEXES)} });
    const say = (text) => writeSync(1, text + "\\n");
    ${code}`;
  const started = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child = started;
  return createInterface({ input: started.stdout });
}

async function kill(): Promise<void> {
  const exited = child && once(child, "exit");
  child?.kill("SIGKILL");
  await exited;
}

test("killed while it writes: what was acknowledged is there, nothing is half there", async () => {
  let batches = 0;
  for (const until of [1, 17, 60, 33]) {
    const lines = run(`
      for (let i = ${batches}; ; i++) {
        await docs.insertMany([0, 1, 2].map((k) => ({ _id: i + "." + k, key: i + "." + k, n: i })));
        await docs.updateOne({ _id: "last" }, { $set: { key: "last", n: i } }, { upsert: true });
        say(String(i));
      }`);
    let acknowledged = -1;
    for await (const line of lines) {
      acknowledged = Number(line);
      if (acknowledged >= batches + until) child?.kill("SIGKILL");
    }
    await kill();
    const store = await openDocuments(file);
    const docs = await store.collection<Doc>("docs", { indexes: INDEXES });
    const last = (await docs.findOne({ _id: "last" }))?.n ?? -1;
    batches = (await docs.count({ _id: { $ne: "last" } })) / 3;
    expect(last).toBeGreaterThanOrEqual(acknowledged);
    expect([last + 1, last + 2]).toContain(batches);
    for (let i = 0; i < batches; i++) expect(await docs.count({ n: i, _id: { $ne: "last" } })).toBe(3);
    await store.close();
  }
});

test("one process at a time: a second one is refused at once, and kill -9 frees the file", async () => {
  for await (const line of run(
    `await docs.insertOne({ _id: "theirs" }); say("open"); setInterval(() => {}, 1000);`,
  )) {
    expect(line).toBe("open");
    await expect(openDocuments(file)).rejects.toThrow(/test\.documents\.sqlite is in use: stop the process/);
    await kill();
  }
  const store = await openDocuments(file);
  await expect(openDocuments(file)).rejects.toThrow("is in use");
  expect(await (await store.collection("docs", { indexes: INDEXES })).count({})).toBe(1);
  await store.close();
  await (await openDocuments(file)).close();
});

test("a file that is no database is refused, and left to be looked at", async () => {
  await writeFile(file, "not a database at all, but long enough to be looked at as one".repeat(20));
  await expect(openDocuments(file)).rejects.toThrow("not a database");
  expect(await readFile(file, "utf8")).toMatch(/^not a database/);
  await rm(file);
  await (await openDocuments(file)).close();
});

describe("a write that the disk refuses", () => {
  let store: DocumentStore;
  let docs: Collection<Doc>;
  /** Another connection, which makes trouble. */
  let raw: DatabaseSync;

  beforeEach(async () => {
    store = await openDocuments(file);
    docs = await store.collection<Doc>("docs", { indexes: INDEXES });
    await docs.insertMany(["a", "b", "c"].map((name) => ({ _id: name, key: name, n: 0 })));
    raw = new DatabaseSync(file);
  });
  afterEach(async () => {
    raw.close();
    await store.close();
  });

  const onDisk = () =>
    raw
      .prepare("SELECT json FROM documents ORDER BY id")
      .all()
      .map(({ json }): unknown => JSON.parse(String(json)));

  /** Each kind of write; all of them must fail, and none may leave anything behind. */
  async function expectRefusals(): Promise<void> {
    const before = onDisk();
    const refusals = await Promise.allSettled([
      docs.insertOne({ _id: "d", key: "d" }),
      docs.insertMany([
        { _id: "e", key: "e" },
        { _id: "f", key: "f" },
      ]),
      docs.updateOne({ _id: "c" }, { $set: { key: "z" } }),
      docs.updateOne({ _id: "g" }, { $set: { key: "g" } }, { upsert: true }),
      docs.upsertMany([
        { query: { _id: "a" }, update: { $set: { key: "y" } } },
        { query: { _id: "b" }, update: { $set: { key: "a" } } },
        { query: { _id: "d" }, update: { $set: { key: "d" } } },
      ]),
      docs.updateMany({}, { $inc: { n: 1 } }),
      docs.deleteMany({}),
    ]);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ status: "rejected", reason: { type: "UNAVAILABLE" } });
      expect(String(refusal.status === "rejected" && refusal.reason.cause.message)).toContain(
        "could not be written",
      );
    }
    expect(await docs.find({}, { sort: { _id: 1 } })).toEqual(before);
    expect(onDisk()).toEqual(before);
  }

  async function expectWritesWork(): Promise<void> {
    expect(await docs.insertMany(["d", "e"].map((name) => ({ _id: name, key: name })))).toBe(2);
    expect(await docs.insertMany(["a", "b", "c"].map((key) => ({ _id: "h", key })))).toBe(0);
    expect(await docs.updateOne({ _id: "c" }, { $set: { key: "z" } })).toEqual({ matched: 1, modified: 1 });
    expect(await docs.insertOne({ _id: "h", key: "c" })).toBe(true);
    expect(await docs.deleteMany({ _id: "a" })).toBe(1);
    expect(await docs.find({}, { sort: { _id: 1 } })).toEqual(onDisk());
  }

  test("before it begins", async () => {
    raw.exec("BEGIN IMMEDIATE");
    await expectRefusals();
    raw.exec("ROLLBACK");
    await expectWritesWork();
  });

  test("after some of its documents", async () => {
    // 'c', the last one of those that many touch, and what is new.
    for (const event of ["INSERT", "DELETE"]) {
      const row = event === "INSERT" ? "NEW" : "OLD";
      raw.exec(`CREATE TRIGGER fail_${event} BEFORE ${event} ON documents WHEN ${row}.id IN ('c', 'd', 'f', 'g')
        BEGIN SELECT RAISE(ABORT, 'refused'); END`);
    }
    await expectRefusals();
    raw.exec("DROP TRIGGER fail_INSERT; DROP TRIGGER fail_DELETE");
    await expectWritesWork();
  });
});

const prlimit = spawnSync("prlimit", ["--version"]).status === 0 ? test : test.skip;

prlimit("the disk is full: memory stays what is on disk, and writes work when there is room", async () => {
  // The kernel refuses writes beyond a size of file (EFBIG), as it does on a full disk (ENOSPC).
  const lines = run(`
    const limit = (bytes) => spawnSync("prlimit", ["--pid", String(process.pid), "--fsize=" + bytes + ":"]);
    const text = "x".repeat(2000);
    const written = [];
    limit(300_000);
    let refused = 0;
    for (let i = 0; i < 200 && refused < 20; i++) {
      try {
        await docs.insertOne({ _id: "d" + i, key: "k" + i, text });
        written.push("d" + i);
      } catch (error) {
        refused++;
        if (error.type !== "UNAVAILABLE") throw error;
      }
    }
    const served = (await docs.find({})).map((doc) => doc._id);
    limit("unlimited");
    const again = await docs.insertOne({ _id: "later", key: "k199", text });
    say(JSON.stringify({ refused, written, served, again }));
    process.kill(process.pid, "SIGKILL");`);
  for await (const line of lines) {
    const { refused, written, served, again } = JSON.parse(line);
    expect(refused).toBe(20);
    expect(written.length).toBeGreaterThan(10);
    expect(new Set(served)).toEqual(new Set(written));
    expect(again).toBe(true);
    await kill();
    const store = await openDocuments(file);
    const docs = await store.collection<Doc>("docs", { indexes: INDEXES });
    const kept = new Set((await docs.find({})).map(({ _id }) => _id));
    expect(kept).toEqual(new Set([...written, "later"]));
    await store.close();
  }
  expect.assertions(5);
});

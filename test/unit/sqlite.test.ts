import { jest } from "@jest/globals";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DataTypes,
  ForeignKeyConstraintError,
  QueryTypes,
  Sequelize,
  UniqueConstraintError,
} from "sequelize";
import type { Model } from "sequelize";
import { describeSqliteError, openStore, sqlite } from "../../lib/sqlite.ts";

let dir: string;
let file: string;
const open: Sequelize[] = [];

function connect(storage = file): Sequelize {
  const db = new Sequelize({ dialect: "sqlite", dialectModule: sqlite, storage, logging: false });
  open.push(db);
  return db;
}

interface ClubRow {
  id: number;
  name: string;
  city: string | null;
  open: boolean;
  members: number;
  tags: unknown;
  logo: Buffer;
  founded: Date;
  seen: bigint | string;
}

function model(db: Sequelize) {
  return db.define<Model<ClubRow, Partial<ClubRow>>>(
    "Club",
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      name: { type: DataTypes.STRING, unique: true, allowNull: false },
      city: { type: DataTypes.STRING },
      open: { type: DataTypes.BOOLEAN },
      members: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
      tags: { type: DataTypes.JSON },
      logo: { type: DataTypes.BLOB },
      founded: { type: DataTypes.DATE(3) },
      seen: { type: DataTypes.BIGINT },
    },
    { timestamps: false, tableName: "clubs" },
  );
}

async function clubs(db = connect()) {
  const Club = model(db);
  await db.sync();
  return { db, Club };
}

/** The error of a promise that must fail. */
async function failure(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

beforeEach(() => {
  jest.spyOn(console, "warn").mockReturnValue(); // Sequelize reports each COMMIT that fails
  dir = mkdtempSync(join(tmpdir(), "sqlite-"));
  file = join(dir, "store.sqlite");
});

afterEach(async () => {
  jest.useRealTimers();
  jest.restoreAllMocks();
  await Promise.all(open.splice(0).map((db) => db.close()));
  rmSync(dir, { recursive: true, force: true });
});

describe("models", () => {
  test("come back as they were stored", async () => {
    const { db, Club } = await clubs();
    const founded = new Date("2024-02-29T12:34:56.789Z");
    const logo = Buffer.from([0, 1, 254, 255]);
    const tags = { list: ["a", 7], deep: { 名: "社团\u0000😀" } };
    const made = await Club.create({
      name: "Go",
      open: true,
      members: 3,
      tags,
      logo,
      founded,
      seen: 2n ** 60n,
    });
    expect(made.get("id")).toBe(1);
    const row = (await Club.findByPk(1))?.get();
    expect(row).toEqual({
      id: 1,
      name: "Go",
      city: null,
      open: true,
      members: 3,
      tags,
      logo,
      founded,
      seen: String(2n ** 60n),
    });
    expect(Buffer.isBuffer(row?.logo)).toBe(true);
    expect(await Club.update({ city: "Qingdao" }, { where: { name: "Go" } })).toEqual([1]);
    expect(await Club.increment("members", { by: 2, where: { id: 1 } })).toBeTruthy();
    expect(await Club.findOne({ where: { city: "Qingdao" }, raw: true })).toMatchObject({
      members: 5,
      open: 1,
    });
    expect(await Club.count({ where: db.json("tags.list[1]", 7) })).toBe(1);
    expect(await Club.destroy({ where: { id: [1, 2] } })).toBe(1);
    expect(await Club.count()).toBe(0);
  });

  test("made in bulk get their ids", async () => {
    const { Club } = await clubs();
    const made = await Club.bulkCreate(Array.from({ length: 300 }, (_, i) => ({ name: `club ${i}` })));
    expect(made.map((club) => club.get("id"))).toEqual(made.map((_, i) => i + 1));
    await Club.bulkCreate([{ id: 1, name: "club 0", members: 9 }], { updateOnDuplicate: ["members"] });
    expect((await Club.findByPk(1))?.get("members")).toBe(9);
    expect(await Club.count()).toBe(300);
  });

  test("are described, and changed by a migration", async () => {
    const { db, Club } = await clubs();
    await Club.create({ name: "Go" });
    await Club.findAll(); // prepared before the change
    await db.getQueryInterface().addColumn("clubs", "motto", { type: DataTypes.STRING, defaultValue: "-" });
    await db.getQueryInterface().addIndex("clubs", ["city", "motto"]);
    expect(await db.query("SELECT * FROM clubs", { type: QueryTypes.SELECT })).toMatchObject([
      { motto: "-" },
    ]);
    const columns = await db.getQueryInterface().describeTable("clubs");
    expect(columns).toMatchObject({
      name: { allowNull: false, unique: true },
      motto: { type: "VARCHAR(255)" },
    });
    await db.getQueryInterface().removeColumn("clubs", "motto");
    expect(await Club.findAll({ raw: true })).toMatchObject([{ name: "Go" }]);
  });
});

describe("statements", () => {
  test("bind by name and by place", async () => {
    const { db } = await clubs();
    const sql = "SELECT $a AS a, typeof($a) AS t, $b AS b";
    const row = async (bind: Record<string, unknown>) => (await db.query(sql, { bind }))[0][0];
    expect(await row({ a: 7, b: null })).toEqual({ a: 7, t: "integer", b: null });
    expect(await row({ a: 7.5, b: true })).toEqual({ a: 7.5, t: "real", b: 1 });
    expect(await row({ a: Buffer.from("x"), b: 5n })).toEqual({ a: Buffer.from("x"), t: "blob", b: "5" });
    const at = new Date("2024-02-29T12:34:56.789Z");
    expect(await row({ a: at, b: null })).toEqual({
      a: "2024-02-29 12:34:56.789 +00:00",
      t: "text",
      b: null,
    });
    expect((await db.query("SELECT $2 AS a, $1 AS b", { bind: [1, "two"] }))[0]).toEqual([
      { a: "two", b: 1 },
    ]);
    expect(String(await failure(row({ a: {}, b: 1 })))).toMatch(/cannot be bound/);
  });

  test("that write and answer rows do both, once", async () => {
    const { db, Club } = await clubs();
    const insert = "INSERT INTO clubs (name, members) VALUES ('Go', 1)";
    expect((await db.query(`WITH x AS (SELECT 1) ${insert} RETURNING id`))[0]).toEqual([{ id: 1 }]);
    const updated = await db.query("UPDATE clubs SET members = 2 WHERE members = 1", {
      type: QueryTypes.BULKUPDATE,
    });
    expect(updated).toBe(1);
    expect(await Club.count()).toBe(1);
  });
});

describe("errors", () => {
  test("of a unique key name its fields", async () => {
    const { Club } = await clubs();
    await Club.create({ name: "Go" });
    const error = await failure(Club.create({ name: "Go" }));
    expect(error).toBeInstanceOf(UniqueConstraintError);
    const message = "SQLITE_CONSTRAINT: UNIQUE constraint failed: clubs.name";
    expect(error).toMatchObject({ fields: ["name"], parent: { code: "SQLITE_CONSTRAINT", message } });
    expect(await failure(Club.create({ id: 1, name: "Chess" }))).toMatchObject({ fields: ["id"] });
  });

  test("of other constraints are not taken for a unique key", async () => {
    const { db } = await clubs();
    await db.query(
      "CREATE TABLE parts (club INTEGER REFERENCES clubs(id), n INTEGER NOT NULL CHECK (n > 0))",
    );
    const insert = async (club: string, n: string) =>
      failure(db.query(`INSERT INTO parts VALUES (${club}, ${n})`));
    expect(await insert("9", "1")).toBeInstanceOf(ForeignKeyConstraintError);
    expect(await insert("NULL", "NULL")).toMatchObject({ parent: { code: "SQLITE_CONSTRAINT_NOTNULL" } });
    expect(await insert("NULL", "0")).toMatchObject({ parent: { code: "SQLITE_CONSTRAINT_CHECK" } });
    const none = await failure(db.query("SELECT * FROM nowhere"));
    expect(none).toMatchObject({
      message: "SQLITE_ERROR: no such table: nowhere",
      parent: { code: "SQLITE_ERROR" },
    });
  });

  test("of a store are told in a sentence", async () => {
    writeFileSync(file, "no database at all ".repeat(500));
    const noDatabase = await failure(connect().authenticate());
    expect(describeSqliteError(noDatabase, file)).toMatch(/store.sqlite is not a SQLite database/);
    const noFolder = await failure(connect(join(file, "x.sqlite")).authenticate());
    expect(describeSqliteError(noFolder, file)).toMatch(/cannot be opened or created/);
    expect(describeSqliteError(new Error("other"), file)).toBeNull();
    expect(await failure(connect(":memory:").authenticate())).toMatchObject({
      parent: { code: "SQLITE_MISUSE" },
    });
  });

  test("of a damaged file and a full one are told in a sentence", async () => {
    const first = await clubs();
    await first.Club.bulkCreate(
      Array.from({ length: 500 }, (_, i) => ({ name: `${i}`, city: "x".repeat(200) })),
    );
    await first.db.query("PRAGMA max_page_count = 1");
    const full = await failure(first.Club.create({ name: "big", logo: Buffer.alloc(500_000) }));
    expect(describeSqliteError(full, file)).toMatch(/is full. Free some space and start again/);
    await first.db.close();
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0x5a, 4096)); // all pages but the first
    const damaged = await failure(model(connect()).findAll());
    expect(describeSqliteError(damaged, file)).toMatch(/is damaged/);
  });
});

describe("transactions", () => {
  test("commit and roll back, with savepoints", async () => {
    const { db, Club } = await clubs();
    await db.transaction(async (transaction) => {
      await Club.create({ name: "outer" }, { transaction });
      const inner = db.transaction({ transaction }, async (nested) => {
        await Club.create({ name: "inner" }, { transaction: nested });
        throw new Error("undo");
      });
      expect(await failure(inner)).toMatchObject({ message: "undo" });
      expect(await Club.count({ transaction })).toBe(1);
    });
    await failure(
      db.transaction(async (transaction) => {
        await Club.create({ name: "never" }, { transaction });
        await Club.create({ name: "outer" }, { transaction });
      }),
    );
    expect(await Club.findAll({ raw: true })).toMatchObject([{ name: "outer" }]);
  });

  test("50 that read, think and write all count, with other writes between", async () => {
    const { db, Club } = await clubs();
    await Club.create({ name: "counted" });
    const transactions = Array.from({ length: 50 }, async (_, i) =>
      db.transaction(async (transaction) => {
        const club = await Club.findByPk(1, { transaction, rejectOnEmpty: true });
        if (i % 5 === 0) await new Promise((done) => setTimeout(done, 2));
        await Club.update({ members: club.get().members + 1 }, { where: { id: 1 }, transaction });
        await Club.create({ name: `by ${i}` }, { transaction });
        if (i % 10 === 9) throw new Error("undo");
      }),
    );
    const writes = Array.from({ length: 50 }, async (_, i) => Club.create({ name: `between ${i}` }));
    const done = await Promise.allSettled([...transactions, ...writes]);
    expect(done.filter(({ status }) => status === "rejected")).toHaveLength(5);
    expect((await Club.findByPk(1))?.get("members")).toBe(45);
    expect(await Club.count()).toBe(1 + 45 + 50);
  });

  test("are not seen before they are committed, and do not hold up reads", async () => {
    const { db, Club } = await clubs();
    const transaction = await db.transaction();
    await Club.create({ name: "Go" }, { transaction });
    expect(await Club.count()).toBe(0);
    const later = Club.create({ name: "later" });
    expect(await Club.count({ transaction })).toBe(1);
    await transaction.commit();
    expect(await Club.count()).toBeGreaterThan(0);
    await later;
    expect(await Club.count()).toBe(2);
  });

  test("whose COMMIT fails are undone and let the next one in", async () => {
    const { db, Club } = await clubs();
    await db.query("CREATE TABLE parts (club INTEGER REFERENCES clubs(id) DEFERRABLE INITIALLY DEFERRED)");
    const broken = db.transaction(async (transaction) => {
      await Club.create({ name: "undone" }, { transaction });
      await db.query("INSERT INTO parts VALUES (99)", { transaction });
    });
    expect(await failure(broken)).toBeInstanceOf(ForeignKeyConstraintError);
    await db.transaction(async (transaction) => Club.create({ name: "next" }, { transaction }));
    expect(await Club.count()).toBe(1);
  });

  test("that SQLite has ended by itself do not go on", async () => {
    const { db, Club } = await clubs();
    const transaction = await db.transaction();
    await Club.create({ name: "first" }, { transaction });
    await db
      .query("INSERT OR ROLLBACK INTO clubs (name, members) VALUES ('first', 1)", { transaction })
      .catch(() => null);
    expect(await failure(Club.create({ name: "second" }, { transaction }))).toMatchObject({
      parent: { code: "SQLITE_ABORT" },
    });
    await Club.create({ name: "other" });
    await transaction.rollback();
    expect(await Club.count()).toBe(1);
  });

  test("that wait for themselves are rolled back", async () => {
    const { db, Club } = await clubs();
    jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask", "setImmediate"] });
    const stuck = db.transaction(async (transaction) => {
      await Club.create({ name: "inside" }, { transaction });
      const outside = Club.create({ name: "outside" });
      await jest.advanceTimersByTimeAsync(9_000);
      expect(await Club.count()).toBe(0);
      await jest.advanceTimersByTimeAsync(1_000);
      await outside;
    });
    expect(await failure(stuck)).toMatchObject({ parent: { code: "SQLITE_ABORT" } });
    expect(await Club.findAll({ raw: true })).toMatchObject([{ name: "outside" }]);
  });

  test("open when everything closes are rolled back, and waiting writes are done", async () => {
    const { db, Club } = await clubs();
    const transaction = await db.transaction();
    await Club.create({ name: "lost" }, { transaction });
    const waiting = Club.create({ name: "kept" });
    await new Promise((done) => setImmediate(done));
    await db.close();
    await waiting;
    const again = await clubs();
    expect(await again.Club.findAll({ raw: true })).toMatchObject([{ name: "kept" }]);
  });
});

test("a store is also used without Sequelize", async () => {
  const { db, Club } = await clubs();
  const store = openStore(file);
  const insert = (name: string) => store.run("INSERT INTO clubs (name, members) VALUES (?, ?)", [name, 1]);
  expect(insert("a")).toEqual({ changes: 1, lastID: 1 });
  store.transaction(() => insert("b"));
  expect(() => store.transaction(() => [insert("c"), insert("a")])).toThrow(
    /UNIQUE constraint failed: clubs.name/,
  );
  expect(store.all("SELECT id, name FROM clubs WHERE id > $id", { $id: 0 })).toEqual([
    { id: 1, name: "a" },
    { id: 2, name: "b" },
  ]);
  expect(await Club.count()).toBe(2);
  const transaction = await db.transaction();
  expect(() => insert("d")).toThrow(/SQLITE_BUSY/);
  await transaction.commit();
  insert("d");
  await db.close();
  expect(store.all("SELECT count(*) AS n FROM clubs")).toEqual([{ n: 3 }]);
  store.close();
});

/** Old rows of an SQL domain are deleted by statements that end in their time, however many there are. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { jest } from "@jest/globals";
import type { Database, Row } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import { sqlOutbox } from "../../mixins/outbox-sql.ts";
import { clubsDatabase } from "../support/outbox-kinds.ts";

const DAY = 86_400_000;
const NOW = Date.now();
const MANY = 2_300;

let folder: string;
let db: Database;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "outbox-sweep-"));
  db = await clubsDatabase(folder);
  const rows = (row: () => Row, old: object, young: object): Row[] => [
    ...Array.from({ length: MANY }, () => ({ ...row(), ...old })),
    ...Array.from({ length: 3 }, () => ({ ...row(), ...young })),
  ];
  const message = { type: "t", envelope: "{}", created_at: 1, due_at: 1, attempts: 0, done: "[]" };
  const key = { user_id: "u", target_id: "t", mac: "m", lease: "l", lease_until: 0 };
  const at = (days: number) => NOW - days * DAY;
  await db.primary.insertAll(
    "outbox",
    rows(() => ({ id: newId(), ...message }), { published_at: at(1.1) }, { published_at: at(0.9) }),
  );
  await db.primary.insertAll(
    "inbox",
    rows(() => ({ id: newId(), consumer: "c" }), { received_at: at(7.1) }, { received_at: at(6.9) }),
  );
  await db.primary.insertAll(
    "idempotency_keys",
    rows(() => ({ id: newId(), ...key }), { created_at: at(1.1) }, { created_at: at(0.9) }),
  );
}, 30_000);
afterEach(async () => {
  await db.sequelize.close();
  await rm(folder, { recursive: true, force: true });
});

const left = (): Promise<number[]> =>
  Promise.all(
    ["outbox", "inbox", "idempotency_keys"].map((table) =>
      db.primary.number(`SELECT COUNT(*) AS n FROM ${table}`),
    ),
  );

test("no statement deletes more than a thousand rows, and none that is young", async () => {
  const run = jest.spyOn(db.primary, "run");
  await sqlOutbox(db).sweep(NOW);
  expect(await left()).toEqual([3, 3, 3]);
  const deleted = await Promise.all(run.mock.results.map(({ value }) => value as Promise<number>));
  expect(Math.max(...deleted)).toBe(1_000);
  expect(deleted.reduce((sum, each) => sum + each)).toBe(3 * MANY);
});

test("a table that cannot be swept keeps nobody from the others, and it is told", async () => {
  const run = db.primary.run.bind(db.primary);
  jest.spyOn(db.primary, "run").mockImplementation((sql, values) => {
    return sql.startsWith("DELETE FROM outbox") ? Promise.reject(new Error("too long")) : run(sql, values);
  });
  await expect(sqlOutbox(db).sweep(NOW)).rejects.toThrow("too long");
  expect(await left()).toEqual([MANY + 3, 3, 3]);
});

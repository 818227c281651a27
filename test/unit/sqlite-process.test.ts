import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openStore, StoreInUseError } from "../../lib/sqlite.ts";

const root = join(import.meta.dirname, "../..");
let dir: string;
let file: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sqlite-"));
  file = join(dir, "store.sqlite");
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

const connect = `
  import { Sequelize } from "sequelize";
  import { writeSync } from "node:fs";
  import { sqlite } from "./lib/sqlite.ts";
  const db = new Sequelize({ dialect: "sqlite", dialectModule: sqlite, storage: process.env.STORE, logging: false });
  const say = (line) => writeSync(1, line + "\\n");
  try {
    await db.query("CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, part INTEGER, data BLOB)");
  } catch (error) {
    say(error.parent.name);
    process.exit(1);
  }
`;

/** Another process that runs `code`; `limit`: the largest file it may write, in blocks of 512 bytes. */
function start(code: string, limit = "unlimited") {
  const args = ["-c", `ulimit -f ${limit}; exec "$0" "$@"`, process.execPath, "--no-warnings"];
  const child = spawn("sh", [...args, "--input-type=module", "-e", connect + code], {
    cwd: root,
    env: { ...process.env, STORE: file, NODE_OPTIONS: "" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return { child, lines: createInterface({ input: child.stdout }) };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test("a file is open in one process at a time, and free when that is killed", async () => {
  const { child, lines } = start(`say("open"); setInterval(() => {}, 1000);`);
  await once(lines, "line");
  expect(() => openStore(file)).toThrow(StoreInUseError);
  await kill(child);
  const store = openStore(file);
  expect(store.all("SELECT count(*) AS n FROM items")).toEqual([{ n: 0 }]);
  const second = start(`say("open");`);
  expect(await once(second.lines, "line")).toEqual(["StoreInUseError"]);
  store.close();
  const third = start(`say("open"); process.exit();`);
  expect(await once(third.lines, "line")).toEqual(["open"]);
});

test("what was acknowledged is there after kill -9, and nothing is there by half", async () => {
  const { child, lines } = start(`
    for (let id = 1; ; id++) {
      await db.transaction(async (transaction) => {
        for (const part of [1, 2]) {
          await db.query("INSERT INTO items (part) VALUES ($part)", { bind: { part: id }, transaction });
        }
      });
      say(String(id));
    }`);
  let acknowledged = 0;
  for await (const line of lines) {
    acknowledged = Number(line);
    if (acknowledged === 200) child.kill("SIGKILL");
  }
  const store = openStore(file);
  const rows = store.all("SELECT part, count(*) AS n FROM items GROUP BY part ORDER BY part");
  store.close();
  expect(acknowledged).toBeGreaterThanOrEqual(200);
  expect([acknowledged, acknowledged + 1]).toContain(rows.length);
  expect(rows).toEqual(rows.map((_, i) => ({ part: i + 1, n: 2 })));
});

test("a COMMIT that finds no space is undone, its error is told, and smaller ones go on", async () => {
  const { child, lines } = start(
    `
    console.warn = () => {};
    const insert = (part, size) => db.transaction((transaction) =>
      db.query("INSERT INTO items (part, data) VALUES ($part, zeroblob($size))", { bind: { part, size }, transaction }));
    await insert(1, 1000);
    await insert(2, 1_500_000).then(() => say("done"), (error) => say(error.parent?.code ?? String(error)));
    await insert(3, 1000);
    say("next");
    await db.close();
    process.exit();`,
    "2048",
  );
  const said: string[] = [];
  for await (const line of lines) said.push(line);
  if (child.exitCode === null) await once(child, "exit");
  expect(said).toEqual([expect.stringMatching(/^SQLITE_(FULL|IOERR)$/), "next"]);
  const store = openStore(file);
  expect(store.all("SELECT part FROM items ORDER BY part")).toEqual([{ part: 1 }, { part: 3 }]);
  store.close();
});

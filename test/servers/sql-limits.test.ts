/** SQL servers that are slow, frozen, full or cut off: answers come in time, and nothing needs a restart. */
import { setTimeout as sleep } from "node:timers/promises";
import { Sequelize } from "sequelize";
import { Database, mysqlOptions } from "../../lib/database.ts";
import { Migrations } from "../../lib/migrations.ts";
import { PRIMARY, slowStatements } from "../../lib/mysql.ts";
import { refusalOf } from "../../middlewares/errors.ts";
import type { Campus } from "../support/clubs.ts";
import { startCampus } from "../support/clubs.ts";
import { eventually } from "../support/federation.ts";
import { startCommitGate } from "../support/servers/commit-gate.ts";
import type { CommitGate } from "../support/servers/commit-gate.ts";
import { startMariadb } from "../support/servers/mariadb.ts";
import type { MariadbServer } from "../support/servers/mariadb.ts";
import { describeOwn, on, sql } from "../support/servers/replication.ts";
import { startToxiproxy } from "../support/servers/toxiproxy.ts";
import type { Proxy, Toxiproxy } from "../support/servers/toxiproxy.ts";

/** Milliseconds: far more than any limit, so that only what hangs takes longer. What was measured is in docs/servers.md. */
const IN_TIME = 20_000;

/** How long `work` takes, and what became of it. */
async function timed<T>(work: Promise<T>): Promise<{ ms: number; value: T | undefined; error: unknown }> {
  const since = performance.now();
  const [outcome] = await Promise.allSettled([work]);
  const ms = performance.now() - since;
  return outcome.status === "fulfilled"
    ? { ms, value: outcome.value, error: undefined }
    : { ms, value: undefined, error: outcome.reason };
}

const codeOf = (error: unknown): string | undefined => refusalOf(error)?.type;

describeOwn(["mariadb"], "the limits of SQL", () => {
  let server: MariadbServer;
  let db: Database;
  const warnings: { sql: string; ms: number }[] = [];

  beforeAll(async () => {
    server = await startMariadb();
    const url = await server.database("limits");
    const warn = (_text: string, data: object): void => void warnings.push(data as (typeof warnings)[0]);
    db = new Database(new Sequelize({ ...mysqlOptions(url, PRIMARY), ...slowStatements(warn) }));
    await sql(url, "CREATE TABLE things (id INTEGER PRIMARY KEY, n INTEGER NOT NULL) ENGINE=InnoDB");
    await sql(url, "INSERT INTO things VALUES (1, 0)");
  }, 30_000);
  afterAll(async () => {
    await db?.sequelize.close();
    await server?.stop();
  });

  test("a statement that takes too long ends with UNAVAILABLE, and its connection lives on", async () => {
    const id = (): Promise<number> => db.primary.number("SELECT CONNECTION_ID() AS id");
    const before = await id();
    const { ms, error } = await timed(db.primary.all("SELECT SLEEP(30) AS s"));
    expect(codeOf(error)).toBe("UNAVAILABLE");
    expect(ms).toBeLessThan(IN_TIME);
    expect(await id()).toBe(before);
  }, 15_000);

  test("slow statements are told of by their text, without values", async () => {
    warnings.length = 0;
    await db.primary.all("SELECT SLEEP(:time) AS s, :secret AS t", { time: 1, secret: "S3CRET" });
    await db.primary.all("SELECT 1 AS quick");
    expect(warnings).toEqual([{ ms: expect.any(Number), sql: "SELECT SLEEP(?) AS s, ? AS t" }]);
  });

  test("who waits for a lock is refused in time, and gets it once it is free", async () => {
    const update = "UPDATE things SET n = n + 1 WHERE id = 1";
    let free = (): void => undefined;
    const held = new Promise<void>((resolve) => (free = resolve));
    const holder = db.transaction(async (tx) => {
      await tx.run(update);
      await held;
    });
    await sleep(100);
    const { ms, error } = await timed(db.transaction((tx) => tx.run(update)));
    expect(codeOf(error)).toBe("UNAVAILABLE");
    expect(ms).toBeLessThan(IN_TIME);
    free();
    await holder;
    expect(await db.transaction((tx) => tx.run(update))).toBe(1);
  }, 20_000);

  test("a transaction whose client has gone silent frees its locks", async () => {
    const update = "UPDATE things SET n = n + 1 WHERE id = 1";
    const url = `${server.url}/limits`;
    const cut = new Database(new Sequelize(mysqlOptions(url, { ...PRIMARY, idle: 1_000 })));
    const silent = cut.transaction(async (tx) => {
      await tx.run(update);
      await sleep(4_000);
      await tx.run(update);
    });
    await sleep(100);
    const [{ error }, changed] = await Promise.all([timed(silent), db.transaction((tx) => tx.run(update))]);
    expect(changed).toBe(1);
    expect(codeOf(error)).toBe("UNAVAILABLE");
    await cut.sequelize.close();
  }, 20_000);

  test("with every connection in use others are refused in time", async () => {
    let free = (): void => undefined;
    const held = new Promise<void>((resolve) => (free = resolve));
    const holders = Array.from({ length: PRIMARY.connections }, () => db.transaction(() => held));
    const { ms, error } = await timed(db.primary.number("SELECT 1 AS n"));
    expect(codeOf(error)).toBe("UNAVAILABLE");
    expect(ms).toBeLessThan(IN_TIME);
    const rows = await sql(
      server.url,
      "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = 'limits'",
    );
    expect(rows[0]?.n).toBe(PRIMARY.connections);
    free();
    await Promise.all(holders);
    expect(await db.primary.number("SELECT 1 AS n")).toBe(1);
  }, 20_000);

  test("a server that takes no writes is left, so that the next connection may find its successor", async () => {
    // root may write all the same
    await sql(server.url, "CREATE USER plain IDENTIFIED BY ''");
    await sql(server.url, "GRANT ALL ON limits.* TO plain");
    const url = new URL(`mysql://plain@127.0.0.1:${server.port}/limits`);
    const options = mysqlOptions(url.href, { ...PRIMARY, connections: 1 });
    const own = new Database(new Sequelize(options));
    const id = (): Promise<number> => own.primary.number("SELECT CONNECTION_ID() AS id");
    const before = await id();
    await sql(server.url, "SET GLOBAL read_only = 1");
    try {
      const { error } = await timed(own.primary.run("UPDATE things SET n = 7 WHERE id = 1"));
      expect(codeOf(error)).toBe("UNAVAILABLE");
      expect(await id()).not.toBe(before);
    } finally {
      await sql(server.url, "SET GLOBAL read_only = 0");
    }
    expect(await own.primary.run("UPDATE things SET n = 7 WHERE id = 1")).toBe(1);
    await own.sequelize.close();
  });
});

describeOwn(["mariadb", "toxiproxy"], "clubs on a server that fails", () => {
  let server: MariadbServer;
  let toxiproxy: Toxiproxy;
  let way: Proxy;
  let gate: CommitGate;
  let campus: Campus;
  let president: string;
  let id: string;

  beforeAll(async () => {
    [server, toxiproxy] = await Promise.all([startMariadb(), startToxiproxy()]);
    const url = await server.database("clubs");
    const sequelize = new Sequelize(mysqlOptions(url));
    await new Migrations(sequelize, "clubs").up();
    await sequelize.close();
    way = await toxiproxy.proxy(`127.0.0.1:${server.port}`);
    gate = await startCommitGate(way.port);
    campus = await startCampus({ CLUBS_DB_URL: on(gate, url) });
    president = campus.person("President");
    ({ id } = await campus.club(president));
  }, 60_000);
  afterAll(async () => {
    await campus?.stop();
    await gate?.stop();
    await Promise.all([server?.stop(), toxiproxy?.stop()]);
  }, 30_000);

  const read = () => campus.call("GET", `/clubs?mine=true`, { as: president });
  const write = () => campus.call("PUT", `/clubs/${id}/favorite`, { as: president });

  /** Reads and writes at once: each is refused with 503 and Retry-After, and none hangs. */
  async function refused(many: number): Promise<void> {
    const outcomes = await Promise.all(
      Array.from({ length: many }, (_, n) => timed(n % 2 ? write() : read())),
    );
    for (const { value } of outcomes) {
      expect(value?.status).toBe(503);
      expect(Number(value?.headers["retry-after"])).toBeGreaterThan(0);
    }
    expect(Math.max(...outcomes.map(({ ms }) => ms))).toBeLessThan(IN_TIME);
  }

  /** Without a restart. */
  async function healed(): Promise<void> {
    await eventually(
      async () => ((await write()).status < 400 && (await read()).status === 200) || undefined,
    );
    // And for everybody, not by the luck of one connection.
    const all = await Promise.all(Array.from({ length: 30 }, read));
    expect(all.map(({ status }) => status)).toEqual(all.map(() => 200));
  }

  test("killed: 503 at once, and all is well when it is back", async () => {
    await server.kill();
    try {
      await refused(10);
    } finally {
      await server.restart();
    }
    await healed();
  }, 40_000);

  test("frozen: 503 in time, for those who come later too, and all is well when it goes on", async () => {
    server.pause();
    try {
      await refused(60);
      await refused(10);
    } finally {
      server.resume();
    }
    await healed();
  }, 60_000);

  test("cut off: 503 in time, and all is well when the way is open again", async () => {
    await way.cut();
    try {
      await refused(10);
    } finally {
      await way.mend();
    }
    await healed();
  }, 60_000);

  test("slow: everything works, and takes longer", async () => {
    // The circuit breaker may still be open from what was before.
    await eventually(async () => (await read()).status === 200 || undefined);
    await way.slow(100);
    try {
      expect((await read()).status).toBe(200);
      expect((await write()).status).toBeLessThan(300);
    } finally {
      await way.mend();
    }
  }, 30_000);

  test.each(["taken", "lost", "late"] as const)(
    "broken off during COMMIT (%s): the key makes the repeat right",
    async (fate) => {
      const name = `Founded when the commit was ${fate}`;
      const key = `key-${fate}-0123456789`;
      const fields = campus.fields({ name });
      const post = () => campus.call("POST", "/clubs", { as: president, key, body: fields });
      const sprung = gate.arm(name, fate);
      expect((await post()).status).toBe(503);
      // A late commit is still on its way while the repeats come.
      if (fate !== "late") await sprung;
      const stored = () =>
        campus.db.primary.number("SELECT COUNT(*) AS n FROM clubs WHERE name = :name", { name });
      expect(await stored()).toBe(fate === "taken" ? 1 : 0);
      const second = await eventually(async () => {
        const answer = await post();
        return answer.status < 400 ? answer : undefined;
      });
      await sprung;
      expect(second.status).toBe(201);
      expect(await stored()).toBe(1);
      const third = await post();
      expect(third.headers["idempotency-replayed"]).toBe("true");
      expect(third.body.id).toBe(second.body.id);
    },
    30_000,
  );
});

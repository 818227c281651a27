/** Reads of clubs with a replica of MariaDB and marks in Redis: behind on purpose, dead, and Redis frozen. */
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import type { Answer } from "../../lib/declare.ts";
import { Migrations } from "../../lib/migrations.ts";
import type { Campus } from "../support/clubs.ts";
import { startCampus } from "../support/clubs.ts";
import { eventually } from "../support/federation.ts";
import { describeWith, startMariadb, startRedis } from "../support/servers/index.ts";
import type { MariadbServer, Server } from "../support/servers/index.ts";

type ClubList = Answer<"clubs.list">;

/** A replica needs servers of one's own. */
const borrowed = Boolean(process.env["TEST_MARIADB_URL"] ?? process.env["TEST_REDIS_URL"]);
const suite: typeof describeWith = borrowed
  ? (_names, title, body) => {
      const skipped = describe.skip;
      skipped(`${title} (skipped: it needs servers of its own)`, body);
    }
  : describeWith;

async function sql(server: Server, ...statements: string[]): Promise<void> {
  const connection = await createConnection({ uri: server.url });
  try {
    for (const statement of statements) await connection.query(statement);
  } finally {
    connection.destroy();
  }
}

suite(["mariadb", "redis"], "clubs with a read replica", () => {
  let primary: MariadbServer;
  let replica: MariadbServer;
  let redis: Server;
  let campus: Campus;
  let president: string;
  let stranger: string;

  beforeAll(async () => {
    [primary, replica, redis] = await Promise.all([
      startMariadb(),
      startMariadb({ args: ["--server-id=2", "--relay-log=relay"] }),
      startRedis(),
    ]);
    await sql(
      replica,
      "RESET MASTER",
      "SET GLOBAL gtid_slave_pos=''",
      `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${primary.port}, MASTER_USER='root',
       MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1`,
    );
    await sql(primary, "RESET MASTER");
    await sql(replica, "START SLAVE");
    const url = await primary.database("clubs");
    const sequelize = new Sequelize(mysqlOptions(url));
    await new Migrations(sequelize, "clubs").up();
    await sequelize.close();
    const readUrl = new URL(url);
    readUrl.port = String(replica.port);
    campus = await startCampus({
      CLUBS_DB_URL: url,
      CLUBS_DB_READ_URLS: readUrl.href,
      REDIS_URL: redis.url,
    });
    president = campus.person("President");
    stranger = campus.person("Stranger");
    // The replica has the tables and is read from.
    const { id } = await campus.club(president);
    await eventually(async () => (await ids()).includes(id) || undefined);
  }, 60_000);
  afterAll(async () => {
    await campus?.stop();
    await Promise.all([primary?.stop(), replica?.stop(), redis?.stop()]);
  }, 30_000);

  const ids = async (as?: string) =>
    (await campus.ok<ClubList>("GET", "/clubs?limit=100", { as })).items.map(({ id }) => id);
  const behind = () => sql(replica, "STOP SLAVE SQL_THREAD");
  const catchUp = () => sql(replica, "START SLAVE SQL_THREAD");

  test("whoever wrote sees it at once, others when the replica has it", async () => {
    await behind();
    const { id } = await campus.club(president);
    expect(await ids()).not.toContain(id);
    expect(await ids(stranger)).not.toContain(id);
    expect(await ids(president)).toContain(id);
    // What decides, and a club itself, is read from the primary by everybody.
    expect(await campus.outcome("GET", `/clubs/${id}`)).toBe("200");
    expect(await campus.outcome("PATCH", `/clubs/${id}`, { as: stranger, body: {} })).toBe("403 FORBIDDEN");
    await campus.ok("PUT", `/clubs/${id}/favorite`, { as: stranger });
    expect((await campus.ok<ClubList>("GET", "/users/me/favorites", { as: stranger })).items).toHaveLength(1);
    // The person concerned, who has done nothing.
    const joined = campus.person("Joined");
    await campus.join(id, joined);
    expect((await campus.ok<ClubList>("GET", "/clubs?mine=true", { as: joined })).items).toHaveLength(1);
    await catchUp();
    await eventually(async () => (await ids()).includes(id) || undefined);
  });

  test("with Redis frozen signed-in people read from the primary", async () => {
    await behind();
    const { id } = await campus.club(president);
    redis.pause();
    try {
      expect(await ids(stranger)).toContain(id);
      expect(await ids()).not.toContain(id);
    } finally {
      redis.resume();
      await catchUp();
    }
    await eventually(async () => (await ids()).includes(id) || undefined);
  });

  test("a replica more than ten seconds behind is left out until it has caught up", async () => {
    await behind();
    const { id } = await campus.club(president);
    const since = Date.now();
    expect(await ids()).not.toContain(id);
    await eventually(async () => (await ids()).includes(id) || undefined, 20_000);
    expect(Date.now() - since).toBeGreaterThan(8_000);
    await catchUp();
    await sleep(2_500);
    await behind();
    const next = await campus.club(president);
    expect(await ids()).not.toContain(next.id);
    await catchUp();
  }, 40_000);

  test("a dead replica refuses nobody, and comes back", async () => {
    const { id } = await campus.club(president);
    await replica.kill();
    for (let i = 0; i < 20; i++) expect(await ids()).toContain(id);
    await replica.restart();
    await sql(replica, "START SLAVE").catch(() => undefined);
    await eventually(async () => {
      await behind();
      const { id: next } = await campus.club(president);
      const seen = await ids();
      await catchUp();
      return seen.includes(next) ? undefined : true;
    }, 20_000);
  }, 40_000);
});

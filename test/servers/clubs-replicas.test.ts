/** Reads of clubs with a replica of MariaDB and marks in Redis: behind on purpose, frozen, dead, and Redis frozen. */
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import type { Answer } from "../../lib/declare.ts";
import { Migrations } from "../../lib/migrations.ts";
import type { Campus } from "../support/clubs.ts";
import { startCampus } from "../support/clubs.ts";
import { eventually } from "../support/federation.ts";
import { startRedis } from "../support/servers/index.ts";
import type { MariadbServer, Server } from "../support/servers/index.ts";
import { describeOwn, on, startReplication } from "../support/servers/replication.ts";
import type { Replication } from "../support/servers/replication.ts";

type ClubList = Answer<"clubs.list">;

describeOwn(["mariadb", "redis"], "clubs with a read replica", () => {
  let servers: Replication;
  let primary: MariadbServer;
  let replica: MariadbServer;
  let redis: Server;
  let env: Record<string, string>;
  let campus: Campus;
  let president: string;
  let stranger: string;

  beforeAll(async () => {
    // Asynchronous: else no write is answered while the replica is frozen.
    [servers, redis] = await Promise.all([startReplication({ semiSync: false }), startRedis()]);
    primary = servers.primary;
    replica = servers.replicas[0] as MariadbServer;
    const url = await primary.database("clubs");
    const sequelize = new Sequelize(mysqlOptions(url));
    await new Migrations(sequelize, "clubs").up();
    await sequelize.close();
    env = { CLUBS_DB_URL: url, CLUBS_DB_READ_URLS: on(replica, url), REDIS_URL: redis.url };
    campus = await startCampus(env);
    president = campus.person("President");
    stranger = campus.person("Stranger");
    // The replica has the tables and is read from.
    const { id } = await campus.club(president);
    await eventually(async () => (await ids()).includes(id) || undefined);
  }, 60_000);
  afterAll(async () => {
    await campus?.stop();
    await Promise.all([servers?.stop(), redis?.stop()]);
  }, 30_000);

  const ids = async (as?: string) =>
    (await campus.ok<ClubList>("GET", "/clubs?limit=100", { as })).items.map(({ id }) => id);
  const behind = () => servers.lag(replica);
  const catchUp = () => servers.resume(replica);
  /** Waits until the replica is read from: then a club that it does not have yet is not seen. */
  const readFrom = () =>
    eventually(async () => {
      await behind();
      const { id } = await campus.club(president);
      const seen = await ids();
      await catchUp();
      return seen.includes(id) ? undefined : true;
    }, 20_000);

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

  test("whoever wrote through one node reads it through another: Redis alone tells of it", async () => {
    const other = await startCampus(env, campus.world);
    const client = new Redis(redis.url);
    try {
      const there = async () =>
        (await other.ok<ClubList>("GET", "/clubs?limit=100", { as: president })).items.map(({ id }) => id);
      await behind();
      const { id } = await campus.club(president);
      expect(await there()).toContain(id);
      // Without the marks it is read from the replica, which does not have it.
      await client.flushall();
      expect(await there()).not.toContain(id);
      await catchUp();
      await eventually(async () => (await there()).includes(id) || undefined);
    } finally {
      client.disconnect();
      await other.stop();
    }
  }, 30_000);

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
    await readFrom();
  }, 40_000);

  test("a frozen replica refuses nobody, and comes back", async () => {
    replica.pause();
    try {
      const { id } = await campus.club(president);
      const seen = await Promise.all(Array.from({ length: 30 }, (_, n) => ids(n % 2 ? stranger : undefined)));
      for (const each of seen) expect(each).toContain(id);
      // It has been left out meanwhile.
      for (let i = 0; i < 20; i++) expect(await ids()).toContain(id);
    } finally {
      replica.resume();
    }
    await readFrom();
  }, 40_000);

  test("with the primary frozen people who are not signed in go on reading", async () => {
    const { id } = await campus.club(president);
    await servers.caughtUp(replica);
    primary.pause();
    try {
      for (let i = 0; i < 10; i++) {
        expect(await ids()).toContain(id);
        await sleep(300);
      }
    } finally {
      primary.resume();
    }
    await eventually(async () => (await campus.call("GET", `/clubs/${id}`)).status === 200 || undefined);
  }, 40_000);
});

/** Metrics of a node on real servers: how busy its connections are, and what it tells while one of them stands still. */
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import type { Database } from "../../lib/database.ts";
import { DocumentMigrations } from "../../lib/documents/migrations.ts";
import { openMongo } from "../../lib/documents/mongo.ts";
import { newId } from "../../lib/ids.ts";
import { tell } from "../../lib/metrics.ts";
import { Migrations } from "../../lib/migrations.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { eventually } from "../support/eventually.ts";
import { scrape } from "../support/metrics.ts";
import type { Samples } from "../support/metrics.ts";
import { startPlace } from "../support/place.ts";
import type { Place } from "../support/place.ts";
import { startNats, startRedis } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startMongodb } from "../support/servers/mongodb.ts";
import { describeOwn, on, startReplication } from "../support/servers/replication.ts";
import type { Replication } from "../support/servers/replication.ts";

const CONNECTIONS = 20;
const LIMIT = 30_000;

describeOwn(["mariadb", "redis", "mongodb", "nats"], "metrics of a node on servers", () => {
  let sql: Replication;
  let redis: Server;
  let mongo: Server;
  let nats: Server;
  let place: Place;
  /** The replica's name in the metrics. */
  let replica: string;

  beforeAll(async () => {
    [sql, redis, mongo, nats] = await Promise.all([
      startReplication({ semiSync: false }),
      startRedis(),
      startMongodb({ kept: true }),
      startNats(),
    ]);
    const url = await sql.primary.database("clubs");
    const sequelize = new Sequelize(mysqlOptions(url));
    await new Migrations(sequelize, "clubs").up();
    await sequelize.close();
    const documents = openMongo(`${mongo.url}/posts`);
    await new DocumentMigrations(documents.db, "posts").up();
    await documents.close();
    const second = sql.replicas[0] as Server;
    replica = `clubs@127.0.0.1:${second.port}`;
    place = await startPlace(["clubs", "posts"], {
      CLUBS_DB_URL: url,
      CLUBS_DB_READ_URLS: on(second, url),
      POSTS_DB_URL: `${mongo.url}/posts`,
      REDIS_URL: redis.url,
      QUEUE_URL: nats.url,
      NAMESPACE: newId(),
    });
  }, 90_000);
  afterAll(async () => {
    for (const server of [sql?.primary, mongo, nats]) server?.resume();
    await place?.stop();
    await Promise.all([sql?.stop(), redis?.stop(), mongo?.stop(), nats?.stop()]);
  }, 60_000);

  const metrics = () => scrape(place.broker);
  const until = (holds: (seen: Samples) => boolean): Promise<Samples> =>
    eventually(async () => {
      const seen = await metrics();
      return holds(seen) ? seen : undefined;
    }, LIMIT);
  const up = (seen: Samples, store: string) => seen.value("club_alliance_store_up", { store });
  const database = (): Database => (place.broker.getLocalService("clubs") as unknown as DatabaseMethods).db;
  const used = (seen: Samples, store: string) =>
    seen.value("club_alliance_pool_connections", { store, state: "used" });

  test("all that it leans on is up, by its kind", async () => {
    const stores = [
      ["clubs", "mysql"],
      [replica, "mysql-replica"],
      ["posts", "mongodb"],
      ["redis", "redis"],
      ["queue", "jetstream"],
    ] as const;
    const seen = await until((now) => stores.every(([store]) => up(now, store) === 1));
    for (const [store, kind] of stores) {
      expect(seen.value("club_alliance_store_up", { store, kind })).toBe(1);
      expect(seen.value("club_alliance_store_response_seconds", { store, kind })).toBeLessThan(1);
    }
    expect(up(seen, "replicas")).toBeUndefined();
    for (const store of ["clubs", replica, "posts"])
      expect(seen.value("club_alliance_pool_limit", { store })).toBe(CONNECTIONS);
    expect(seen.value("club_alliance_replica_lag_seconds", { store: replica })).toBeGreaterThanOrEqual(0);
    for (const domain of ["clubs", "posts"])
      expect(seen.value("club_alliance_outbox_oldest_seconds", { domain })).toBe(0);
    await until((now) => now.value("club_alliance_queue_waiting", { service: "posts" }) === 0);
  });

  test("connections in use, and who waits for one", async () => {
    const gate = Promise.withResolvers<void>();
    const all = Array.from({ length: CONNECTIONS + 3 }, () =>
      database()
        .transaction(async (tx) => {
          await tx.number("SELECT 1");
          await gate.promise;
        })
        // Those in line may have waited too long.
        .catch(() => undefined),
    );
    const seen = await until(
      (now) =>
        used(now, "clubs") === CONNECTIONS &&
        (now.value("club_alliance_pool_waiting", { store: "clubs" }) ?? 0) >= 3,
    );
    expect(seen.value("club_alliance_pool_connections", { store: "clubs", state: "idle" })).toBe(0);
    gate.resolve();
    await Promise.all(all);
    await until((now) => (used(now, "clubs") ?? CONNECTIONS) < 3);
  });

  test("how far a replica is behind, and that it is gone", async () => {
    const [second] = sql.replicas;
    if (!second) throw new Error("There is no replica.");
    const lag = (seen: Samples) => seen.value("club_alliance_replica_lag_seconds", { store: replica });
    await sql.lag(second);
    const behind = await until((seen) => (lag(seen) ?? 0) > 1);
    expect(up(behind, replica)).toBe(1);
    await sql.resume(second);
    await until((seen) => (lag(seen) ?? 2) < 1);
    await second.kill();
    const gone = await until((seen) => up(seen, replica) === 0);
    expect(lag(gone)).toBeUndefined();
    expect(gone.of("club_alliance_store_response_seconds", { store: replica })).toEqual([]);
    expect(up(gone, "clubs")).toBe(1);
  }, 90_000);

  test("Redis is gone, and back", async () => {
    await redis.kill();
    const gone = await until((seen) => up(seen, "redis") === 0);
    expect(up(gone, "clubs")).toBe(1);
    await redis.restart();
    await until((seen) => up(seen, "redis") === 1);
  }, 90_000);

  /** Whether the metrics come while a question to a frozen server still waits for its end. */
  async function comesFirst(question: Promise<unknown>): Promise<boolean> {
    let waits = true;
    const ended = question.catch(() => undefined).finally(() => (waits = false));
    await metrics();
    const first = waits;
    await ended;
    return first;
  }

  test("MongoDB stands still: it is told, and the rest comes as ever", async () => {
    const documents = () => runtimeOf(place.broker).probes.get("posts")?.look() ?? Promise.resolve();
    mongo.pause();
    try {
      // The relay asks twice a second.
      await until((seen) => (used(seen, "posts") ?? 0) > 0);
      const frozen = await until((seen) => up(seen, "posts") === 0);
      expect(up(frozen, "clubs")).toBe(1);
      expect(frozen.value("club_alliance_outbox_waiting", { domain: "clubs" })).toBe(0);
      await until((seen) => seen.of("club_alliance_outbox_waiting", { domain: "posts" }).length === 0);
      expect(await comesFirst(documents())).toBe(true);
    } finally {
      mongo.resume();
    }
    await until((seen) => up(seen, "posts") === 1);
  }, 90_000);

  test("the queue's server stands still", async () => {
    nats.pause();
    try {
      await until((seen) => up(seen, "queue") === 0 && seen.of("club_alliance_queue_waiting").length === 0);
    } finally {
      nats.resume();
    }
    await until((seen) => seen.value("club_alliance_queue_waiting", { service: "posts" }) === 0);
  }, 90_000);

  test("MariaDB stands still; and what asks it without a limit holds the metrics up", async () => {
    const ask = () => database().primary.number("SELECT 1");
    sql.primary.pause();
    try {
      const frozen = await until((seen) => up(seen, "clubs") === 0);
      for (const name of ["club_alliance_sagas_open", "club_alliance_sagas_oldest_seconds"])
        expect([name, frozen.of(name)]).toEqual([name, []]);
      expect(up(frozen, "posts")).toBe(1);
      expect(await comesFirst(ask())).toBe(true);
      const question = ask();
      const untell = tell(runtimeOf(place.broker).metrics, "club_alliance_rosters_people", async () => {
        await question;
        return [];
      });
      expect(await comesFirst(question)).toBe(false);
      untell();
    } finally {
      sql.primary.resume();
    }
    await until((seen) => up(seen, "clubs") === 1);
  }, 90_000);
});

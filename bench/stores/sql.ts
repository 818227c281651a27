/** Clubs by key and in lists: through their service, with and without its cache, and by the driver alone. */
import { DatabaseSync } from "node:sqlite";
import path from "node:path";
import type { ServiceBroker } from "moleculer";
import { createPool } from "mysql2/promise";
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import { Migrations } from "../../lib/migrations.ts";
import { readSettings } from "../../lib/settings.ts";
import type { DatabaseMethods } from "../../mixins/database.ts";
import { createNode } from "../../moleculer.config.ts";
import { startMariadb, startRedis } from "../../test/support/servers/index.ts";
import type { Store } from "./ways.ts";

const CLUBS = 500;
export const PAGE = 50;
const ONE = "SELECT * FROM clubs WHERE id = ?";
const LIST = `SELECT * FROM clubs WHERE status = 'active' AND ready = 1 AND id > ? ORDER BY id LIMIT ${PAGE}`;

interface Node {
  broker: ServiceBroker;
  ids: string[];
}

async function clubsNode(env: Record<string, string>): Promise<Node> {
  const settings = readSettings({
    PORT: "0",
    HEALTH_PORT: "0",
    LOG_LEVEL: "fatal",
    LOG_FORMAT: "json",
    ...env,
  });
  const broker = await createNode(settings, ["clubs"]);
  await broker.start();
  const { db } = broker.getLocalService("clubs") as unknown as DatabaseMethods;
  const known = await db.primary.all<{ id: string }>("SELECT id FROM clubs");
  const ids = known.map(({ id }) => id);
  for (let n = ids.length; n < CLUBS; n += 1) ids.push(await addClub(db, n));
  return { broker, ids };
}

async function addClub(db: DatabaseMethods["db"], n: number): Promise<string> {
  const id = newId();
  const now = Date.now();
  await db.primary.run(
    `INSERT INTO clubs (id, name, name_key, sort_key, summary, description, category, tags, join_policy, questions,
       review_stages, status, version, revision, member_count, favorite_count, created_by, created_at, updated_at, saga_id, ready)
     VALUES (:id, :name, :name, :name, :text, :text, 'academic', '["chess","board games"]', 'review', '[]',
       '["officer"]', 'active', 1, 1, 1, 0, :id, :now, :now, :id, 1)`,
    { id, name: `club ${n}`, text: "We play chess on Wednesdays, and talk about it on Thursdays.", now },
  );
  return id;
}

const at = (ids: string[], n: number): string => ids[n % ids.length] as string;
const record =
  ({ broker, ids }: Node, cached: boolean) =>
  (n: number) =>
    broker.call("clubs.record", { id: at(ids, n) }, cached ? {} : { meta: { $cache: false } });
const page =
  ({ broker, ids }: Node) =>
  (n: number) =>
    broker.call("clubs.page", { after: at(ids, n % 100), limit: PAGE });

/** MariaDB by mysql2. */
export async function mariadbStore(dataDir: string): Promise<Store> {
  const [server, redis] = await Promise.all([startMariadb(), startRedis()]);
  const url = await server.database("clubs");
  const sequelize = new Sequelize(mysqlOptions(url));
  await new Migrations(sequelize, "clubs").up();
  await sequelize.close();
  const env = { DATA_DIR: path.join(dataDir, "mariadb"), CLUBS_DB_URL: url };
  const inMemory = await clubsNode(env);
  const inRedis = await clubsNode({ ...env, REDIS_URL: redis.url });
  const pool = createPool({ uri: url, connectionLimit: 10 });
  const { ids } = inMemory;
  return {
    title: "MariaDB",
    byKey: [
      { name: "mysql2 alone", read: (n) => pool.execute(ONE, [at(ids, n)]) },
      { name: "clubs.record, not cached", read: record(inMemory, false) },
      { name: "clubs.record from memory", cached: true, read: record(inMemory, true) },
      { name: "clubs.record from Redis", cached: true, read: record(inRedis, true) },
    ],
    lists: [
      { name: "mysql2 alone", read: (n) => pool.execute(LIST, [at(ids, n % 100)]) },
      { name: "clubs.page", read: page(inMemory) },
    ],
    async stop() {
      await Promise.all([inMemory.broker.stop(), inRedis.broker.stop(), pool.end()]);
      await Promise.all([server.stop(), redis.stop()]);
    },
  };
}

/** SQLite by node:sqlite, in this process: here the driver's share is the database's whole work. */
export async function sqliteStore(dataDir: string): Promise<Store> {
  const folder = path.join(dataDir, "sqlite");
  const node = await clubsNode({ DATA_DIR: folder });
  const db = new DatabaseSync(path.join(folder, "clubs.sqlite"), { readOnly: true });
  const [one, list] = [db.prepare(ONE), db.prepare(LIST)];
  const { ids } = node;
  return {
    title: "SQLite",
    byKey: [
      { name: "node:sqlite alone", read: async (n) => one.get(at(ids, n)) },
      { name: "clubs.record, not cached", read: record(node, false) },
      { name: "clubs.record from memory", cached: true, read: record(node, true) },
    ],
    lists: [
      { name: "node:sqlite alone", read: async (n) => list.all(at(ids, n % 100)) },
      { name: "clubs.page", read: page(node) },
    ],
    async stop() {
      db.close();
      await node.broker.stop();
    },
  };
}

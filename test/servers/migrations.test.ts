/** The migrations of each SQL domain on MariaDB. */
import { createConnection } from "mysql2/promise";
import type { RowDataPacket } from "mysql2/promise";
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import { Migrations } from "../../lib/migrations.ts";
import { SQL_DOMAINS } from "../../lib/settings.ts";
import { SHARD_KEYS } from "../../services/users/cross-shard.ts";
import { describeWith, startMariadb } from "../support/servers/index.ts";
import type { MariadbServer } from "../support/servers/index.ts";

describeWith(["mariadb"], "migrations on MariaDB", () => {
  let server: MariadbServer;
  beforeAll(async () => void (server = await startMariadb()), 60_000);
  afterAll(() => server.stop());

  test.each(SQL_DOMAINS)("of %s go there and back", async (domain) => {
    const sequelize = new Sequelize(mysqlOptions(await server.database(`${domain}_back`)));
    const migrations = new Migrations(sequelize, domain);
    const all = await migrations.up();
    expect(all.length).toBeGreaterThan(0);
    expect(await migrations.up()).toEqual([]);
    for (const name of all.toReversed()) expect(await migrations.down()).toEqual([name]);
    expect(await migrations.up()).toEqual(all);
    await sequelize.close();
  });

  test("of users shard the tables", async () => {
    const url = await server.database("users_sharded");
    const sequelize = new Sequelize(mysqlOptions(url));
    await new Migrations(sequelize, "users").up();
    await sequelize.close();
    const connection = await createConnection(url);
    const [rows] = await connection.query<RowDataPacket[]>(
      "SELECT table_name AS name, partition_expression AS shard, COUNT(*) AS n FROM information_schema.partitions WHERE table_schema = DATABASE() AND partition_name IS NOT NULL GROUP BY table_name, partition_expression",
    );
    connection.destroy();
    const keys = rows.map(({ name, shard }) => [name, String(shard).replaceAll("`", "")] as const);
    expect(Object.fromEntries(keys)).toEqual(SHARD_KEYS);
    expect(rows.every(({ n }) => n === 16)).toBe(true);
  });
});

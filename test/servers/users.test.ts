/** The tests of users once more, on MariaDB with its tables partitioned. */
import { createConnection } from "mysql2/promise";
import type { RowDataPacket } from "mysql2/promise";
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import { Migrations } from "../../lib/migrations.ts";
import { SHARD_KEYS } from "../../services/users/cross-shard.ts";
import { environment, startHouse } from "../support/users.ts";
import { describeWith, missing, startMariadb } from "../support/servers/index.ts";
import type { MariadbServer } from "../support/servers/index.ts";

let server: MariadbServer;
let databases = 0;

async function newDatabase(): Promise<string> {
  const url = await server.database(`users_${++databases}`);
  const sequelize = new Sequelize(mysqlOptions(url));
  await new Migrations(sequelize, "users").up();
  await sequelize.close();
  return url;
}

beforeAll(async () => {
  if (missing(["mariadb"]).length > 0) return;
  server = await startMariadb();
  environment.next = async () => ({ USERS_DB_URL: await newDatabase() });
}, 60_000);

describeWith(["mariadb"], "users on MariaDB", () => {
  test("is where what follows runs", async () => {
    const house = await startHouse();
    expect(house.db.sequelize.getDialect()).toBe("mysql");
    await house.stop();
  });

  test("migrations go there and back, and shard the tables", async () => {
    const url = await server.database("back");
    const sequelize = new Sequelize(mysqlOptions(url));
    const migrations = new Migrations(sequelize, "users");
    expect(await migrations.up()).toEqual(["0001-users"]);
    expect(await migrations.down()).toEqual(["0001-users"]);
    expect(await migrations.up()).toEqual(["0001-users"]);
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

if (missing(["mariadb"]).length === 0) {
  await import("../integration/users.test.ts");
  await import("../integration/users-accounts.test.ts");
  await import("../integration/users-erasure.test.ts");
  await import("../integration/users-lock.test.ts");
  await import("../integration/users-passwords.test.ts");
  await import("../integration/users-refresh.test.ts");
  await import("../integration/users-search.test.ts");
  await import("../integration/users-shards.test.ts");
}

// After those of the files above: hooks run in the order in which they are made.
afterAll(async () => server?.stop());

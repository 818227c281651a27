/** The tests of clubs, members and favorites once more, on MariaDB. */
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import { Migrations } from "../../lib/migrations.ts";
import { environment, startCampus } from "../support/clubs.ts";
import { describeWith, missing, startMariadb } from "../support/servers/index.ts";
import type { MariadbServer } from "../support/servers/index.ts";

let server: MariadbServer;
let databases = 0;

async function newDatabase(): Promise<string> {
  const url = await server.database(`clubs_${++databases}`);
  const sequelize = new Sequelize(mysqlOptions(url));
  await new Migrations(sequelize, "clubs").up();
  await sequelize.close();
  return url;
}

beforeAll(async () => {
  if (missing(["mariadb"]).length > 0) return;
  server = await startMariadb();
  environment.next = async () => ({ CLUBS_DB_URL: await newDatabase() });
}, 60_000);

describeWith(["mariadb"], "clubs on MariaDB", () => {
  test("is where what follows runs", async () => {
    const campus = await startCampus();
    expect(campus.db.sequelize.getDialect()).toBe("mysql");
    await campus.stop();
  });

  test("migrations go there and back", async () => {
    const url = await server.database("back");
    const sequelize = new Sequelize(mysqlOptions(url));
    const migrations = new Migrations(sequelize, "clubs");
    expect(await migrations.up()).toEqual(["0001-clubs"]);
    expect(await migrations.down()).toEqual(["0001-clubs"]);
    expect(await migrations.up()).toEqual(["0001-clubs"]);
    await sequelize.close();
  });
});

if (missing(["mariadb"]).length === 0) {
  await import("../integration/clubs.test.ts");
  await import("../integration/clubs-founding.test.ts");
  await import("../integration/clubs-members.test.ts");
  await import("../integration/clubs-people.test.ts");
}

// After those of the files above: hooks run in the order in which they are made.
afterAll(async () => server?.stop());

/** The tests of applications and reviews once more, on MariaDB. */
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import { Migrations } from "../../lib/migrations.ts";
import { environment, startStand } from "../support/applications.ts";
import { describeWith, missing, startMariadb } from "../support/servers/index.ts";
import type { MariadbServer } from "../support/servers/index.ts";

let server: MariadbServer;
let databases = 0;

async function newDatabase(): Promise<string> {
  const url = await server.database(`applications_${++databases}`);
  const sequelize = new Sequelize(mysqlOptions(url));
  await new Migrations(sequelize, "applications").up();
  await sequelize.close();
  return url;
}

beforeAll(async () => {
  if (missing(["mariadb"]).length > 0) return;
  server = await startMariadb();
  environment.next = async () => ({ APPLICATIONS_DB_URL: await newDatabase() });
}, 60_000);

describeWith(["mariadb"], "applications on MariaDB", () => {
  test("is where what follows runs", async () => {
    const stand = await startStand();
    expect(stand.db.sequelize.getDialect()).toBe("mysql");
    await stand.stop();
  });

  test("migrations go there and back", async () => {
    const url = await server.database("back");
    const sequelize = new Sequelize(mysqlOptions(url));
    const migrations = new Migrations(sequelize, "applications");
    expect(await migrations.up()).toEqual(["0001-applications"]);
    expect(await migrations.down()).toEqual(["0001-applications"]);
    expect(await migrations.up()).toEqual(["0001-applications"]);
    await sequelize.close();
  });
});

if (missing(["mariadb"]).length === 0) {
  await import("../integration/applications.test.ts");
  await import("../integration/applications-decisions.test.ts");
  await import("../integration/applications-erasure.test.ts");
  await import("../integration/applications-messages.test.ts");
  await import("../integration/reviews.test.ts");
}

// After those of the files above: hooks run in the order in which they are made.
afterAll(async () => server?.stop());

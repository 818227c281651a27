/** Fail-over of a SQL domain: the primary is killed under writes, a replica is promoted, and nothing told is lost. */
import { setTimeout as sleep } from "node:timers/promises";
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import { Migrations } from "../../lib/migrations.ts";
import { startStand } from "../support/applications.ts";
import type { Stand } from "../support/applications.ts";
import type { Campus } from "../support/clubs.ts";
import { startCampus } from "../support/clubs.ts";
import { eventually } from "../support/federation.ts";
import { startMariadb } from "../support/servers/mariadb.ts";
import type { MariadbServer } from "../support/servers/mariadb.ts";
import { describeOwn, on, sql, startReplication } from "../support/servers/replication.ts";
import type { Replication } from "../support/servers/replication.ts";
import { startToxiproxy } from "../support/servers/toxiproxy.ts";
import type { Proxy, Toxiproxy } from "../support/servers/toxiproxy.ts";

async function migrated(server: MariadbServer, domain: "clubs" | "applications"): Promise<string> {
  const url = await server.database(domain);
  const sequelize = new Sequelize(mysqlOptions(url));
  await new Migrations(sequelize, domain).up();
  await sequelize.close();
  return url;
}

/** Founds one club after the other, each with a key, and repeats what was refused until it is taken. */
class Founder {
  /** Names by the id that was answered. */
  readonly told = new Map<string, string>();
  refused = 0;
  readonly #campus: Campus;
  readonly #as: string;
  #stopped = false;
  #running: Promise<void>[] = [];

  constructor(campus: Campus) {
    this.#campus = campus;
    this.#as = campus.person("Founder");
  }

  start(workers: number): void {
    this.#running = Array.from({ length: workers }, (_, worker) => this.#work(worker));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #work(worker: number): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const name = `Club ${worker}-${n}`;
      const options = {
        as: this.#as,
        key: `founding-${worker}-${n}-0123`,
        body: this.#campus.fields({ name }),
      };
      for (let tries = 0; ; tries++) {
        const { status, body } = await this.#campus.call("POST", "/clubs", options);
        if (status < 400) {
          this.told.set(body.id, name);
          break;
        }
        if (tries > 200) throw new Error(`${name} was refused too often: ${status} ${JSON.stringify(body)}`);
        this.refused++;
        await sleep(200);
      }
    }
  }
}

describeOwn(["mariadb", "toxiproxy"], "clubs when the primary dies under writes", () => {
  let servers: Replication;
  let toxiproxy: Toxiproxy;
  let way: Proxy;
  let url: string;
  let campus: Campus;

  beforeAll(async () => {
    [servers, toxiproxy] = await Promise.all([startReplication(), startToxiproxy()]);
    url = await migrated(servers.primary, "clubs");
    way = await toxiproxy.proxy(`127.0.0.1:${servers.primary.port}`);
    campus = await startCampus({ CLUBS_DB_URL: on(way, url) });
  }, 60_000);
  afterAll(async () => {
    await campus?.stop();
    await Promise.all([servers?.stop(), toxiproxy?.stop()]);
  }, 30_000);

  const heir = () => servers.replicas[0] as MariadbServer;
  async function stored(): Promise<Map<string, string>> {
    const rows = await sql(on(heir(), url), "SELECT id, name FROM clubs");
    return new Map(rows.map((row) => [String(row["id"]), String(row["name"])]));
  }

  test("through a proxy that follows: writes go on by themselves, and every answer given holds", async () => {
    const founder = new Founder(campus);
    founder.start(4);
    await eventually(async () => founder.told.size >= 40 || undefined);
    await servers.primary.kill();
    await sleep(500);
    const before = founder.told.size;
    await servers.promote(heir());
    await way.point(`127.0.0.1:${heir().port}`);
    await eventually(async () => founder.told.size > before || undefined, 20_000);
    await eventually(async () => founder.told.size >= before + 20 || undefined, 20_000);
    await founder.stop();
    expect(founder.refused).toBeGreaterThan(0);
    const found = await stored();
    const lost = [...founder.told].filter(([id, name]) => found.get(id) !== name);
    expect(lost).toEqual([]);
    // Each exactly once, also those whose first answer was an error.
    expect(new Set(found.values()).size).toBe(found.size);
    expect(found.size).toBe(founder.told.size);
  }, 60_000);

  test("by a restart with the changed URL: the domain goes on from where it was", async () => {
    const found = await stored();
    const { world } = campus;
    await campus.stop();
    campus = await startCampus({ CLUBS_DB_URL: on(heir(), url) }, world);
    const president = campus.person("President");
    const { id } = await campus.club(president);
    expect(
      (await campus.ok<{ items: { id: string }[] }>("GET", "/clubs", { as: president })).items[0]?.id,
    ).toBe(id);
    expect((await stored()).size).toBe(found.size + 1);
  }, 30_000);
});

describeOwn(["mariadb"], "applications on a primary", () => {
  let server: MariadbServer;
  let stand: Stand;

  beforeAll(async () => {
    server = await startMariadb();
    stand = await startStand({ APPLICATIONS_DB_URL: await migrated(server, "applications") });
  }, 60_000);
  afterAll(async () => {
    await stand?.stop();
    await server?.stop();
  }, 30_000);

  test("killed: 503 until it is back, and what was answered is still there", async () => {
    const club = stand.club();
    const [early, late] = [stand.person(), stand.person()];
    const submit = (person: string) =>
      stand.send(person, "applications.submit", { id: club.id }, { key: `key-of-${person}` });
    const first = await submit(early);
    expect(first.status).toBeLessThan(300);
    await server.kill();
    const refused = await submit(late);
    expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "2"]);
    await server.restart();
    await eventually(async () => (await submit(late)).status < 300 || undefined, 20_000);
    const again = await submit(early);
    expect([again.headers["idempotency-replayed"], again.body]).toEqual(["true", first.body]);
    const held = await stand.db.primary.number("SELECT COUNT(*) AS n FROM applications");
    expect(held).toBe(2);
  }, 40_000);
});

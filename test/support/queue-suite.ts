/** What holds of every queue: on real servers, with consumers and brokers that die. */
import { setTimeout as sleep } from "node:timers/promises";
import { Sequelize } from "sequelize";
import { Database, mysqlOptions } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import { Migrations } from "../../lib/migrations.ts";
import { openQueue } from "../../lib/queue/index.ts";
import type { Queue } from "../../lib/queue/index.ts";
import { eventually } from "./eventually.ts";
import { launch } from "./node-process.ts";
import type { ClusterNode } from "./node-process.ts";
import { startMariadb } from "./servers/index.ts";
import type { MariadbServer, Server } from "./servers/index.ts";

export interface Brokers {
  url: string;
  nodes: Server[];
  /** Until it takes messages again, after a restart. */
  whole(): Promise<void>;
  stop(): Promise<void>;
}

const AGGREGATES = 100;
const VERSIONS = 100;
const LIMIT = 240_000;

export function queueSuite(startBrokers: () => Promise<Brokers>): void {
  let brokers: Brokers;
  let mariadb: MariadbServer;
  beforeAll(async () => {
    [brokers, mariadb] = await Promise.all([startBrokers(), startMariadb()]);
  }, 90_000);
  afterAll(async () => {
    await Promise.all([brokers.stop(), mariadb.stop()]);
  });

  describe("the interface", () => {
    let queue: Queue;
    const topology = new Map([["taker", ["things.made", "things.gone"]]]);
    beforeAll(async () => {
      queue = await openQueue(brokers.url, { namespace: `n${newId()}`, topology, tell: () => undefined });
      await eventually(async () => (await queue.waiting("taker")) ?? undefined, 20_000);
    }, 30_000);
    afterAll(() => queue.close());

    const message = (key: string, n: number) => ({
      id: newId(),
      type: "things.made",
      key,
      body: JSON.stringify({ key, n }),
    });

    test("keeps what it confirms until somebody takes it, and gives each key's in order", async () => {
      const sent = Array.from({ length: 40 }, (_, n) => message(`key-${n % 4}`, n));
      expect(await queue.publish(sent)).toEqual(sent.map(({ id }) => id));
      expect(await queue.waiting("taker")).toBe(40);
      const got: { key: string; n: number }[] = [];
      const subscription = queue.subscribe("taker", async ({ body }) => {
        await sleep(1);
        got.push(JSON.parse(body) as { key: string; n: number });
      });
      await eventually(async () => got.length >= 40 || undefined);
      expect(got).toHaveLength(40);
      for (const key of ["key-0", "key-1", "key-2", "key-3"]) {
        const order = got.filter((each) => each.key === key).map(({ n }) => n);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }
      await eventually(async () => (await queue.waiting("taker")) === 0 || undefined);
      await subscription.stop();
    });

    test("gives a message again that was given back, before the next of its key", async () => {
      const [first, second] = [message("one", 1), message("one", 2)];
      const got: number[] = [];
      const subscription = queue.subscribe("taker", async ({ body }) => {
        const { n } = JSON.parse(body) as { n: number };
        got.push(n);
        if (got.length === 1) throw new Error("not now");
      });
      await queue.publish([first, second]);
      await eventually(async () => got.length >= 3 || undefined);
      expect(got).toEqual([1, 1, 2]);
      await subscription.stop();
    });

    test("drops a type that nobody takes, and confirms it", async () => {
      const one = { ...message("key", 1), type: "things.changed" };
      expect(await queue.publish([one])).toEqual([one.id]);
      expect(await queue.waiting("taker")).toBe(0);
    });
  });

  describe("10,000 messages while consumers and brokers are killed", () => {
    let db: Database;
    let env: Record<string, string>;
    const workers: ClusterNode[] = [];
    const work = async (): Promise<void> => {
      const worker = launch("test/support/queue-worker.ts", "", env);
      workers.push(worker);
      await eventually(
        async () => worker.health || undefined,
        20_000,
        () => worker.log.join("\n"),
      );
    };
    const effects = (): Promise<number> => db.primary.number("SELECT COUNT(*) AS n FROM effects");

    beforeAll(async () => {
      const url = await mariadb.database("clubs");
      const sequelize = new Sequelize(mysqlOptions(url));
      await new Migrations(sequelize, "clubs").up();
      db = new Database(sequelize);
      await db.primary.run(
        "CREATE TABLE effects (seq BIGINT AUTO_INCREMENT PRIMARY KEY, message VARCHAR(36), aggregate VARCHAR(36), version BIGINT)",
      );
      env = {
        PATH: process.env["PATH"] ?? "",
        CLUBS_DB_URL: url,
        QUEUE_URL: brokers.url,
        NAMESPACE: `n${newId()}`,
        HEALTH_PORT: "0",
        LOG_LEVEL: "fatal",
        LOG_FORMAT: "json",
      };
      await tellAll(db, "changed");
    }, 60_000);
    afterAll(async () => {
      for (const worker of workers) worker.kill("SIGKILL");
      await Promise.all(workers.map(({ exited }) => exited));
      await db.sequelize.close();
    });

    test(
      "each has its effect once, and those of one aggregate in order",
      async () => {
        await Promise.all([work(), work(), work()]);
        const end = Date.now() + LIMIT;
        // Kills at times that differ from run to run, about half a minute long; then it only has to come to its end.
        for (let round = 0; round < 8 && (await effects()) < AGGREGATES * VERSIONS; round++) {
          await sleep(1_500 + Math.random() * 2_000);
          const victim = workers[Math.floor(Math.random() * workers.length)] as ClusterNode;
          victim.kill("SIGKILL");
          await victim.exited;
          workers.splice(workers.indexOf(victim), 1);
          await work();
          if (round % 3 !== 1) continue;
          const broker = brokers.nodes[Math.floor(Math.random() * brokers.nodes.length)] as Server;
          await broker.kill();
          await sleep(Math.random() * 1_000);
          await broker.restart();
        }
        await brokers.whole();
        await eventually(
          async () => (await effects()) >= AGGREGATES * VERSIONS || undefined,
          end - Date.now(),
          () => workers.flatMap(({ log }) => log.slice(-5)).join("\n"),
        );
        await sleep(1_000); // a second effect would come now
        const rows = await db.primary.all<{ aggregate: string; version: number; message: string }>(
          "SELECT aggregate, version, message FROM effects ORDER BY seq",
        );
        expect(rows).toHaveLength(AGGREGATES * VERSIONS);
        expect(new Set(rows.map(({ message }) => message)).size).toBe(rows.length);
        const last = new Map<string, number>();
        for (const { aggregate, version } of rows) {
          expect(version).toBe((last.get(aggregate) ?? 0) + 1);
          last.set(aggregate, version);
        }
      },
      LIMIT + 30_000,
    );

    // The second has this consumer alone.
    const types = ["clubs.updated", "clubs.reviewOutdated"];
    test.each(types)(
      "what a consumer refuses of %s stops nobody, and becomes a dead letter that is kept",
      async (type) => {
        const [refused, fine] = [await tell(db, type, "refused"), await tell(db, type, "fine")];
        const dead = async (): Promise<number> => {
          // Spares the waits. A publisher at work may make it a deadlock, after which it runs again.
          await db.transaction((tx) => tx.run("UPDATE outbox SET due_at = 0 WHERE published_at IS NULL"));
          return db.primary.number("SELECT COUNT(*) AS n FROM dead_letters WHERE id = :id", {
            id: `${refused}:reviews.onClubChanged`,
          });
        };
        // After a broker's restart ten minutes of messages come once more, before these.
        await eventually(async () => (await dead()) === 1 || undefined, LIMIT);
        const taken = (): Promise<number> =>
          db.primary.number("SELECT COUNT(*) AS n FROM effects WHERE message = :fine", { fine });
        await eventually(async () => (await taken()) > 0 || undefined, LIMIT);
        expect(await taken()).toBe(1);
      },
      LIMIT + 30_000,
    );
  });
}

async function tellAll(db: Database, name: string): Promise<void> {
  const ids = Array.from({ length: AGGREGATES }, () => newId());
  for (let version = 1; version <= VERSIONS; version++)
    await db.transaction(async (tx) => {
      for (const id of ids)
        await tx.tell({ type: "clubs.updated", aggregate: { type: "club", id, version }, data: { name } });
    });
}

async function tell(db: Database, type: string, name: string): Promise<string> {
  return db.transaction((tx) =>
    tx.tell({ type, aggregate: { type: "club", id: newId(), version: 1 }, data: { name } }),
  );
}

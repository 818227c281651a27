import { connect } from "amqplib";
import { Sequelize } from "sequelize";
import { Database, mysqlOptions } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import { Migrations } from "../../lib/migrations.ts";
import { openQueue } from "../../lib/queue/index.ts";
import { sqlOutbox } from "../../mixins/outbox-sql.ts";
import { Publisher } from "../../mixins/publishing.ts";
import { eventually } from "../support/eventually.ts";
import { queueSuite } from "../support/queue-suite.ts";
import { describeWith, startMariadb } from "../support/servers/index.ts";
import type { MariadbServer } from "../support/servers/index.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import type { RabbitmqServer } from "../support/servers/rabbitmq.ts";

describeWith(["rabbitmq", "mariadb"], "the queue on RabbitMQ", () => {
  queueSuite(async () => {
    const server = await startRabbitmq();
    return { url: server.url, nodes: [server], whole: async () => undefined, stop: () => server.stop() };
  });
});

describeWith(["rabbitmq", "mariadb"], "a broker that dies with what it has confirmed", () => {
  const MESSAGES = 500;
  let server: RabbitmqServer;
  let mariadb: MariadbServer;
  let db: Database;
  beforeAll(async () => {
    [server, mariadb] = await Promise.all([startRabbitmq(), startMariadb()]);
    const sequelize = new Sequelize(mysqlOptions(await mariadb.database("clubs")));
    await new Migrations(sequelize, "clubs").up();
    db = new Database(sequelize);
  }, 90_000);
  afterAll(async () => {
    await db.sequelize.close();
    await Promise.all([server.stop(), mariadb.stop()]);
  });

  /** Messages that wait after they were published and confirmed, and the broker was killed and started again. */
  async function afterDeath({ wiped, again }: { wiped: boolean; again: boolean }): Promise<number> {
    await db.primary.run("DELETE FROM outbox WHERE id IS NOT NULL");
    await tellMany(db, MESSAGES);
    const topology = new Map([["taker", ["clubs.updated"]]]);
    const queue = await openQueue(server.url, { namespace: `n${newId()}`, topology, tell: () => undefined });
    const publisher = new Publisher(queue, "clubs", sqlOutbox(db));
    const allPublished = () =>
      eventually(async () => {
        await publisher.drain(() => false);
        const left = await db.primary.number("SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL");
        return left === 0 || undefined;
      }, 20_000);
    try {
      await allPublished();
      const back = new Promise<void>((resolve) => {
        queue.onReconnect(() => void (again ? publisher.republish() : Promise.resolve()).then(resolve));
      });
      await server.kill();
      if (wiped) await server.wipe();
      await server.restart();
      await back;
      await allPublished();
      return await eventually(async () => (await queue.waiting("taker")) ?? undefined);
    } finally {
      await publisher.stop();
      await queue.close();
    }
  }

  test("soon after declaring a queue loses messages; publishing again what is recent brings them back", async () => {
    let waiting = MESSAGES;
    for (let attempt = 0; attempt < 4 && waiting === MESSAGES; attempt++) waiting = await tooEarly(server);
    expect(waiting).toBeLessThan(MESSAGES);
    expect(await afterDeath({ wiped: false, again: true })).toBeGreaterThanOrEqual(MESSAGES);
  }, 120_000);

  test("and with its disk: what is recent is published again, and without that is lost", async () => {
    expect(await afterDeath({ wiped: true, again: true })).toBe(MESSAGES);
    expect(await afterDeath({ wiped: true, again: false })).toBe(0);
  }, 120_000);

  /** By the client alone: a quorum queue, messages at once, and the end. */
  async function tooEarly({ url, kill, restart }: RabbitmqServer): Promise<number> {
    const name = newId();
    const connection = await connect(url);
    connection.on("error", () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on("error", () => undefined);
    await channel.assertQueue(name, { durable: true, arguments: { "x-queue-type": "quorum" } });
    for (let n = 0; n < MESSAGES; n++) channel.sendToQueue(name, Buffer.from("{}"), { persistent: true });
    await channel.waitForConfirms();
    await kill();
    await restart();
    const after = await connect(url);
    const { messageCount } = await (await after.createChannel()).checkQueue(name);
    await after.close();
    return messageCount;
  }
});

async function tellMany(db: Database, count: number): Promise<void> {
  await db.transaction(async (tx) => {
    for (let n = 0; n < count; n++) {
      const aggregate = { type: "club", id: newId(), version: 1 };
      await tx.tell({ type: "clubs.updated", aggregate, data: { name: "Chess" } });
    }
  });
}

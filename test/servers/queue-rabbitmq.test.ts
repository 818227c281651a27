import { connect } from "amqplib";
import { Sequelize } from "sequelize";
import { Database, mysqlOptions } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import { Migrations } from "../../lib/migrations.ts";
import { openQueue, partitionOf } from "../../lib/queue/index.ts";
import { sqlOutbox } from "../../mixins/outbox-sql.ts";
import { Publisher } from "../../mixins/publishing.ts";
import { eventually } from "../support/eventually.ts";
import { launch } from "../support/node-process.ts";
import { queueSuite } from "../support/queue-suite.ts";
import { dieOf, waitingIn } from "../support/rabbitmq-client.ts";
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
        queue.onReconnect(() => {
          if (again) publisher.lost();
          resolve();
        });
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

  test("while a connection is made, before anybody subscribed: it is made anew", async () => {
    const namespace = `n${newId()}`;
    const topology = new Map([["taker", ["clubs.updated"]]]);
    const queue = await openQueue(server.url, { namespace, topology, tell: () => undefined });
    try {
      // The last that is declared; then come the three seconds in which nothing is asked of the connection.
      await eventually(async () => (await waitingIn(server.url, `${namespace}.queue.taker.3`)) ?? undefined);
      await server.kill();
      await server.wipe(); // else a queue that is so new may never have a leader again
      await server.restart();
      const one = { id: newId(), type: "clubs.updated", key: "key", body: "{}" };
      await eventually(async () => (await queue.publish([one])).length === 1 || undefined);
      expect(await queue.waiting("taker")).toBe(1);
    } finally {
      await queue.close();
    }
  }, 60_000);

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

describeWith(["rabbitmq", "mariadb"], "a message that its consumers die of", () => {
  let server: RabbitmqServer;
  let mariadb: MariadbServer;
  let db: Database;
  let clubs: string;
  beforeAll(async () => {
    [server, mariadb] = await Promise.all([startRabbitmq(), startMariadb()]);
    clubs = await mariadb.database("clubs");
    const sequelize = new Sequelize(mysqlOptions(clubs));
    await new Migrations(sequelize, "clubs").up();
    db = new Database(sequelize);
    await db.primary.run(
      "CREATE TABLE effects (seq BIGINT AUTO_INCREMENT PRIMARY KEY, message VARCHAR(36), aggregate VARCHAR(36), version BIGINT)",
    );
  }, 90_000);
  afterAll(async () => {
    await db.sequelize.close();
    await Promise.all([server.stop(), mariadb.stop()]);
  });

  /** Publishes a message of clubs, whose consumers die of it so often, and gives it to one that lives. */
  async function afterDeaths(deaths: number): Promise<{ effects: number; deadLetters: number }> {
    await db.primary.run("DELETE FROM outbox WHERE id IS NOT NULL");
    const [namespace, aggregate] = [`n${newId()}`, newId()];
    const type = "clubs.reviewOutdated";
    const topology = new Map([["reviews", [type]]]);
    const queue = await openQueue(server.url, { namespace, topology, tell: () => undefined });
    const publisher = new Publisher(queue, "clubs", sqlOutbox(db));
    const id = await db.transaction((tx) =>
      tx.tell({ type, aggregate: { type: "club", id: aggregate, version: 1 }, data: { name: "deadly" } }),
    );
    await eventually(async () => {
      await publisher.drain(() => false);
      return (await queue.waiting("reviews")) === 1 || undefined;
    });
    await publisher.stop();
    await queue.close();
    await dieOf(server.url, `${namespace}.queue.reviews.${partitionOf(aggregate)}`, deaths);
    const node = launch("test/support/queue-worker.ts", "", {
      PATH: process.env["PATH"] ?? "",
      CLUBS_DB_URL: clubs,
      QUEUE_URL: server.url,
      NAMESPACE: namespace,
      HEALTH_PORT: "0",
      LOG_LEVEL: "fatal",
      LOG_FORMAT: "json",
    });
    try {
      const count = (from: string, of: Record<string, string>) =>
        db.primary.number(`SELECT COUNT(*) AS n FROM ${from}`, of);
      return await eventually(
        async () => {
          const effects = await count("effects WHERE message = :id", { id });
          const letter = `${id}:reviews.onClubChanged`;
          const deadLetters = await count("dead_letters WHERE id = :letter", { letter });
          return effects + deadLetters > 0 ? { effects, deadLetters } : undefined;
        },
        40_000,
        () => node.log.join("\n"),
      );
    } finally {
      node.kill();
      await node.exited;
    }
  }

  test("becomes a dead letter, while RabbitMQ 4 would still hand it out", async () => {
    expect(await afterDeaths(11)).toEqual({ effects: 0, deadLetters: 1 });
  }, 90_000);

  test("and has its effect, if one lives in time", async () => {
    expect(await afterDeaths(10)).toEqual({ effects: 1, deadLetters: 0 });
  }, 90_000);

  test("is dropped by the broker at its limit, which RabbitMQ 4 has for every quorum queue", async () => {
    const connection = await connect(server.url);
    const channel = await connection.createConfirmChannel();
    const name = newId();
    const limited = { "x-queue-type": "quorum", "x-delivery-limit": 20 };
    await channel.assertQueue(name, { durable: true, arguments: limited });
    channel.sendToQueue(name, Buffer.from("{}"), { persistent: true });
    await channel.waitForConfirms();
    await dieOf(server.url, name, 20);
    expect(await eventually(async () => (await waitingIn(server.url, name)) || undefined)).toBe(1);
    await dieOf(server.url, name, 1);
    await eventually(async () => (await waitingIn(server.url, name)) === 0 || undefined);
    await connection.close();
  }, 60_000);

  test("is also counted by the header that RabbitMQ 4.3 has for all that came back", async () => {
    const namespace = `n${newId()}`;
    const topology = new Map([["taker", ["things.made"]]]);
    const queue = await openQueue(server.url, { namespace, topology, tell: () => undefined });
    const got: number[] = [];
    queue.subscribe("taker", async ({ redeliveries }) => void got.push(redeliveries));
    await eventually(async () => (await queue.waiting("taker")) ?? undefined);
    const connection = await connect(server.url);
    const channel = await connection.createConfirmChannel();
    for (const headers of [{}, { "x-acquired-count": 12, "x-delivery-count": 3 }, { "x-delivery-count": 4 }])
      channel.publish(`${namespace}.queue`, "0.things.made", Buffer.from("{}"), { headers });
    await channel.waitForConfirms();
    await eventually(async () => got.length === 3 || undefined);
    expect(got).toEqual([0, 12, 4]);
    await connection.close();
    await queue.close();
  }, 60_000);
});

describeWith(["rabbitmq"], "services that subscribe while a connection is made", () => {
  let server: RabbitmqServer;
  beforeAll(async () => {
    server = await startRabbitmq();
  }, 90_000);
  afterAll(() => server.stop());

  test("have all their messages, each once", async () => {
    const early = ["early-0", "early-1", "early-2"];
    const late = ["late-0", "late-1", "late-2"];
    const services = [...early, ...late, "last"];
    const topology = new Map(services.map((each) => [each, ["things.made"]]));
    const options = { namespace: `n${newId()}`, topology, tell: () => undefined };
    const numbers = (from: number): number[] => Array.from({ length: 20 }, (_, n) => from + n);
    const lot = (from: number) =>
      numbers(from).map((n) => ({ id: newId(), type: "things.made", key: `key-${n}`, body: String(n) }));
    const before = await openQueue(server.url, options);
    await eventually(async () => (await before.waiting("last")) ?? undefined);
    expect(await before.publish(lot(0))).toHaveLength(20);
    await before.close();

    const queue = await openQueue(server.url, options);
    const got = new Map<string, number[]>(services.map((each) => [each, []]));
    let meanwhile: Promise<number | null> | undefined;
    const take = (service: string): void => {
      queue.subscribe(service, async ({ body }) => {
        got.get(service)?.push(Number(body));
        if (meanwhile) return;
        // The first of the early ones is consumed, the others are not yet.
        for (const each of late) take(each);
        meanwhile = queue.waiting("last");
      });
    };
    for (const each of early) take(each);
    await eventually(async () => (await queue.waiting("last")) ?? undefined);
    take("last");
    expect(await queue.publish(lot(20))).toHaveLength(20);
    const total = (): number => [...got.values()].flat().length;
    await eventually(
      async () => total() >= 40 * services.length || undefined,
      10_000,
      () => JSON.stringify([...got].map(([service, { length }]) => [service, length])),
    );
    for (const each of services)
      expect(got.get(each)?.toSorted((a, b) => a - b)).toEqual([...numbers(0), ...numbers(20)]);
    // They came in the gap: it was not open then.
    expect(await meanwhile).toBeNull();
    await queue.close();
  }, 60_000);
});

async function tellMany(db: Database, count: number): Promise<void> {
  await db.transaction(async (tx) => {
    for (let n = 0; n < count; n++) {
      const aggregate = { type: "club", id: newId(), version: 1 };
      await tx.tell({ type: "clubs.updated", aggregate, data: { name: "Chess" } });
    }
  });
}

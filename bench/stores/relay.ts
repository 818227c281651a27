/** How fast the outbox gets to JetStream, against publishing the same messages without an outbox. */
import { setTimeout as sleep } from "node:timers/promises";
import { Sequelize } from "sequelize";
import { connect } from "nats";
import { Database, mysqlOptions } from "../../lib/database.ts";
import { newId } from "../../lib/ids.ts";
import { Migrations } from "../../lib/migrations.ts";
import { openQueue } from "../../lib/queue/index.ts";
import { sqlOutbox } from "../../mixins/outbox-sql.ts";
import { Publisher } from "../../mixins/publishing.ts";
import { startMariadb } from "../../test/support/servers/index.ts";
import { startNatsCluster } from "../../test/support/servers/nats-cluster.ts";
import type { Result } from "../support/rounds.ts";

const MESSAGES = 5_000;
/** As many at once as the relay publishes. */
const BATCH = 500;

/** Microseconds per message, in each round: published by the client alone, and by the relay from the outbox. */
export async function measureRelay(rounds: number, tell: (text: string) => void): Promise<Result[]> {
  const [nats, mariadb] = await Promise.all([startNatsCluster(), startMariadb()]);
  const sequelize = new Sequelize(mysqlOptions(await mariadb.database("clubs")));
  await new Migrations(sequelize, "clubs").up();
  const db = new Database(sequelize);
  const namespace = "bench";
  const topology = new Map([["taker", ["clubs.updated"]]]);
  const queue = await openQueue(nats.url, { namespace, topology, tell });
  const connection = await connect({ servers: nats.nodes.map(({ port }) => `127.0.0.1:${port}`) });
  const client = connection.jetstream();
  const publisher = new Publisher(queue, "clubs", sqlOutbox(db));
  const results = ["JetStream's client alone", "the relay, from the outbox"].map((name): Result => ({
    name,
    rounds: [],
    shares: {},
  }));
  try {
    while ((await queue.waiting("taker")) === null) await sleep(50);
    for (let round = 0; round <= rounds; round += 1) {
      tell(`round ${round} of ${rounds}`);
      const envelopes = await fill(db);
      const raw = await took(async () => {
        for (let at = 0; at < envelopes.length; at += BATCH)
          await Promise.all(
            envelopes
              .slice(at, at + BATCH)
              .map((body) => client.publish(`${namespace}.queue.0.clubs.updated`, body, { msgID: newId() })),
          );
      });
      const relay = await took(() => publisher.drain(() => false));
      const left = await db.primary.number("SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL");
      if (left > 0) throw new Error(`The relay has left ${left} messages.`);
      // The first one warms up.
      if (round === 0) continue;
      results[0]?.rounds.push(raw);
      results[1]?.rounds.push(relay);
    }
  } finally {
    await Promise.all([queue.close(), connection.close(), sequelize.close()]);
    await Promise.all([nats.stop(), mariadb.stop()]);
  }
  return results;
}

async function took(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return ((performance.now() - begun) * 1_000) / MESSAGES;
}

async function fill(db: Database): Promise<string[]> {
  await db.primary.run("DELETE FROM outbox WHERE id IS NOT NULL");
  for (let n = 0; n < MESSAGES / BATCH; n += 1)
    await db.transaction(async (tx) => {
      for (let m = 0; m < BATCH; m += 1)
        await tx.tell({
          type: "clubs.updated",
          aggregate: { type: "club", id: newId(), version: 1 },
          data: { name: "Chess", status: "active" },
        });
    });
  const rows = await db.primary.all<{ envelope: string }>("SELECT envelope FROM outbox");
  return rows.map(({ envelope }) => envelope);
}

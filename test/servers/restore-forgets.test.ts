/** What a restore takes out of the queue and of search, with no more rights than it has. */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "nats";
import { newId } from "../../lib/ids.ts";
import { natsUsers, RESTORE } from "../../lib/nats-permissions.ts";
import { natsOptions } from "../../lib/nats.ts";
import { openQueue } from "../../lib/queue/index.ts";
import type { Queue, QueueMessage } from "../../lib/queue/index.ts";
import { readSettings } from "../../lib/settings.ts";
import { DOMAINS } from "../../moleculer.config.ts";
import { forgetIndices, forgetMessages } from "../../scripts/backup/settling.ts";
import { talkOf } from "../../scripts/nats-talk.ts";
import { eventually } from "../support/eventually.ts";
import { startElasticsearch } from "../support/servers/elasticsearch.ts";
import { describeWith } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startNatsCluster } from "../support/servers/nats-cluster.ts";
import type { NatsCluster } from "../support/servers/nats-cluster.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import type { RabbitmqServer } from "../support/servers/rabbitmq.ts";

const NAMESPACE = "campus";
const SERVICE = "search";
const settings = (more: Record<string, string>) => readSettings({ NAMESPACE, ...more });

/**
 * Ten messages wait, are forgotten, and the same ones are published again: a server that drops repeats must take them.
 * @param domainUrl of a node's user @param url the restore's
 */
async function forgetAndRepeat(domainUrl: string, url: string): Promise<void> {
  const messages = Array.from({ length: 10 }, () => ({
    id: newId(),
    type: "clubs.updated",
    key: newId(),
    body: "{}",
  }));
  await withQueue(domainUrl, async (queue, waits) => {
    await publishAll(queue, messages);
    await waits(10);
  });
  await forgetMessages(settings({ QUEUE_URL: url }));
  await withQueue(domainUrl, async (queue, waits) => {
    await waits(0);
    await publishAll(queue, messages);
    await waits(10);
    // The control: a repeat is dropped, or comes again where the server keeps no ids.
    await publishAll(queue, messages);
    await waits(url.startsWith("amqp") ? 20 : 10);
  });
}

/** As a node has it that starts. */
async function withQueue(
  url: string,
  work: (queue: Queue, waits: (count: number) => Promise<true>) => Promise<void>,
): Promise<void> {
  const topology = new Map([[SERVICE, ["clubs.updated"]]]);
  const queue = await openQueue(url, { namespace: NAMESPACE, topology, tell: () => undefined });
  try {
    await work(queue, (count) =>
      eventually(async () => (await queue.waiting(SERVICE)) === count || undefined, 20_000),
    );
  } finally {
    await queue.close();
  }
}

const publishAll = (queue: Queue, messages: readonly QueueMessage[]): Promise<true> =>
  eventually(async () => (await queue.publish(messages)).length === messages.length || undefined, 20_000);

describeWith(["nats"], "a restore and JetStream", () => {
  let nats: NatsCluster;
  const urlOf = (user: string) => nats.urlOf(user, "secret");

  beforeAll(async () => {
    const passwords = new Map([...DOMAINS, RESTORE].map((user) => [user, "secret"]));
    nats = await startNatsCluster({ config: natsUsers(passwords, NAMESPACE, talkOf()) });
  }, 60_000);
  afterAll(() => nats?.stop());

  test("has nothing to forget where no node ever was", async () => {
    await forgetMessages(settings({ QUEUE_URL: urlOf(RESTORE) }));
  });

  test("forgets what waits, and the same may come again at once", async () => {
    await forgetAndRepeat(urlOf("clubs"), urlOf(RESTORE));
  }, 60_000);

  test("no node's user may do it", async () => {
    await expect(forgetMessages(settings({ QUEUE_URL: urlOf("clubs") }))).rejects.toThrow(/permission/i);
  });

  test("its user hears nothing and tells nothing", async () => {
    const [restore, clubs] = await Promise.all(
      [RESTORE, "clubs"].map((user) => connect({ ...natsOptions(urlOf(user)), reconnect: false })),
    );
    if (!restore || !clubs) throw new Error("not connected");
    try {
      const refused = new Promise<boolean>((resolve) => {
        restore.subscribe(`MOL-${NAMESPACE}.>`, { callback: (error) => resolve(error !== null) });
        setTimeout(() => resolve(false), 2_000);
      });
      expect(await refused).toBe(true);
      let heard = false;
      clubs.subscribe(`MOL-${NAMESPACE}.REQ.clubs.*`, { callback: () => (heard = true) });
      await clubs.flush();
      restore.publish(`MOL-${NAMESPACE}.REQ.clubs.host~1`, "{}");
      await restore.flush();
      await sleep(300);
      expect(heard).toBe(false);
    } finally {
      await Promise.all([restore.close(), clubs.close()]);
    }
  });
});

describeWith(["rabbitmq"], "a restore and RabbitMQ", () => {
  let server: RabbitmqServer;
  beforeAll(async () => void (server = await startRabbitmq()), 90_000);
  afterAll(() => server?.stop());

  test("forgets what waits, also where there is nothing", async () => {
    await forgetMessages(settings({ QUEUE_URL: server.url }));
    await forgetAndRepeat(server.url, server.url);
  }, 90_000);
});

describeWith(["elasticsearch"], "a restore and Elasticsearch", () => {
  let server: Server;
  beforeAll(async () => void (server = await startElasticsearch()), 120_000);
  afterAll(() => server?.stop());

  test("deletes the indices of its cluster and no others", async () => {
    const names = ["campus-clubs-1a-1", "campus-posts-2b-1", "campus-logs", "other-clubs-1a-1"];
    for (const name of names) expect((await fetch(`${server.url}/${name}`, { method: "PUT" })).ok).toBe(true);
    const forget = () => forgetIndices(settings({ ELASTICSEARCH_URL: server.url }));
    expect(await forget()).toBe(2);
    const left = Object.keys((await (await fetch(`${server.url}/_all/_alias`)).json()) as object);
    expect(left.filter((name) => names.includes(name)).toSorted()).toEqual([
      "campus-logs",
      "other-clubs-1a-1",
    ]);
    expect(await forget()).toBe(0);
  });
});

/** The queue on RabbitMQ: a topic exchange, a quorum queue for each service and partition with one consumer at a time. */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "amqplib";
import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage } from "amqplib";
import { partitionOf, PARTITIONS } from "./index.ts";
import type { Delivery, Queue, QueueMessage, QueueOptions } from "./index.ts";

/** Milliseconds. */
const RETRY = 1_000;
const CONNECT_LIMIT = 5_000;
const CONFIRM_LIMIT = 5_000;
/** Killed within a second of a queue's declaration, a broker has left it without a leader for good (seen with 3.10). */
const SETTLE = 3_000;
/** Seconds: a broker that is silent twice as long is taken for dead. */
const HEARTBEAT = 5;
/** How each queue is declared; with another argument, such as a delivery limit, those that are there would be refused. */
const DECLARED = {
  durable: true,
  arguments: { "x-queue-type": "quorum", "x-single-active-consumer": true },
};

interface Open {
  connection: ChannelModel;
  publishing: ConfirmChannel;
  /** For declarations and questions. */
  asking: Channel;
  /** Resolves when the connection has closed, for whatever reason. */
  over: Promise<void>;
}

interface Subscription {
  service: string;
  handle: (delivery: Delivery) => Promise<void>;
  channel: Channel | null;
  working: Set<Promise<void>>;
  stopped: boolean;
}

export class RabbitQueue implements Queue {
  readonly #url: string;
  readonly #options: QueueOptions;
  readonly #exchange: string;
  readonly #listeners: (() => void)[] = [];
  readonly #subscriptions = new Set<Subscription>();
  #open: Open | null = null;
  #closed = false;

  constructor(url: string, options: QueueOptions) {
    this.#url = url;
    this.#options = options;
    this.#exchange = exchangeOf(options.namespace);
    void this.#keepConnected();
  }

  async publish(messages: readonly QueueMessage[]): Promise<string[]> {
    const channel = this.#open?.publishing;
    if (!channel) return [];
    const sent = messages.map((message) => this.#publishOne(channel, message));
    const outcomes = await Promise.all(sent);
    return outcomes.flatMap((id) => id ?? []);
  }

  subscribe(service: string, handle: (delivery: Delivery) => Promise<void>): { stop(): Promise<void> } {
    const subscription: Subscription = {
      service,
      handle,
      channel: null,
      working: new Set(),
      stopped: false,
    };
    this.#subscriptions.add(subscription);
    if (this.#open) void this.#consume(this.#open.connection, subscription).catch(() => undefined);
    return {
      stop: async () => {
        subscription.stopped = true;
        this.#subscriptions.delete(subscription);
        await Promise.allSettled(subscription.working);
        // What was handed out and not taken goes back to where it was.
        await subscription.channel?.close().catch(() => undefined);
      },
    };
  }

  onReconnect(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async waiting(service: string): Promise<number | null> {
    const channel = this.#open?.asking;
    if (!channel) return null;
    try {
      const all = await Promise.all(
        partitions().map((partition) => channel.checkQueue(this.#queueOf(service, partition))),
      );
      return all.reduce((sum, each) => sum + each.messageCount, 0);
    } catch {
      return null;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = this.#open;
    this.#open = null;
    await open?.connection.close().catch(() => undefined);
  }

  async #keepConnected(): Promise<void> {
    for (let connections = 0, told = false; !this.#closed;) {
      try {
        const { over } = await this.#connect();
        if (connections++ > 0) for (const listener of this.#listeners) listener();
        if (told) this.#options.tell("The queue is there");
        told = false;
        await over;
      } catch (error) {
        if (!told && !this.#closed)
          this.#options.tell("The queue cannot be reached; messages wait in the outbox", error);
        told = true;
      }
      this.#open = null;
      if (!this.#closed) await sleep(RETRY);
    }
  }

  async #connect(): Promise<Open> {
    const url = new URL(this.#url);
    if (!url.searchParams.has("heartbeat")) url.searchParams.set("heartbeat", String(HEARTBEAT));
    const connection = await connect(url.href, { timeout: CONNECT_LIMIT });
    // From here on: a connection that is lost while the rest is made has nobody else to tell of it.
    const lost = new AbortController();
    const over = new Promise<void>((resolve) => {
      connection.once("close", () => {
        lost.abort();
        resolve();
      });
    });
    // Each error also closes the connection, which is what is acted on.
    connection.on("error", () => undefined);
    try {
      const publishing = await connection.createConfirmChannel();
      const asking = await connection.createChannel();
      for (const channel of [publishing, asking]) endTogether(channel, connection);
      const known = await this.#isDeclared(connection);
      await this.#declare(asking);
      if (!known) await sleep(SETTLE, null, { signal: lost.signal });
      // Whoever subscribes meanwhile is in the set and comes last; whoever finds `#open` sees to itself. So no service
      // is consumed twice, and none is missed: nothing may be awaited between the end of this loop and `#open`.
      for (const subscription of this.#subscriptions) await this.#consume(connection, subscription);
      lost.signal.throwIfAborted();
      if (this.#closed) throw new Error("The queue was closed while it was opened.");
      return (this.#open = { connection, publishing, asking, over });
    } catch (error) {
      await connection.close().catch(() => undefined);
      throw error;
    }
  }

  /** On a channel of its own: it closes when a queue is not there. */
  async #isDeclared(connection: ChannelModel): Promise<boolean> {
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    try {
      for (const service of this.#options.topology.keys())
        for (const partition of partitions()) await channel.checkQueue(this.#queueOf(service, partition));
      await channel.close();
      return true;
    } catch {
      return false;
    }
  }

  async #declare(channel: Channel): Promise<void> {
    await channel.assertExchange(this.#exchange, "topic", { durable: true });
    for (const [service, types] of this.#options.topology)
      for (const partition of partitions()) {
        const queue = this.#queueOf(service, partition);
        await channel.assertQueue(queue, DECLARED);
        for (const type of types) await channel.bindQueue(queue, this.#exchange, `${partition}.${type}`);
      }
  }

  async #publishOne(channel: ConfirmChannel, message: QueueMessage): Promise<string | null> {
    const { id, type, key, body } = message;
    const confirmed = new Promise<string | null>((resolve) => {
      try {
        channel.publish(
          this.#exchange,
          `${partitionOf(key)}.${type}`,
          Buffer.from(body),
          { persistent: true, messageId: id },
          (error: unknown) => resolve(error ? null : id),
        );
      } catch {
        resolve(null); // the channel has closed
      }
    });
    // A frozen broker confirms nothing and keeps the connection open.
    return Promise.race([confirmed, sleep(CONFIRM_LIMIT, null, { ref: false })]);
  }

  async #consume(connection: ChannelModel, subscription: Subscription): Promise<void> {
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    channel.on("close", () => {
      if (!subscription.stopped) void connection.close().catch(() => undefined);
    });
    subscription.channel = channel;
    // One message in work at each consumer: this is what keeps the order.
    await channel.prefetch(1);
    for (const partition of partitions()) {
      const queue = this.#queueOf(subscription.service, partition);
      await channel.consume(queue, (message) => {
        // The queue was deleted: a new connection declares it again.
        if (!message) {
          connection.close().catch(() => undefined);
          return;
        }
        const work = this.#work(channel, subscription, message);
        subscription.working.add(work);
        void work.finally(() => subscription.working.delete(work));
      });
    }
    if (subscription.stopped) await channel.close();
  }

  /** Tries in place, since what is handed back comes after those behind it. */
  async #work(channel: Channel, subscription: Subscription, message: ConsumeMessage): Promise<void> {
    const redeliveries = redeliveriesOf(message);
    const delivery = { body: message.content.toString(), redeliveries };
    while (!subscription.stopped && subscription.channel === channel) {
      try {
        await subscription.handle(delivery);
      } catch {
        await sleep(RETRY / 10);
        continue;
      }
      try {
        channel.ack(message);
      } catch {
        // The channel has closed: the broker hands it out again.
      }
      return;
    }
  }

  #queueOf(service: string, partition: number): string {
    return queueName(this.#exchange, service, partition);
  }
}

/** Takes everything out of the queues of these services: `emptyQueue` of index.ts. */
export async function purgeQueues(
  url: string,
  namespace: string,
  services: readonly string[],
): Promise<void> {
  const connection = await connect(url, { timeout: CONNECT_LIMIT });
  // What went wrong rejects what was asked, too.
  connection.on("error", () => undefined);
  try {
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    const names = services.flatMap((service) =>
      partitions().map((n) => queueName(exchangeOf(namespace), service, n)),
    );
    for (const name of names) {
      // One that nobody has declared yet is made by the first node.
      await channel.assertQueue(name, DECLARED);
      await channel.purgeQueue(name);
    }
  } finally {
    await connection.close().catch(() => undefined);
  }
}

const exchangeOf = (namespace: string): string => `${namespace}.queue`;
const queueName = (exchange: string, service: string, partition: number): string =>
  `${exchange}.${service}.${partition}`;
const partitions = (): number[] => Array.from({ length: PARTITIONS }, (_, partition) => partition);

/**
 * RabbitMQ 4.3 has a header for all that came back; there `x-delivery-count` leaves some out, such as those of a node that
 * was cut off.
 */
function redeliveriesOf({ properties: { headers } }: ConsumeMessage): number {
  return Math.max(Number(headers?.["x-delivery-count"] ?? 0), Number(headers?.["x-acquired-count"] ?? 0));
}

/** A channel that the broker closes takes its connection with it, so that everything is made anew. */
function endTogether(channel: Channel, connection: ChannelModel): void {
  channel.on("error", () => undefined);
  channel.on("close", () => void connection.close().catch(() => undefined));
}

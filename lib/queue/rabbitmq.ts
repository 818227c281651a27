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
/** Seconds: a broker that is silent twice as long is taken for dead. */
const HEARTBEAT = 5;

interface Open {
  connection: ChannelModel;
  publishing: ConfirmChannel;
  consuming: Channel;
}

interface Subscription {
  service: string;
  handle: (delivery: Delivery) => Promise<void>;
  tags: Map<string, string>;
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
    this.#exchange = `${options.namespace}.queue`;
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
      tags: new Map(),
      working: new Set(),
      stopped: false,
    };
    this.#subscriptions.add(subscription);
    if (this.#open) void this.#consume(this.#open.consuming, subscription).catch(() => undefined);
    return {
      stop: async () => {
        subscription.stopped = true;
        this.#subscriptions.delete(subscription);
        const cancelled = [...subscription.tags.values()].map((tag) => this.#open?.consuming.cancel(tag));
        await Promise.allSettled(cancelled);
        await Promise.allSettled(subscription.working);
      },
    };
  }

  onReconnect(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async waiting(service: string): Promise<number | null> {
    const channel = this.#open?.consuming;
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
        const open = await this.#connect();
        const over = new Promise<void>((resolve) => open.connection.once("close", resolve));
        if (connections++ > 0) for (const listener of this.#listeners) listener();
        if (told) this.#options.tell("The queue is there");
        told = false;
        await over;
      } catch (error) {
        if (!told) this.#options.tell("The queue cannot be reached; messages wait in the outbox", error);
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
    // Each error also closes the connection, which is what is acted on.
    connection.on("error", () => undefined);
    try {
      const publishing = await connection.createConfirmChannel();
      const consuming = await connection.createChannel();
      for (const channel of [publishing, consuming]) {
        channel.on("error", () => undefined);
        channel.on("close", () => void connection.close().catch(() => undefined));
      }
      await this.#declare(consuming);
      const open = { connection, publishing, consuming };
      this.#open = open;
      for (const subscription of this.#subscriptions) await this.#consume(consuming, subscription);
      return open;
    } catch (error) {
      this.#open = null;
      await connection.close().catch(() => undefined);
      throw error;
    }
  }

  async #declare(channel: Channel): Promise<void> {
    await channel.assertExchange(this.#exchange, "topic", { durable: true });
    for (const [service, types] of this.#options.topology)
      for (const partition of partitions()) {
        const queue = this.#queueOf(service, partition);
        await channel.assertQueue(queue, {
          durable: true,
          arguments: { "x-queue-type": "quorum", "x-single-active-consumer": true },
        });
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

  async #consume(channel: Channel, subscription: Subscription): Promise<void> {
    subscription.tags.clear();
    for (const partition of partitions()) {
      const queue = this.#queueOf(subscription.service, partition);
      // One message in work at each consumer: this is what keeps the order.
      await channel.prefetch(1);
      const { consumerTag } = await channel.consume(queue, (message) => {
        if (!message) return void channel.close().catch(() => undefined); // the queue was deleted: declare it again
        const work = this.#work(channel, subscription, message);
        subscription.working.add(work);
        void work.finally(() => subscription.working.delete(work));
      });
      subscription.tags.set(queue, consumerTag);
      if (subscription.stopped) await channel.cancel(consumerTag);
    }
  }

  async #work(channel: Channel, subscription: Subscription, message: ConsumeMessage): Promise<void> {
    const settle = (how: () => void): void => {
      try {
        how();
      } catch {
        // The channel has closed: the broker gives the message out again.
      }
    };
    if (subscription.stopped) return settle(() => channel.nack(message));
    try {
      const redeliveries = Number(message.properties.headers?.["x-delivery-count"] ?? 0);
      await subscription.handle({ body: message.content.toString(), redeliveries });
      settle(() => channel.ack(message));
    } catch {
      settle(() => channel.nack(message));
    }
  }

  #queueOf(service: string, partition: number): string {
    return `${this.#exchange}.${service}.${partition}`;
  }
}

const partitions = (): number[] => Array.from({ length: PARTITIONS }, (_, partition) => partition);

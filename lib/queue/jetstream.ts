/** The queue on NATS JetStream: one stream, a durable consumer for each service and partition. */
import { setTimeout as sleep } from "node:timers/promises";
import { AckPolicy, connect, DeliverPolicy, Events, RetentionPolicy, StorageType } from "nats";
import type { ConsumerConfig, JetStreamClient, JetStreamManager, JsMsg, NatsConnection } from "nats";
import { streamOf } from "../nats-permissions.ts";
import { natsOptions } from "../nats.ts";
import { partitionOf, PARTITIONS } from "./index.ts";
import type { Delivery, Queue, QueueMessage, QueueOptions } from "./index.ts";

/** Milliseconds. */
const PUBLISH_LIMIT = 5_000;
const ACK_WAIT = 6_000;
const RETRY = 1_000;
const EXPIRES = 5_000;
const NANO = 1_000_000;
const DEDUPLICATED = 120_000;
/** What JetStream answers for a stream that is not there: https://docs.nats.io/reference/reference-protocols/nats_api_reference */
const NO_STREAM = 10_059;

interface Open {
  connection: NatsConnection;
  client: JetStreamClient;
  manager: JetStreamManager;
}

export class JetStreamQueue implements Queue {
  readonly #options: QueueOptions;
  readonly #stream: string;
  readonly #prefix: string;
  readonly #listeners: (() => void)[] = [];
  /** Resolves when the server was reached and has the stream and its consumers. */
  readonly #open: Promise<Open | null>;
  #connection: NatsConnection | null = null;
  #ready = false;
  #closed = false;

  constructor(url: string, options: QueueOptions) {
    this.#options = options;
    this.#stream = streamOf(options.namespace);
    this.#prefix = `${options.namespace}.queue`;
    this.#open = this.#connect(url);
  }

  async publish(messages: readonly QueueMessage[]): Promise<string[]> {
    if (!this.#ready) return [];
    const { client } = (await this.#open) as Open;
    const sent = messages.map(async ({ id, type, key, body }) => {
      const subject = `${this.#prefix}.${partitionOf(key)}.${type}`;
      await client.publish(subject, body, { msgID: id, timeout: PUBLISH_LIMIT });
      return id;
    });
    const outcomes = await Promise.allSettled(sent);
    const refused = outcomes.find((each) => each.status === "rejected");
    if (refused) this.#options.tell("The queue does not take messages", refused.reason);
    return outcomes.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  }

  subscribe(service: string, handle: (delivery: Delivery) => Promise<void>): { stop(): Promise<void> } {
    const stopping = new AbortController();
    const loops = Array.from({ length: PARTITIONS }, (_, partition) =>
      this.#follow(durableOf(service, partition), handle, stopping.signal),
    );
    return {
      async stop() {
        stopping.abort();
        await Promise.all(loops);
      },
    };
  }

  onReconnect(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async waiting(service: string): Promise<number | null> {
    if (!this.#ready) return null;
    const { manager } = (await this.#open) as Open;
    try {
      const all = await Promise.all(
        Array.from({ length: PARTITIONS }, (_, partition) =>
          manager.consumers.info(this.#stream, durableOf(service, partition)),
        ),
      );
      return all.reduce((sum, each) => sum + each.num_pending + each.num_ack_pending, 0);
    } catch {
      return null;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ready = false;
    await this.#connection?.close();
  }

  async #connect(url: string): Promise<Open | null> {
    for (let told = false; !this.#closed; told = true) {
      try {
        const connection = (this.#connection ??= await connect({ ...natsOptions(url), name: "queue" }));
        if (this.#closed) break;
        const manager = await connection.jetstreamManager({ timeout: PUBLISH_LIMIT });
        const open = { connection, client: connection.jetstream({ timeout: PUBLISH_LIMIT }), manager };
        await this.#declare(manager, connection);
        void this.#watch(open);
        this.#ready = true;
        if (told) this.#options.tell("The queue is there");
        return open;
      } catch (error) {
        if (!told) this.#options.tell("The queue cannot be reached; messages wait in the outbox", error);
        await sleep(RETRY);
      }
    }
    await this.#connection?.close();
    return null;
  }

  async #watch(open: Open): Promise<void> {
    for await (const { type } of open.connection.status()) {
      if (type !== Events.Reconnect) continue;
      await this.#restore(open);
      for (const listener of this.#listeners) listener();
    }
  }

  /** A server may have lost its disk; and what comes to a stream before its consumers are there is dropped. */
  async #restore({ manager, connection }: Open): Promise<void> {
    this.#ready = false;
    while (!this.#closed) {
      try {
        await this.#declare(manager, connection);
        this.#ready = !this.#closed;
        return;
      } catch {
        await sleep(RETRY);
      }
    }
  }

  /** Makes the stream and the consumers that are not there, or not like this. */
  async #declare(manager: JetStreamManager, connection: NatsConnection): Promise<void> {
    const servers = connection.info?.cluster ? 3 : 1;
    const stream = {
      subjects: [`${this.#prefix}.>`],
      // A message goes when every service that takes its type is done with it.
      retention: RetentionPolicy.Interest,
      storage: StorageType.File,
      num_replicas: servers,
      duplicate_window: DEDUPLICATED * NANO,
    };
    const known = await manager.streams.info(this.#stream).catch(() => null);
    if (!known) await manager.streams.add({ name: this.#stream, ...stream });
    const found = new Map<string, ConsumerConfig>();
    for await (const { name, config } of manager.consumers.list(this.#stream)) found.set(name, config);
    for (const [service, types] of this.#options.topology)
      for (let partition = 0; partition < PARTITIONS; partition++)
        await this.#declareConsumer(manager, durableOf(service, partition), partition, types, found);
  }

  async #declareConsumer(
    manager: JetStreamManager,
    name: string,
    partition: number,
    types: readonly string[],
    found: Map<string, ConsumerConfig>,
  ): Promise<void> {
    const subjects = types.map((type) => `${this.#prefix}.${partition}.${type}`).toSorted();
    const config = found.get(name);
    const has = (config?.filter_subjects ?? [config?.filter_subject ?? ""]).toSorted();
    if (config && has.join() === subjects.join()) return;
    const filter = { filter_subjects: subjects };
    if (config) return void (await manager.consumers.update(this.#stream, name, filter));
    await manager.consumers.add(this.#stream, {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      // One at a time over all nodes: this is what keeps the order.
      max_ack_pending: 1,
      ack_wait: ACK_WAIT * NANO,
      ...filter,
    });
  }

  /** Takes a consumer's messages one by one, whatever becomes of the connection. */
  async #follow(
    durable: string,
    handle: (delivery: Delivery) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const stopped = (): boolean => signal.aborted || this.#closed;
    while (!stopped()) {
      const open = await Promise.race([this.#open, aborted(signal)]);
      if (!open || stopped()) return;
      try {
        const consumer = await open.client.consumers.get(this.#stream, durable);
        const messages = await consumer.consume({ max_messages: 2, expires: EXPIRES });
        const stop = (): void => messages.stop();
        signal.addEventListener("abort", stop);
        for await (const message of messages) {
          if (stopped()) message.nak();
          else await this.#work(message, handle);
        }
        signal.removeEventListener("abort", stop);
      } catch (error) {
        if (stopped()) return;
        this.#options.tell(`The queue gives nothing for ${durable}`, error);
        // It may have lost its stream or its consumers.
        await this.#declare(open.manager, open.connection).catch(() => undefined);
      }
      if (!stopped()) await sleep(RETRY);
    }
  }

  async #work(message: JsMsg, handle: (delivery: Delivery) => Promise<void>): Promise<void> {
    const alive = setInterval(() => message.working(), ACK_WAIT / 3);
    try {
      await handle({ body: message.string(), redeliveries: message.info.redeliveryCount - 1 });
      message.ack();
    } catch {
      message.nak();
    } finally {
      clearInterval(alive);
    }
  }
}

const durableOf = (service: string, partition: number): string => `${service}-${partition}`;

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    else signal.addEventListener("abort", () => resolve(null), { once: true });
  });
}

/**
 * Deletes the stream, which the first node makes anew: `emptyQueue` of index.ts. One that is purged still drops repeats of
 * what it had. The user needs no more than RESTORE has.
 */
export async function deleteStream(url: string, namespace: string): Promise<void> {
  const connection = await connect({ ...natsOptions(url), name: "restore", maxReconnectAttempts: 3 });
  try {
    const manager = await connection.jetstreamManager({ timeout: PUBLISH_LIMIT, checkAPI: false });
    await manager.streams.delete(streamOf(namespace));
  } catch (error) {
    if ((error as { api_error?: { err_code?: number } }).api_error?.err_code !== NO_STREAM) throw error;
  } finally {
    await connection.close();
  }
}

/**
 * The durable queue between a domain's outbox and its consumers (docs/decisions/0013-queue.md). Messages of one
 * aggregate reach a service one after the other, on whichever node: they share a partition, and a partition gives a
 * service its next message when the last one is done.
 */
import { createHash } from "node:crypto";

export const PARTITIONS = 4;

export interface QueueMessage {
  /** A repeat with the same id within two minutes may be dropped by the server. */
  id: string;
  type: string;
  /** What must stay in order: the aggregate's id. */
  key: string;
  body: string;
}

export interface Delivery {
  body: string;
  /** How often it was handed out before, to anybody: more than a few times only if its consumers die of it. */
  redeliveries: number;
}

/** Which services take which types of messages: the whole federation's, so that none is lost before a service starts. */
export type Topology = ReadonlyMap<string, readonly string[]>;

export interface Queue {
  /**
   * Resolves with the ids of those that the server has on disk: a majority of them, where there are several. Never
   * rejects: while the server is away, nothing is confirmed.
   */
  publish(messages: readonly QueueMessage[]): Promise<string[]>;
  /**
   * Hands a service its messages until `stop`, which waits for those in work. A message leaves the queue when `handle`
   * resolves; `handle` sees to its own repeats, and rejects only to give the message back.
   */
  subscribe(service: string, handle: (delivery: Delivery) => Promise<void>): { stop(): Promise<void> };
  /** Runs after a connection that was lost is there again: what was confirmed shortly before may be gone. */
  onReconnect(listener: () => void): void;
  /** Messages that wait for a service or are in work; null while the server is away. */
  waiting(service: string): Promise<number | null>;
  close(): Promise<void>;
}

export interface QueueOptions {
  /** Separates clusters that share a server. */
  namespace: string;
  topology: Topology;
  /** A sentence about the connection, for the log. */
  tell(sentence: string, error?: unknown): void;
}

/** Opens the queue that the URL names (`nats:`, `tls:`, `amqp:`, `amqps:`); the server need not be there yet. */
export async function openQueue(url: string, options: QueueOptions): Promise<Queue> {
  if (/^amqps?:/.test(url)) return new (await import("./rabbitmq.ts")).RabbitQueue(url, options);
  return new (await import("./jetstream.ts")).JetStreamQueue(url, options);
}

/**
 * Takes out everything that waits, for a restore: what is delivered afterwards may have the ids of what is gone. The
 * server is there and nobody uses the queue.
 * @param namespace of the cluster
 * @param services those that take messages
 */
export async function emptyQueue(url: string, namespace: string, services: readonly string[]): Promise<void> {
  if (/^amqps?:/.test(url)) return (await import("./rabbitmq.ts")).purgeQueues(url, namespace, services);
  return (await import("./jetstream.ts")).deleteStream(url, namespace);
}

/** The partition of a key: the same on every node, for ever. */
export function partitionOf(key: string): number {
  return createHash("sha1").update(key).digest().readUInt32BE(0) % PARTITIONS;
}

/**
 * With a queue, the services of this node that consume messages get theirs from it: each message goes to every action
 * of the service that consumes its type, and leaves the queue when each has answered. A consumer that is away is waited
 * for; one that refuses has the message again later by the outbox that it came from, which also keeps dead letters.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Middleware, Service, ServiceBroker } from "moleculer";
import type { Envelope } from "../lib/declare.ts";
import { RECEIPTED } from "../lib/queue-contract.ts";
import { tell } from "../lib/metrics.ts";
import { openQueue } from "../lib/queue/index.ts";
import type { Delivery, Queue } from "../lib/queue/index.ts";
import { scrub } from "../lib/scrub.ts";
import { Watched } from "../lib/watched.ts";
import type { QueuedMessage } from "../mixins/publishing.ts";
import type { Runtime } from "../mixins/runtime.ts";
import { isAway } from "./errors.ts";
import { requestIdOf } from "./tracing.ts";

const CALL_LIMIT = 8_000;
const LONGEST_WAIT = 10_000;
/** Tries of a message whose consumer is away, about a minute, before it makes room for those behind it. */
const TRIES_IN_PLACE = 10;
/**
 * So often a message is handed out again only when its consumers die of it. Well below 20: what has come back so often
 * RabbitMQ 4 drops from a quorum queue without a word, and it has to become a dead letter before that, by a node that may
 * itself die a few times over it.
 */
const MAX_REDELIVERIES = 10;

export function consumers(runtime: Runtime): Middleware {
  const { settings, contracts } = runtime;
  const subscriptions = new Map<string, { stop(): Promise<void> }>();
  const consumed = (service: Service): string[] =>
    Object.keys(service.schema.actions ?? {})
      .map((action) => `${service.name}.${action}`)
      .filter((action) => contracts.get(action)?.consumes);
  return {
    name: "Consumers",
    async starting(broker: ServiceBroker) {
      const used = broker.services.some(
        (service) => service.name.endsWith("Queue") || consumed(service).length > 0,
      );
      if (!settings.queueUrl || !used) return;
      const queue = await openQueue(settings.queueUrl, {
        namespace: settings.namespace,
        topology: topologyOf(contracts),
        tell: (sentence, error) =>
          broker.logger.warn(sentence, error instanceof Error ? { error: error.message } : {}),
      });
      runtime.queue = queue;
      runtime.probes.set("queue", {
        kind: settings.queueUrl.startsWith("amqp") ? "rabbitmq" : "jetstream",
        look: () => lookAt(queue, [...subscriptions.keys()], contracts),
      });
    },
    async serviceStarted(service: Service) {
      const actions = consumed(service);
      if (!runtime.queue || actions.length === 0) return;
      const consumer = new Consumer(service.broker, runtime, actions);
      const subscription = runtime.queue.subscribe(service.name, (delivery) => consumer.handle(delivery));
      const untell = tellWaiting(runtime, runtime.queue, service.name);
      subscriptions.set(service.name, {
        async stop() {
          untell();
          consumer.stop();
          await subscription.stop();
        },
      });
    },
    async serviceStopping(service: Service) {
      const subscription = subscriptions.get(service.name);
      subscriptions.delete(service.name);
      await subscription?.stop();
    },
    async stopped() {
      await runtime.queue?.close();
    },
  };
}

function tellWaiting({ metrics }: Runtime, queue: Queue, service: string): () => void {
  const waiting = new Watched(() => queue.waiting(service));
  return tell(metrics, "club_alliance_queue_waiting", async () => {
    const value = await waiting.get();
    return value === null ? [] : [{ value, labels: { service } }];
  });
}

/** What waits there for the services of this node; rejects where the server does not answer. */
async function lookAt(
  queue: Queue,
  services: string[],
  contracts: Runtime["contracts"],
): Promise<{ waiting: Record<string, number> }> {
  // Who only publishes asks for anybody's.
  const asked = services.length > 0 ? services : [...topologyOf(contracts).keys()].slice(0, 1);
  const counts = await Promise.all(asked.map(async (each) => [each, await queue.waiting(each)] as const));
  if (counts.some(([, count]) => count === null)) throw new Error("The queue's server does not answer.");
  return { waiting: Object.fromEntries(services.length > 0 ? (counts as [string, number][]) : []) };
}

/** Which service takes which types, from all contracts. */
function topologyOf(contracts: Runtime["contracts"]): Map<string, string[]> {
  const topology = new Map<string, string[]>();
  for (const [action, { consumes = [] }] of contracts) {
    if (consumes.length === 0) continue;
    const service = action.split(".")[0] as string;
    topology.set(service, [...new Set([...(topology.get(service) ?? []), ...consumes])]);
  }
  return topology;
}

class Consumer {
  readonly #broker: ServiceBroker;
  readonly #contracts: Runtime["contracts"];
  readonly #actions: string[];
  readonly #stopping = new AbortController();

  constructor(broker: ServiceBroker, { contracts }: Runtime, actions: string[]) {
    this.#broker = broker;
    this.#contracts = contracts;
    this.#actions = actions;
  }

  /** Messages in work are given back at their next wait. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Resolves when the service is done with the message. */
  async handle({ body, redeliveries }: Delivery): Promise<void> {
    const message = this.#read(body);
    if (!message) return;
    const { envelope, origin } = message;
    let open = this.#actions.filter(
      (action) =>
        this.#contracts.get(action)?.consumes?.includes(envelope.type) && !message.done.includes(action),
    );
    if (redeliveries > MAX_REDELIVERIES) {
      const error = `It was handed out ${redeliveries} times, and nobody lived to answer.`;
      for (const consumer of open) await this.#again(origin, { envelope, consumer, error, way: "dead" });
      return;
    }
    for (let tries = 1; open.length > 0; tries++) {
      const outcomes = await Promise.all(open.map((consumer) => this.#try(consumer, message, tries)));
      open = open.filter((_, index) => !outcomes[index]);
      if (open.length > 0) await sleep(waitAfter(tries), null, { signal: this.#stopping.signal, ref: false });
    }
  }

  /** One call; whether the queue is done with this consumer. */
  async #try(consumer: string, { envelope, origin }: QueuedMessage, tries: number): Promise<boolean> {
    try {
      await this.#broker.call(consumer, envelope, {
        timeout: CALL_LIMIT,
        retries: 0,
        requestID: requestIdOf(envelope),
      });
      if (envelope.type === RECEIPTED)
        await this.#broker.call(
          `${origin}Queue.receipt`,
          { id: envelope.id, consumer },
          { timeout: CALL_LIMIT, retries: 0 },
        );
      return true;
    } catch (failure) {
      const away = isAway(failure);
      if (away && tries < TRIES_IN_PLACE) return false;
      const error = (failure as Error).message;
      return this.#again(origin, { envelope, consumer, error, way: away ? "away" : "refused" }).then(
        () => true,
        () => false,
      );
    }
  }

  /** Gives the message back to the outbox that it came from. */
  #again(
    origin: string,
    params: { envelope: Envelope; consumer: string; error: string; way: "refused" | "away" | "dead" },
  ): Promise<unknown> {
    return this.#broker.call(`${origin}Queue.again`, params, { timeout: CALL_LIMIT, retries: 0 });
  }

  /** What nobody could ever take is kept in the log, and does not stop those behind it. */
  #read(body: string): QueuedMessage | null {
    try {
      const message = JSON.parse(body) as QueuedMessage;
      if (message.envelope.id && message.envelope.type && Array.isArray(message.done)) return message;
    } catch {
      // Told below.
    }
    this.#broker.logger.error("The queue held something that is no message", { body: scrub(body) });
    return null;
  }
}

function waitAfter(tries: number): number {
  return Math.min(LONGEST_WAIT, 200 * 2 ** tries) * (0.5 + Math.random() / 2);
}

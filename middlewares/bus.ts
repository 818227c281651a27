/**
 * The bus between the nodes. While NATS is away remote calls fail at once instead of hanging until they time out. A
 * node that lets a call time out is out of choice at once, and asked whether it lives: when it answers it is back,
 * when it does not it is taken for gone, and calls that wait for it are tried elsewhere.
 */
import { Strategies } from "moleculer";
import type { ActionSchema, Endpoint, Middleware, ServiceBroker } from "moleculer";
import { AppError } from "../lib/errors.ts";
import type { Readiness } from "../mixins/runtime.ts";

/** Milliseconds that a node has to answer a ping. */
const PING = 500;

/** Nodes that have let a call time out and were not heard of since, by broker. */
const suspects = new WeakMap<ServiceBroker, Set<string>>();

function suspectsOf(broker: ServiceBroker): Set<string> {
  const known = suspects.get(broker) ?? new Set<string>();
  suspects.set(broker, known);
  return known;
}

/** Whether a node has let a call time out and was not heard of since. */
export function isSuspect(broker: ServiceBroker, node: string): boolean {
  return suspects.get(broker)?.has(node) === true;
}

/** This node itself where it can; else round robin that passes over suspects while there is anybody else. */
export class TrustingRoundRobin extends Strategies.RoundRobin {
  override select<E extends Endpoint>(list: E[]): E {
    const own = list.find(({ id }) => id === this.broker.nodeID);
    if (own) return own;
    const doubted = suspectsOf(this.broker);
    const trusted = doubted.size === 0 ? list : list.filter(({ id }) => !doubted.has(id));
    return super.select(trusted.length > 0 ? trusted : list) as E;
  }
}

/** A page of 100 clubs with the longest descriptions, in bytes. */
const LARGEST_ANSWER = 8 * 1024 * 1024;

interface NatsClient {
  info?: { max_payload: number };
  status(): AsyncIterable<{ type: string }>;
}

type Handler = (ctx: { nodeID: string }) => Promise<unknown>;

export function bus(readiness: Readiness): Middleware {
  let away = false;

  const follow = async (client: NatsClient): Promise<void> => {
    for await (const { type } of client.status()) {
      if (type === "disconnect") away = true;
      if (type === "reconnect") away = false;
      if (away) readiness.block("nats", "NATS is not connected");
      else readiness.clear("nats");
    }
  };

  const ask = async (broker: ServiceBroker, node: string): Promise<void> => {
    const doubted = suspectsOf(broker);
    if (doubted.has(node)) return;
    doubted.add(node);
    try {
      if ((await broker.ping(node, PING)) === null && !away) {
        broker.logger.warn("A node does not answer and is taken for gone", { node });
        broker.registry.nodes.disconnected(node, true);
      }
    } finally {
      doubted.delete(node);
    }
  };

  return {
    name: "Bus",
    remoteAction(this: ServiceBroker, next: Handler, _action: ActionSchema): Handler {
      return async (ctx) => {
        if (away) throw new AppError("UNAVAILABLE", { retryAfter: 2 });
        try {
          return await next(ctx);
        } catch (error) {
          if ((error as { type?: string }).type === "REQUEST_TIMEOUT") void ask(this, ctx.nodeID);
          throw error;
        }
      };
    },
    async starting(broker: ServiceBroker) {
      if (broker.transit) readiness.block("nats", "NATS is not connected");
      broker.localBus.on("$transporter.connected", () => {
        away = false;
        readiness.clear("nats");
        const client = (broker.transit?.tx as unknown as { client?: NatsClient } | undefined)?.client;
        if (!client) return;
        void follow(client);
        if ((client.info?.max_payload ?? LARGEST_ANSWER) < LARGEST_ANSWER)
          broker.logger.warn(
            "NATS takes messages up to its max_payload only: set it to 8MB, or the largest pages are lost",
            { maxPayload: client.info?.max_payload },
          );
      });
    },
  } as unknown as Middleware;
}

/**
 * The bus between the nodes. While NATS is away remote calls fail at once instead of hanging until they time out. A
 * node that lets a call time out is asked whether it lives, and is out of choice at once when it does not answer.
 */
import type { ActionSchema, Middleware, ServiceBroker } from "moleculer";
import { AppError } from "../lib/errors.ts";
import type { Readiness } from "../mixins/runtime.ts";

/** Milliseconds that a node has to answer a ping. */
const PING = 500;

interface NatsClient {
  status(): AsyncIterable<{ type: string }>;
}

type Handler = (ctx: { nodeID: string }) => Promise<unknown>;

export function bus(readiness: Readiness): Middleware {
  let away = false;
  const asked = new Set<string>();

  const follow = async (client: NatsClient): Promise<void> => {
    for await (const { type } of client.status()) {
      if (type === "disconnect") away = true;
      if (type === "reconnect") away = false;
      if (away) readiness.block("nats", "NATS is not connected");
      else readiness.clear("nats");
    }
  };

  const check = async (broker: ServiceBroker, nodeID: string): Promise<void> => {
    if (asked.has(nodeID)) return;
    asked.add(nodeID);
    try {
      if ((await broker.ping(nodeID, PING)) === null && !away) {
        broker.logger.warn("A node does not answer and is out of choice", { node: nodeID });
        broker.registry.nodes.disconnected(nodeID, true);
      }
    } finally {
      asked.delete(nodeID);
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
          if ((error as { type?: string }).type === "REQUEST_TIMEOUT") void check(this, ctx.nodeID);
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
        if (client) void follow(client);
      });
    },
  } as unknown as Middleware;
}

import type { ActionHandler, ActionSchema, Middleware, ServiceBroker } from "moleculer";
import type { Ctx } from "../lib/implement.ts";

export type Handler = (ctx: Ctx) => Promise<unknown>;

/** A typed middleware around the actions of this node, and calls of others'. */
export interface LocalMiddleware extends Omit<Middleware, "localAction" | "remoteAction"> {
  name: string;
  localAction(next: Handler, action: ActionSchema & { name: string }): Handler;
  remoteAction?(next: Handler, action: ActionSchema & { name: string }): Handler;
}

/** Moleculer's types know plain contexts only; this is the one place where the typed ones become plain. */
export function asMiddleware(middleware: LocalMiddleware): Middleware {
  return middleware as unknown as Middleware;
}

export type { ActionHandler, Middleware, ServiceBroker };

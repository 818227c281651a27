/**
 * How a gateway sits on moleculer-web, which keeps the way of a request (its context, route and alias); matching,
 * parsing, limits and answers are those of this folder.
 */
import type { Service, ServiceSchema } from "moleculer";
import ApiGateway from "moleculer-web";
import { admit } from "./admission.ts";
import { fail, refuse } from "./answers.ts";
import { callAction } from "./call.ts";
import { answerOptions } from "./cors.ts";
import type { GatewayRequest, GatewayResponse } from "./exchange.ts";
import type { Gateway } from "./gateway.ts";
import type { Operation } from "./routes.ts";

/** A service with this mixin sets `gateway` in its `started`. */
export interface WebService extends Service {
  gateway: Gateway;
  routes: unknown[];
}

interface Found {
  alias: Operation & { route: unknown };
  params: Record<string, string>;
}

// Without its events: at each change of services they would broadcast that aliases, which are made once here, are new.
const { events: _events, ...web } = ApiGateway as ServiceSchema;
const forward = web.methods?.["httpHandler"] as (req: GatewayRequest, res: GatewayResponse) => Promise<void>;
const NO_QUERY = {};

/** What moleculer-web calls, in the order in which it does. */
const methods = {
  httpHandler(this: WebService, req: GatewayRequest, res: GatewayResponse): Promise<void> | void {
    const exchange = this.gateway.begin(req, res);
    const bar = this.gateway.bars(exchange);
    if (bar) return refuse(exchange, bar);
    if (req.method === "OPTIONS") return answerOptions(exchange);
    const { turns, routes } = this.gateway;
    const rushed = turns.areTaken() ? routes.rushed(req.method as string, exchange.path) : null;
    if (!rushed) return forward.call(this, req, res);
    exchange.operation = rushed;
    if (rushed.lane.enter(exchange))
      turns.serve(() => {
        if (!exchange.over) void forward.call(this, req, res);
      });
    // Before anything else is done for them: of those who are refused there are many.
    else {
      this.gateway.recorder.shed(rushed);
      turns.refuse(() => refuse(exchange, rushed.lane.refusal()));
    }
  },

  parseQueryString(req: GatewayRequest) {
    return { url: req.exchange.path, query: NO_QUERY };
  },

  /** Throws the 404 and the 405, so that nothing else is done for them. */
  resolveAlias(this: WebService, url: string, method: string): Found {
    const found = this.gateway.routes.find(method, url);
    found.alias.route ??= this.routes[0];
    return found;
  },

  /** In place of moleculer-web's, which looks for a node before it asks who calls, and twice. */
  async aliasHandler(req: GatewayRequest, _res: GatewayResponse, operation: Operation): Promise<true> {
    const { exchange } = req;
    exchange.operation = operation;
    await admit(exchange, operation);
    if (operation.action) await callAction(exchange, operation, operation.action);
    else await operation.page?.(exchange);
    return true;
  },

  errorHandler(req: GatewayRequest, _res: GatewayResponse, error: unknown): void {
    fail(req.exchange, error);
  },
};

/** Mixin of a gateway. */
export const webGateway = {
  mixins: [web],
  settings: {
    /** The gateway makes its own, whose end can be waited for. */
    server: false,
    routes: [
      {
        path: "/",
        aliases: {},
        mappingPolicy: "restrict",
        mergeParams: false,
        bodyParsers: false,
        logging: false,
      },
    ],
    logRouteRegistration: null,
    rootCallOptions(options: { requestID?: string }, req: GatewayRequest) {
      options.requestID = req.exchange.requestId;
    },
  },
  actions: {
    rest: {
      visibility: "private",
      // It is the way in and no dependency: the actions behind it have their own.
      bulkhead: { enabled: false },
      circuitBreaker: { enabled: false },
      // moleculer-web would put the address, with its query, into traces.
      tracing: { tags: { params: false, meta: false, response: false }, spanName: "request" },
    },
    listAliases: false,
    addRoute: false,
    removeRoute: false,
  },
  methods,
  // moleculer-web's types know neither the methods nor the `this` that it calls them with.
} as unknown as ServiceSchema;

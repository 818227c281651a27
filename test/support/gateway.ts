/** The public gateway in front of small services of the tests' own, over real HTTP. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Loggers, ServiceBroker } from "moleculer";
import type { ServiceSchema } from "moleculer";
import { Type as T } from "typebox";
import { declare } from "../../lib/declare.ts";
import type { ActionContract, Contract } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";
import type { Code } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import { implement, respond } from "../../lib/implement.ts";
import type { Ctx } from "../../lib/implement.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { Signer } from "../../lib/tokens.ts";
import { readSettings } from "../../lib/settings.ts";
import type { Runtime } from "../../mixins/runtime.ts";
import { brokerOptions, newRuntime } from "../../moleculer.config.ts";
import api from "../../services/gateway/api.service.ts";
import type { Thresholds } from "../../services/gateway/overload.ts";
import { eventually } from "./federation.ts";
import { Client } from "./http.ts";
import type { Answer, RequestOptions } from "./http.ts";

const summary = { en: "A thing", "zh-CN": "东西" };
const Echo = T.Object({ params: T.Unknown(), headers: T.Unknown() });
const Thing = T.Object({ id: T.String(), version: T.Integer(), name: T.String() });
const Id = T.String({ pattern: "^[a-z0-9]{1,20}$" });

/** Routes of every kind; `echo` answers show what reached the service. */
export const things = declare("things", {
  list: {
    rest: "GET /things",
    summary,
    params: T.Object({
      q: T.Optional(T.String()),
      limit: T.Optional(T.Integer({ maximum: 100 })),
      ratio: T.Optional(T.Union([T.Number(), T.Null()])),
      active: T.Optional(T.Boolean()),
      ids: T.Optional(T.Array(T.Integer())),
    }),
    returns: Echo,
    access: "any",
  },
  search: { rest: "GET /things/search", summary, returns: Echo, access: "any", priority: "low" },
  mine: { rest: "GET /things/mine", summary, returns: Echo, access: "user", priority: "high" },
  get: { rest: "GET /things/:id", summary, params: T.Object({ id: Id }), returns: Thing, access: "any" },
  create: {
    rest: "POST /things",
    audit: { subject: "thing" },
    summary,
    params: T.Object({ name: T.Optional(T.String()) }),
    returns: T.Object({ id: T.String(), version: T.Integer() }),
    status: [201, 202],
    access: "user",
  },
  echo: {
    rest: "POST /things/:id/echo",
    audit: { subject: "thing" },
    summary,
    params: T.Object({ id: Id, data: T.Optional(T.Unknown()) }),
    returns: Echo,
    status: 200,
    access: "user",
  },
  change: {
    rest: "PATCH /things/:id",
    audit: { subject: "thing" },
    summary,
    params: T.Object({ id: Id, name: T.String() }),
    returns: Thing,
    access: "any",
  },
  remove: {
    rest: "DELETE /things/:id",
    audit: { subject: "thing" },
    summary,
    params: T.Object({ id: Id, password: T.String(), occurrence: T.Optional(T.Integer()) }),
    returns: Echo,
    access: "any",
  },
  forget: {
    rest: "DELETE /things/:id/mark",
    audit: { subject: "thing" },
    summary,
    params: T.Object({ id: Id }),
    access: "any",
  },
  secret: {
    rest: "POST /things/:id/secret",
    audit: { subject: "thing" },
    summary,
    params: T.Object({ id: Id }),
    returns: Echo,
    status: 200,
    access: "user",
    secret: true,
  },
  signIn: {
    rest: "POST /sign-in",
    audit: { subject: "thing" },
    summary,
    returns: Echo,
    status: 200,
    access: "any",
    authLimit: true,
    client: true,
  },
  csv: {
    rest: "GET /things/list.csv",
    summary,
    returns: T.String(),
    produces: "text/csv; charset=utf-8",
    access: "any",
  },
  fail: {
    rest: "GET /failures/:code",
    summary,
    params: T.Object({ code: T.String(), replayed: T.Optional(T.Boolean()) }),
    returns: Echo,
    access: "any",
  },
  hidden: { rest: "GET /admin/things", summary, returns: Echo, access: "any" },
});

/** Declared, but no node runs it. */
export const away = declare("away", {
  get: { rest: "GET /away", summary, returns: Echo, access: "user" },
});

const auth = declare("auth", { keys: { returns: T.Unknown(), access: "gateway" } });
export const sessions = declare("sessions", {
  revokedSince: {
    params: T.Object({ since: T.Integer() }),
    returns: T.Object({ now: T.Integer(), sids: T.Array(T.Object({ sid: T.String(), at: T.Integer() })) }),
    access: "gateway",
    safe: true,
  },
});

export interface GatewayOptions {
  env?: Record<string, string>;
  thresholds?: Thresholds;
  /** Over the services of the tests: contracts and services that run, or not. */
  more?: { contract: Contract; service: ServiceSchema }[];
  /** Without it nobody tells which sessions are revoked. */
  withSessions?: boolean;
  /** Takes the lines of the log. */
  log?: (level: string, ...line: unknown[]) => void;
}

/** What things.list and things.fail do; tests may set it. */
export interface Behavior {
  list: (ctx: Ctx) => Promise<unknown>;
}

export interface TestGateway {
  url: string;
  broker: ServiceBroker;
  runtime: Runtime;
  behavior: Behavior;
  /** Sessions that `sessions.revokedSince` tells. */
  revoked: { sid: string; at: number }[];
  keysAway: boolean;
  /** A token, by default of somebody new. */
  token(claims?: { sub?: string; sid?: string; ttl?: number; now?: number; audience?: string }): string;
  send<T = Record<string, unknown>>(
    method: string,
    path: string,
    options?: RequestOptions,
  ): Promise<Answer<T>>;
  stop(): Promise<void>;
}

const keys = parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS");

export async function startGateway(options: GatewayOptions = {}): Promise<TestGateway> {
  const { env = {}, thresholds, more = [], withSessions = true, log } = options;
  const dataDir = await mkdtemp(path.join(tmpdir(), "gateway-"));
  const settings = readSettings({
    DATA_DIR: dataDir,
    PORT: "0",
    HEALTH_PORT: "0",
    RATE_LIMIT_ANONYMOUS: "0",
    RATE_LIMIT_USER: "0",
    RATE_LIMIT_AUTH: "0",
    LOG_LEVEL: "fatal",
    LOG_FORMAT: "json",
    ...env,
  });
  const runtime = newRuntime(settings, ["gateway"]);
  const declared: Contract[] = [things, away, auth, sessions, ...more.map(({ contract }) => contract)];
  runtime.contracts = contractsOf(declared);
  const broker = new ServiceBroker({ ...brokerOptions(runtime), ...(log && { logger: new Lines(log) }) });
  const gateway: TestGateway = {
    url: "",
    broker,
    runtime,
    behavior: { list: echo },
    revoked: [],
    keysAway: false,
    token({ sub = newId(), sid = newId(), ttl = 600, now, audience = "public" } = {}) {
      return new Signer(keys, audience, now === undefined ? Date.now : () => now).sign({ sub, sid }, ttl);
    },
    send: (method, target, request) => client.send(method, target, request),
    async stop() {
      client.close();
      // Moleculer's cacher takes leave of Redis and fails where Redis is away; the rest of the stop is skipped then.
      const cacher = broker.cacher as { close?(): void; client?: { disconnect(): void } } | undefined;
      if (cacher?.client) cacher.close = () => cacher.client?.disconnect();
      await broker.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  broker.createService(thingsService(gateway));
  broker.createService(authService(gateway));
  if (withSessions) broker.createService(sessionsService(gateway));
  for (const { service } of more) broker.createService(service);
  broker.createService({
    ...api,
    settings: { ...api.settings, ...(thresholds && { thresholds }) },
  } as ServiceSchema);
  await broker.start();
  gateway.url = `http://127.0.0.1:${runtime.ports.get("api")}`;
  const client = new Client(gateway.url);
  // `away` never comes, so that the gateway would wait for it for long.
  if (withSessions)
    await eventually(async () => ("api: sessions" in runtime.readiness.reasons ? undefined : true));
  return gateway;
}

/** A logger that hands its lines on. */
class Lines extends Loggers.Base<object> {
  readonly #take: (level: string, ...line: unknown[]) => void;

  constructor(take: (level: string, ...line: unknown[]) => void) {
    super();
    this.#take = take;
  }

  override getLogHandler() {
    return (level: string, line: unknown[]) => this.#take(level, ...line);
  }
}

function contractsOf(all: Contract[]): ReadonlyMap<string, ActionContract> {
  return new Map(
    all.flatMap(({ name, actions }) =>
      Object.entries(actions).map(([key, action]) => [`${name}.${key}`, action] as const),
    ),
  );
}

async function echo({ params, headers }: Ctx): Promise<{ params: unknown; headers: unknown }> {
  return { params, headers };
}

function thingsService({ behavior }: TestGateway): ServiceSchema {
  return implement(things, {
    actions: {
      list: async (ctx) => (await behavior.list(ctx)) as { params: unknown; headers: unknown },
      search: echo,
      mine: echo,
      get: async ({ params }) => ({ id: params.id, version: 3, name: "东西" }),
      async create(ctx) {
        if (ctx.params.name === "later") respond(ctx, { status: 202, headers: { "X-Note": "held" } });
        return { id: "new", version: 1 };
      },
      echo,
      change: async ({ params }) => ({ id: params.id, version: 4, name: params.name }),
      remove: echo,
      async forget() {},
      secret: echo,
      signIn: echo,
      csv: async () => "\uFEFFname\r\n东西\r\n",
      async fail({ params: { code, replayed }, headers }) {
        if (code === "unexpected") throw new Error("SELECT secret FROM users");
        throw new AppError(code as Code, {
          ...(replayed && { replayed: { requestId: "the-first-one", lang: "zh-CN" } }),
          ...(code === "ACCOUNT_LOCKED" && { retryAfter: 77 }),
          lang: headers.lang,
        });
      },
      hidden: echo,
    },
  });
}

function authService(gateway: TestGateway): ServiceSchema {
  return implement(auth, {
    actions: {
      async keys() {
        if (gateway.keysAway) throw new AppError("UNAVAILABLE");
        return new Signer(keys, "public").publicJwks();
      },
    },
  });
}

function sessionsService(gateway: TestGateway): ServiceSchema {
  return implement(sessions, {
    actions: {
      revokedSince: async ({ params }) => ({
        now: Date.now(),
        sids: gateway.revoked.filter(({ at }) => at >= params.since),
      }),
    },
  });
}

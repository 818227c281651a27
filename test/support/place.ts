/**
 * Where the services of a test run, by SETUP: all in this process (the default); `nodes`: the gateway in a process of
 * its own, joined by NATS; `servers`: the same, and everything that is kept on the real servers of the test run.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../lib/database.ts";
import { DocumentMigrations } from "../../lib/documents/migrations.ts";
import { openMongo } from "../../lib/documents/mongo.ts";
import { generateKeySet } from "../../lib/keys.ts";
import { Migrations } from "../../lib/migrations.ts";
import { DOCUMENT_DOMAINS, readSettings, SQL_DOMAINS } from "../../lib/settings.ts";
import { runtimeOf } from "../../mixins/runtime.ts";
import { createNode } from "../../moleculer.config.ts";
import { eventually } from "./eventually.ts";
import { launch } from "./node-process.ts";
import type { ClusterNode } from "./node-process.ts";
import { startMariadb, startNats } from "./servers/index.ts";

type Env = Record<string, string>;
export type Setup = "embedded" | "nodes" | "servers";

export const setup = (process.env["SETUP"] ?? "embedded") as Setup;

/** Addresses of the servers that a test run has in common; see shared-servers.ts. */
export const shared = JSON.parse(process.env["SHARED_SERVERS"] ?? "{}") as {
  nats?: string;
  redis?: string;
  mongodb?: string;
  elasticsearch?: string;
};

export interface Place {
  broker: ServiceBroker;
  /** Of the public gateway, where there is one. */
  url: string;
  /** Of the admin gateway, where there is one. */
  adminUrl: string;
  stop(): Promise<void>;
}

const ENVIRONMENT: Env = {
  PORT: "0",
  ADMIN_PORT: "0",
  HEALTH_PORT: "0",
  RATE_LIMIT_ANONYMOUS: "0",
  RATE_LIMIT_USER: "0",
  RATE_LIMIT_AUTH: "0",
  LOG_LEVEL: "fatal",
  LOG_FORMAT: "json",
};
const READY_MS = 40_000;

/** What a place had beside its folder, for the next one on the same folder. */
const kept = new Map<string, Env>();

/**
 * Starts services: real domains, and schemas that stand in for others.
 * @param domains with "gateway" among them where there shall be one
 * @param env over the defaults of the tests; with DATA_DIR the place starts on what another has left there
 */
export async function startPlace(
  domains: readonly string[],
  env: Env,
  services: ServiceSchema[] = [],
): Promise<Place> {
  const dataDir = env["DATA_DIR"] ?? (await mkdtemp(path.join(tmpdir(), "club-alliance-place-")));
  const clean = async (): Promise<void> => {
    if (!env["DATA_DIR"]) await rm(dataDir, { recursive: true, force: true });
  };
  const apart = setup !== "embedded" && domains.includes("gateway");
  const around = kept.get(dataDir) ?? (setup === "embedded" ? {} : await surroundings(domains));
  kept.set(dataDir, around);
  const own: Env = { DATA_DIR: dataDir, ...ENVIRONMENT, ...around, ...env };
  const here = apart ? domains.filter((domain) => domain !== "gateway") : domains;
  const { JWT_KEYS: keys, ADMIN_JWT_KEYS: adminKeys, ...keyless } = own;
  const settings = readSettings({
    ...keyless,
    ...(keys && here.includes("users") && { JWT_KEYS: keys }),
    ...(adminKeys && here.includes("admin") && { ADMIN_JWT_KEYS: adminKeys }),
  });
  const broker = await createNode(settings, here);
  let gateway: ClusterNode | undefined;
  const stop = async (): Promise<void> => {
    gateway?.kill("SIGTERM");
    await Promise.all([gateway?.exited, broker.stop()]);
    await clean();
  };
  try {
    for (const service of services) broker.createService(service);
    if (!here.includes("admin")) hearWhatEverybodyTells(broker, services);
    await broker.start();
    // In a cluster administrators wait on the public gateway until somebody has told what is set: nothing.
    const { live } = runtimeOf(broker);
    if (!here.includes("admin")) live.take({ revision: 0, values: {}, totp: [] });
    if (apart) {
      const folders = { DATA_DIR: path.join(dataDir, "gateway"), FILES_DIR: settings.filesDir };
      gateway = await startGateway({ ...keyless, ...folders });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const at = (name: string): string => `http://127.0.0.1:${runtimeOf(broker).ports.get(name)}`;
  return { broker, url: gateway?.url ?? at("api"), adminUrl: at("admin-api"), stop };
}

/** Every domain tells the admin domain what it does; where that is not there, somebody must take it. */
function hearWhatEverybodyTells(broker: ServiceBroker, services: ServiceSchema[]): void {
  const heard = { onMessage: { visibility: "public" as const, handler: () => undefined } };
  for (const name of ["audit", "statistics"])
    if (services.every((each) => each.name !== name)) broker.createService({ name, actions: heard });
}

/** Whether the gateway of this node, if it has one, knows who is signed out: it serves, whatever else is missing. */
export function serves(broker: ServiceBroker): Promise<unknown> {
  return eventually(async () => !("api: sessions" in runtimeOf(broker).readiness.reasons) || undefined);
}

/** A gateway that knows the services that were there before it. */
async function startGateway(env: Env): Promise<ClusterNode> {
  const { ADMIN_EMAIL: _email, ADMIN_PASSWORD: _password, ...rest } = env;
  const node = launch("scripts/node.ts", "gateway", { PATH: process.env["PATH"] ?? "", ...rest });
  const reasons = async (): Promise<Record<string, string> | undefined> => {
    if (!node.health) return undefined;
    const answer = (await (await fetch(node.health)).json()) as { reasons?: Record<string, string> };
    return answer.reasons ?? {};
  };
  try {
    await eventually(
      async () => {
        const found = await reasons();
        return (found && node.url && !("api: sessions" in found)) || undefined;
      },
      READY_MS,
      () => node.log.join("\n"),
    );
  } catch (error) {
    node.kill("SIGKILL");
    throw error;
  }
  return node;
}

/** Addresses for a place of its own: its namespace and, with servers, empty databases. */
async function surroundings(domains: readonly string[]): Promise<Env> {
  const id = `t${randomBytes(4).toString("hex")}`;
  const env: Env = {
    NATS_URL: shared.nats ?? (await ownNats()),
    NAMESPACE: id,
    ALLOW_EMBEDDED: "1",
    JWT_KEYS: JSON.stringify(generateKeySet()),
    ADMIN_JWT_KEYS: JSON.stringify(generateKeySet()),
  };
  if (setup === "nodes") return env;
  const { redis, mongodb, elasticsearch } = shared;
  if (!redis || !mongodb || !elasticsearch) throw new Error("SETUP=servers needs SHARED_SERVERS");
  Object.assign(env, { REDIS_URL: redis, QUEUE_URL: env["NATS_URL"] });
  if (domains.includes("search")) env["ELASTICSEARCH_URL"] = elasticsearch;
  for (const domain of SQL_DOMAINS)
    if (domains.includes(domain)) env[`${domain.toUpperCase()}_DB_URL`] = await newDatabase(domain);
  for (const domain of DOCUMENT_DOMAINS)
    if (domains.includes(domain))
      env[`${domain.toUpperCase()}_DB_URL`] = await newDocuments(domain, `${mongodb}/${domain}_${id}`);
  return env;
}

async function newDocuments(domain: string, url: string): Promise<string> {
  const store = openMongo(url);
  await new DocumentMigrations(store.db, domain).up();
  await store.close();
  return url;
}

async function newDatabase(domain: (typeof SQL_DOMAINS)[number]): Promise<string> {
  const url = await (await startMariadb()).database(domain);
  const sequelize = new Sequelize(mysqlOptions(url));
  await new Migrations(sequelize, domain).up();
  await sequelize.close();
  return url;
}

let nats: Promise<string> | undefined;
const ownNats = (): Promise<string> => (nats ??= startNats().then(({ url }) => url));

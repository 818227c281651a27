/**
 * A cluster of processes for tests: nodes of the real entry point, on MariaDB, MongoDB and Redis, joined by three NATS
 * servers with TLS, where each domain's user may do what the domain's code does and nothing else.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { generateKeySet } from "../../lib/keys.ts";
import { natsUsers, OPERATOR } from "../../lib/nats-permissions.ts";
import { DOMAINS } from "../../moleculer.config.ts";
import { talkOf } from "../../scripts/nats-talk.ts";
import { launch, ready, run } from "./node-process.ts";
import type { ClusterNode } from "./node-process.ts";
import { makeCertificates } from "./servers/certificates.ts";
import { startMariadb, startRedis } from "./servers/index.ts";
import type { Server, ServerName } from "./servers/index.ts";
import { startMongodb } from "./servers/mongodb.ts";
import { startNatsCluster } from "./servers/nats-cluster.ts";
import type { NatsCluster } from "./servers/nats-cluster.ts";

/** What a cluster needs. */
export const CLUSTER_SERVERS: ServerName[] = ["nats", "mariadb", "redis", "mongodb"];

export interface Cluster {
  nats: NatsCluster;
  redis: Server;
  nodes: ClusterNode[];
  /** Nodes of one domain that live. */
  of(domain: string): ClusterNode[];
  /** Starts one more node and waits until it is ready. */
  start(domain: string, own?: Record<string, string>, script?: string): Promise<ClusterNode>;
  stop(): Promise<void>;
}

export const ADMIN = { email: "admin@club-alliance.example", password: "an-admin-for-tests" };

const NAMESPACE = "test-cluster";
const PASSWORD = "p@ss/word of everybody";

/** Three NATS servers with the users that `npm run nats` gives them. */
async function startBus(folder: string): Promise<NatsCluster> {
  const { certificate, key } = await makeCertificates(folder);
  const passwords = new Map([...DOMAINS, OPERATOR].map((domain) => [domain, PASSWORD]));
  const tls = `tls { cert_file: ${JSON.stringify(certificate)}, key_file: ${JSON.stringify(key)} }`;
  const config = `${tls}\n${natsUsers(passwords, NAMESPACE, talkOf())}`;
  return startNatsCluster({ config, scheme: "tls" });
}

/**
 * Starts servers, runs the migrations and starts the nodes, all at once.
 * @param domains one node each; a domain named twice gets two
 */
export async function startCluster(domains: string[], env: Record<string, string> = {}): Promise<Cluster> {
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-cluster-"));
  const [nats, redis, mariadb, mongodb] = await Promise.all([
    startBus(folder),
    startRedis(),
    startMariadb(),
    startMongodb(),
  ]);
  const urls = await Promise.all(
    ["users", "clubs", "applications", "files", "admin"].map(
      async (name) => [`${name.toUpperCase()}_DB_URL`, await mariadb.database(name)] as const,
    ),
  );
  const common: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    NAMESPACE,
    NODE_EXTRA_CA_CERTS: path.join(folder, "authority.pem"),
    REDIS_URL: redis.url,
    ACTIVITIES_DB_URL: `${mongodb.url}/activities`,
    POSTS_DB_URL: `${mongodb.url}/posts`,
    NOTIFICATIONS_DB_URL: `${mongodb.url}/notifications`,
    ...Object.fromEntries(urls),
    ALLOW_EMBEDDED: "1",
    PORT: "0",
    ADMIN_PORT: "0",
    HEALTH_PORT: "0",
    LOG_FORMAT: "json",
    LOG_LEVEL: "warn",
    RATE_LIMIT_ANONYMOUS: "0",
    RATE_LIMIT_USER: "0",
    RATE_LIMIT_AUTH: "0",
    ...env,
  };
  await run(["scripts/migrate.ts", "up"], { ...common, DATA_DIR: folder });
  const keysOf: Record<string, Record<string, string>> = {
    users: {
      JWT_KEYS: JSON.stringify(generateKeySet()),
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
    },
    admin: { ADMIN_JWT_KEYS: JSON.stringify(generateKeySet()) },
  };
  const nodes: ClusterNode[] = [];
  let count = 0;
  const start = async (
    domain: string,
    own: Record<string, string> = {},
    script = "scripts/node.ts",
  ): Promise<ClusterNode> => {
    const node = launch(script, domain, {
      ...common,
      NATS_URL: nats.urlOf(domain, PASSWORD),
      QUEUE_URL: nats.urlOf(domain, PASSWORD),
      ...keysOf[domain],
      DATA_DIR: path.join(folder, `${domain}-${++count}`),
      ...own,
    });
    nodes.push(node);
    await ready(node);
    return node;
  };
  const stop = async (): Promise<void> => {
    for (const node of nodes) node.kill("SIGKILL");
    await Promise.all(nodes.map(({ exited }) => exited));
    await Promise.all([nats.stop(), redis.stop(), mariadb.stop(), mongodb.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
  const of = (domain: string): ClusterNode[] => nodes.filter((node) => node.domain === domain);
  try {
    await Promise.all(domains.map((domain) => start(domain)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { nats, redis, nodes, of, start, stop };
}

/** A cluster of processes for tests: nodes of the real entry point, joined by NATS, on MariaDB and Redis. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { generateKeySet } from "../../lib/keys.ts";
import { launch, ready, run } from "./node-process.ts";
import type { ClusterNode } from "./node-process.ts";
import { startMariadb, startNats, startRedis } from "./servers/index.ts";
import type { Server } from "./servers/index.ts";

export interface Cluster {
  nats: Server;
  redis: Server;
  nodes: ClusterNode[];
  /** Nodes of one domain that live. */
  of(domain: string): ClusterNode[];
  /** Starts one more node and waits until it is ready. */
  start(domain: string, own?: Record<string, string>, script?: string): Promise<ClusterNode>;
  stop(): Promise<void>;
}

export const ADMIN = { email: "admin@club-alliance.example", password: "an-admin-for-tests" };

/**
 * Starts servers, runs the migrations and starts the nodes, all at once.
 * @param domains one node each; a domain named twice gets two
 */
export async function startCluster(domains: string[], env: Record<string, string> = {}): Promise<Cluster> {
  const [nats, redis, mariadb] = await Promise.all([startNats(), startRedis(), startMariadb()]);
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-cluster-"));
  const urls = await Promise.all(
    ["users", "clubs", "applications"].map(
      async (name) => [`${name.toUpperCase()}_DB_URL`, await mariadb.database(name)] as const,
    ),
  );
  const common: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    NATS_URL: nats.url,
    REDIS_URL: redis.url,
    ...Object.fromEntries(urls),
    ALLOW_EMBEDDED: "1",
    PORT: "0",
    HEALTH_PORT: "0",
    LOG_FORMAT: "json",
    LOG_LEVEL: "warn",
    RATE_LIMIT_ANONYMOUS: "0",
    RATE_LIMIT_USER: "0",
    RATE_LIMIT_AUTH: "0",
    ...env,
  };
  await run(["scripts/migrate.ts", "up"], { ...common, DATA_DIR: folder });
  const jwtKeys = JSON.stringify(generateKeySet());
  const nodes: ClusterNode[] = [];
  let count = 0;
  const start = async (
    domain: string,
    own: Record<string, string> = {},
    script = "scripts/node.ts",
  ): Promise<ClusterNode> => {
    const keys: Record<string, string> =
      domain === "users"
        ? { JWT_KEYS: jwtKeys, ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password }
        : {};
    const node = launch(script, domain, {
      ...common,
      ...keys,
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
    await Promise.all([nats.stop(), redis.stop(), mariadb.stop()]);
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

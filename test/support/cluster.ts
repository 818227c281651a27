/** A cluster of processes for tests: nodes of the real entry point, joined by NATS, on MariaDB and Redis. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { generateKeySet } from "../../lib/keys.ts";
import { startMariadb, startNats, startRedis } from "./servers/index.ts";
import type { Server } from "./servers/index.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");
const START_LIMIT = 60_000;

export interface ClusterNode {
  domain: string;
  pid: number;
  /** Of a gateway. */
  url: string;
  health: string;
  /** What it has printed. */
  log: string[];
  exited: Promise<number | null>;
  kill(signal?: NodeJS.Signals): void;
}

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

function launch(script: string, domain: string, env: Record<string, string>): ClusterNode {
  const child = spawn(process.execPath, [script, domain], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const node: ClusterNode = {
    domain,
    pid: child.pid as number,
    url: "",
    health: "",
    log: [],
    exited: new Promise((resolve) => child.once("exit", resolve)),
    kill: (signal = "SIGKILL") => void child.kill(signal),
  };
  follow(child, node);
  return node;
}

function follow(child: ChildProcess, node: ClusterNode): void {
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream as NodeJS.ReadableStream }).on("line", (line) => {
      const place = /^ {2}(API|Health) +(\S+)/.exec(line);
      if (place?.[1] === "API") node.url = place[2] as string;
      if (place?.[1] === "Health") node.health = place[2] as string;
      node.log.push(line);
    });
}

async function ready(node: ClusterNode): Promise<void> {
  let gone = false;
  void node.exited.then(() => (gone = true));
  for (const end = Date.now() + START_LIMIT; Date.now() < end; await sleep(50)) {
    if (gone)
      throw new Error(
        `The ${node.domain} node ended before it was ready:\n${node.log.slice(-20).join("\n")}`,
      );
    if (node.health && (await isReady(node))) return;
  }
  throw new Error(`The ${node.domain} node was not ready in time:\n${node.log.slice(-20).join("\n")}`);
}

/** Whether a balancer would send requests to the node. */
export async function isReady(node: ClusterNode): Promise<boolean> {
  return fetch(node.health, { signal: AbortSignal.timeout(1_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function run(args: string[], env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (output += data.toString()));
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`${args.join(" ")} failed:\n${output}`);
}

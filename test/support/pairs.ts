/**
 * A whole cluster in few processes: each domain on two nodes, several domains on each, two public gateways at ports that
 * they keep, and an admin gateway; on MariaDB, MongoDB, Redis and one NATS server with JetStream.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { setPriority, tmpdir } from "node:os";
import path from "node:path";
import { generateKeySet } from "../../lib/keys.ts";
import { ADMIN } from "./cluster.ts";
import { launch, ready, run } from "./node-process.ts";
import type { ClusterNode } from "./node-process.ts";
import { freePort } from "./servers/child.ts";
import { startMariadb, startNats, startRedis } from "./servers/index.ts";
import { startMongodb } from "./servers/mongodb.ts";

/** What a place in the cluster runs, and has in its environment beside the others. */
interface Seat {
  domains: string;
  env: Record<string, string>;
}

/** Niceness of a node that starts. */
const START_NICE = 10;

export class Pairs {
  /** In the order in which they are restarted. */
  readonly nodes: ClusterNode[] = [];
  readonly gatewayPorts: readonly number[];
  readonly #seats = new Map<ClusterNode, Seat>();
  readonly #common: Record<string, string>;
  readonly #folder: string;
  readonly #stopServers: () => Promise<unknown>;
  #begun = 0;

  private constructor(
    common: Record<string, string>,
    folder: string,
    ports: readonly number[],
    stopServers: () => Promise<unknown>,
  ) {
    this.#common = common;
    this.#folder = folder;
    this.gatewayPorts = ports;
    this.#stopServers = stopServers;
  }

  static async start(env: Record<string, string> = {}): Promise<Pairs> {
    const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-pairs-"));
    const [nats, redis, mariadb, mongodb] = await Promise.all([
      startNats(),
      startRedis(),
      // What a power failure would take is not looked at here.
      startMariadb({ args: ["--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0"] }),
      startMongodb(),
    ]);
    const sql = ["users", "clubs", "applications", "files", "admin"].map(async (name) => {
      return [`${name.toUpperCase()}_DB_URL`, await mariadb.database(name)] as const;
    });
    const documents = ["activities", "posts", "notifications"].map(
      (name) => [`${name.toUpperCase()}_DB_URL`, `${mongodb.url}/${name}`] as const,
    );
    const common = {
      PATH: process.env["PATH"] ?? "",
      NAMESPACE: "test-pairs",
      NATS_URL: nats.url,
      QUEUE_URL: nats.url,
      REDIS_URL: redis.url,
      ...Object.fromEntries([...(await Promise.all(sql)), ...documents]),
      FILES_DIR: path.join(folder, "files"),
      // The index of search and the folder of files are on this machine.
      ALLOW_EMBEDDED: "1",
      TRUSTED_PROXIES: "127.0.0.1",
      HEALTH_PORT: "0",
      ADMIN_PORT: "0",
      LOG_FORMAT: "json",
      LOG_LEVEL: "warn",
      RATE_LIMIT_ANONYMOUS: "0",
      RATE_LIMIT_USER: "0",
      RATE_LIMIT_AUTH: "0",
      ...env,
    };
    const stopServers = (): Promise<unknown> =>
      Promise.all([nats.stop(), redis.stop(), mariadb.stop(), mongodb.stop()]);
    const made = new Pairs(common, folder, [await freePort(), await freePort()], stopServers);
    try {
      await run(["scripts/migrate.ts", "up"], { ...common, DATA_DIR: folder });
      // One after the other: all at once they would keep each other from being ready in time.
      for (const seat of made.#plan()) await made.#begin(seat);
    } catch (error) {
      await made.stop();
      throw error;
    }
    return made;
  }

  #plan(): Seat[] {
    const users = {
      JWT_KEYS: JSON.stringify(generateKeySet()),
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
    };
    const admin = { ADMIN_JWT_KEYS: JSON.stringify(generateKeySet()) };
    const seats = [
      { domains: "users clubs applications admin", env: { ...users, ...admin } },
      { domains: "activities posts files notifications search", env: {} },
    ];
    return [
      ...seats.flatMap((seat) => [seat, seat]),
      ...this.gatewayPorts.map((port) => ({ domains: "gateway", env: { PORT: String(port) } })),
      { domains: "admin-gateway", env: {} },
    ];
  }

  async #begin(seat: Seat): Promise<void> {
    const own = path.join(this.#folder, `node-${++this.#begun}`);
    const node = launch("scripts/node.ts", seat.domains, { ...this.#common, ...seat.env, DATA_DIR: own });
    this.nodes.push(node);
    this.#seats.set(node, seat);
    // On a machine of its own a start takes nothing from those who work.
    setPriority(node.pid, START_NICE);
    await ready(node);
    try {
      setPriority(node.pid, 0);
    } catch {
      // Only root may; it stays polite then.
    }
  }

  /** Ends the node and starts one in its place; resolves, when that one is ready, with the exit code of the old one. */
  async restart(node: ClusterNode, signal: NodeJS.Signals): Promise<number | null> {
    const seat = this.#seats.get(node);
    if (!seat) throw new Error("This node is not one of the cluster's.");
    node.kill(signal);
    const code = await node.exited;
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await this.#begin(seat);
    return code;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.kill("SIGKILL");
    await Promise.all(this.nodes.map(({ exited }) => exited));
    await this.#stopServers();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

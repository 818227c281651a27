/**
 * Old and new nodes of clubs side by side while a column is replaced, release after release: expand, migrate, contract.
 * Under constant load through the gateways nothing fails and nothing is lost; a step taken too early is seen at once.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import type { RowDataPacket } from "mysql2/promise";
import { generateKeySet } from "../../lib/keys.ts";
import { makeReleases } from "../rollout/releases.ts";
import { Writers } from "../rollout/writers.ts";
import { Balancer, until } from "../support/balancer.ts";
import { launch, ready, run } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { describeWith, startMariadb, startNats, startRedis } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";

const REST = "users applications activities posts notifications files search admin";

describeWith(["nats", "mariadb", "redis"], "a rollout over a change of schema", () => {
  const servers: Server[] = [];
  const nodes: ClusterNode[] = [];
  let folder: string;
  let releases: Map<string, string>;
  let env: Record<string, string>;
  let balancer: Balancer;
  let writers: Writers;

  const treeOf = (release: string): string => {
    const tree = releases.get(release);
    if (!tree) throw new Error(`There is no release "${release}".`);
    return tree;
  };
  const begin = (release: string, domain: string, own: Record<string, string> = {}): ClusterNode =>
    launch(path.join(treeOf(release), "scripts", "node.ts"), domain, { ...env, ...own });
  const join = async (release: string, domain: string, own?: Record<string, string>): Promise<void> => {
    const node = begin(release, domain, own);
    nodes.push(node);
    await ready(node);
  };
  const leave = async (node: ClusterNode): Promise<void> => {
    node.kill("SIGTERM");
    expect(await node.exited).toBe(0);
    nodes.splice(nodes.indexOf(node), 1);
  };
  const of = (domain: string): ClusterNode[] => nodes.filter((node) => node.domain === domain);
  /** Node by node: the new one is ready before the old one is told to go. */
  const roll = async (release: string, domain: string): Promise<void> => {
    for (const old of of(domain)) {
      await join(release, domain);
      await leave(old);
    }
  };
  const migrate = (release: string, command = "up"): Promise<void> =>
    run([path.join(treeOf(release), "scripts", "migrate.ts"), command, "clubs"], env);
  const rows = async <R extends RowDataPacket>(sql: string): Promise<R[]> => {
    const connection = await createConnection(env["CLUBS_DB_URL"] as string);
    const [found] = await connection.query<R[]>(sql);
    connection.destroy();
    return found;
  };

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "club-alliance-rollout-"));
    releases = makeReleases(folder);
    const [nats, mariadb, redis] = await Promise.all([startNats(), startMariadb(), startRedis()]);
    servers.push(nats, mariadb, redis);
    env = {
      PATH: process.env["PATH"] ?? "",
      NAMESPACE: "test-rollout",
      NATS_URL: nats.url,
      QUEUE_URL: nats.url,
      REDIS_URL: redis.url,
      CLUBS_DB_URL: await mariadb.database("clubs"),
      // The domains that stay as they are keep what they have on this machine.
      ALLOW_EMBEDDED: "1",
      DATA_DIR: path.join(folder, "data"),
      PORT: "0",
      HEALTH_PORT: "0",
      LOG_FORMAT: "json",
      LOG_LEVEL: "warn",
      RATE_LIMIT_ANONYMOUS: "0",
      RATE_LIMIT_USER: "0",
      RATE_LIMIT_AUTH: "0",
    };
    await migrate("before");
    const keys = {
      JWT_KEYS: JSON.stringify(generateKeySet()),
      ADMIN_JWT_KEYS: JSON.stringify(generateKeySet()),
      ADMIN_EMAIL: "admin@example.edu",
      ADMIN_PASSWORD: "an-admin-for-tests",
    };
    await Promise.all([
      join("before", REST, keys),
      join("before", "clubs"),
      join("before", "clubs"),
      join("before", "gateway"),
      join("before", "gateway"),
    ]);
    balancer = new Balancer({ of });
    writers = await Writers.begin(balancer, 3);
  }, 180_000);

  afterAll(async () => {
    await writers?.stop();
    await balancer?.stop();
    for (const node of nodes) node.kill("SIGKILL");
    await Promise.all(nodes.map(({ exited }) => exited));
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** Some answers by the nodes as they are now, and nothing wrong until here. */
  const nothingWrong = async (): Promise<void> => {
    await writers.more(40);
    expect(writers.problems).toEqual([]);
  };

  test("a node whose migrations have not run waits for them, and the others go on", async () => {
    const early = begin("expand", "clubs");
    while (!early.log.some((line) => line.includes("migrations are pending (9001-tagline)"))) await sleep(50);
    expect((await fetch(early.health).catch(() => null))?.ok ?? false).toBe(false);
    early.kill("SIGKILL");
    await early.exited;
    await nothingWrong();
  }, 120_000);

  test("expand: written by new nodes beside the old, under gateways of both releases", async () => {
    await join("expand", "gateway");
    await leave(of("gateway")[0] as ClusterNode);
    await nothingWrong();
    await migrate("expand");
    await nothingWrong();
    await roll("expand", "clubs");
    await nothingWrong();
    // An old node may come back: what it does not know does not hinder it.
    await join("before", "clubs");
    await nothingWrong();
    await leave(of("clubs").at(-1) as ClusterNode);
  }, 180_000);

  test("the old release does not undo what it does not know", async () => {
    await expect(migrate("before", "down")).rejects.toThrow(
      /has migrations of a newer release \(9001-tagline\): undo them with that release first/,
    );
  }, 60_000);

  test("migrate: what is missing is filled in, and the new column is read", async () => {
    await migrate("migrate");
    expect(await rows("SELECT id FROM clubs WHERE tagline IS NULL OR BINARY tagline <> summary")).toEqual([]);
    await roll("migrate", "clubs");
    await nothingWrong();
  }, 180_000);

  test("contract: the old column is written no more, and gone with the release after", async () => {
    await roll("contract", "clubs");
    await nothingWrong();
    await migrate("dropped");
    await nothingWrong();
  }, 180_000);

  test("in the end every row is what was last written, and no message is left or dead", async () => {
    await writers.stop();
    expect(writers.problems).toEqual([]);
    const found = await rows<RowDataPacket & { id: string; tagline: string }>(
      "SELECT id, tagline FROM clubs",
    );
    expect(new Map(found.map(({ id, tagline }) => [id, tagline]))).toEqual(writers.written);
    const left = () => rows("SELECT id FROM outbox WHERE published_at IS NULL");
    await until("the outbox was empty", async () => (await left()).length === 0);
    expect(await rows("SELECT type, error FROM dead_letters")).toEqual([]);
    process.stderr.write(`${writers.requests} requests, ${writers.written.size} clubs\n`);
  }, 60_000);

  test("dropped while old nodes run, it fails", async () => {
    await join("before", "clubs");
    const late = await Writers.begin(balancer, 3, writers);
    await until("something failed", () => late.problems.length > 0);
    await late.stop();
    expect(late.problems.join()).toMatch(/ 500 /);
  }, 120_000);
});

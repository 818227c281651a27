/** A stream over two gateways and two nodes of notifications, on real NATS and MongoDB, while one after another dies. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceBroker } from "moleculer";
import { DocumentMigrations } from "../../lib/documents/migrations.ts";
import { openMongo } from "../../lib/documents/mongo.ts";
import { newId } from "../../lib/ids.ts";
import { generateKeySet } from "../../lib/keys.ts";
import { readSettings } from "../../lib/settings.ts";
import { createNode } from "../../moleculer.config.ts";
import { EventStream } from "../support/event-stream.ts";
import { eventually } from "../support/eventually.ts";
import { launch } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { describeWith, startNats } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startMongodb } from "../support/servers/mongodb.ts";

const WAIT_MS = 60_000;

/** A client that comes back, each time to the next gateway, as an EventSource behind a balancer does. */
class Follower {
  readonly ids: string[] = [];
  readonly gateways: () => ClusterNode[];
  readonly token: string;
  /** Of the gateway that it is at. */
  at: ClusterNode | null = null;
  connections = 0;
  #over = false;
  #stream: EventStream | null = null;
  #running: Promise<void>;

  constructor(token: string, gateways: () => ClusterNode[]) {
    this.token = token;
    this.gateways = gateways;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#over; turn++) {
      const all = this.gateways();
      const gateway = all[turn % all.length] as ClusterNode;
      const last = this.ids.at(-1);
      const options = { token: this.token, ...(last !== undefined && { lastEventId: last }) };
      const stream = await EventStream.open(gateway.url, options).catch(() => null);
      if (stream?.status === 200) await this.#follow(stream, gateway);
      await sleep(200);
    }
  }

  async #follow(stream: EventStream, gateway: ClusterNode): Promise<void> {
    this.#stream = stream;
    this.at = gateway;
    this.connections += 1;
    for (let read = 0; !stream.ended || read < stream.events.length; await sleep(10))
      for (; read < stream.events.length; read++) this.ids.push((stream.events[read] as { id: string }).id);
    this.at = null;
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.#stream?.close();
    await this.#running;
  }
}

describeWith(["nats", "mongodb"], "a stream while nodes die", () => {
  let folder: string;
  let nats: Server;
  let mongodb: Server;
  let users: ServiceBroker;
  let env: Record<string, string>;
  const nodes: ClusterNode[] = [];
  const started: ClusterNode[] = [];
  const of = (domain: string): ClusterNode[] => nodes.filter((node) => node.domain === domain);

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "club-alliance-stream-"));
    [nats, mongodb] = await Promise.all([startNats(), startMongodb()]);
    const url = `${mongodb.url}/notifications_stream`;
    const store = openMongo(url);
    await new DocumentMigrations(store.db, "notifications").up();
    await store.close();
    env = {
      PATH: process.env["PATH"] ?? "",
      NAMESPACE: `t${randomBytes(4).toString("hex")}`,
      NATS_URL: nats.url,
      NOTIFICATIONS_DB_URL: url,
      ALLOW_EMBEDDED: "1",
      PORT: "0",
      HEALTH_PORT: "0",
      LOG_FORMAT: "json",
      LOG_LEVEL: "warn",
      RATE_LIMIT_ANONYMOUS: "0",
      RATE_LIMIT_USER: "0",
      RATE_LIMIT_AUTH: "0",
    };
    const own = {
      ...env,
      LOG_LEVEL: "fatal",
      DATA_DIR: path.join(folder, "users"),
      JWT_KEYS: JSON.stringify(generateKeySet()),
    };
    users = await createNode(readSettings(own), ["users"]);
    await users.start();
    await Promise.all(
      ["notifications", "notifications", "gateway", "gateway"].map((domain) => start(domain)),
    );
  }, 120_000);

  afterAll(async () => {
    for (const node of started) node.kill("SIGKILL");
    await users?.stop();
    await Promise.all([nats?.stop(), mongodb?.stop()]);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  /** Other domains are not there, so a gateway that waits for them serves all the same. */
  async function start(domain: string): Promise<ClusterNode> {
    const node = launch("scripts/node.ts", domain, {
      ...env,
      DATA_DIR: path.join(folder, `${domain}-${started.length}`),
    });
    started.push(node);
    await eventually(
      async () => {
        if (!node.health) return undefined;
        const { reasons = {} } = (await (await fetch(node.health)).json()) as { reasons?: object };
        return Object.keys(reasons).every((each) => each === "api: services") || undefined;
      },
      WAIT_MS,
      () => node.log.join("\n"),
    );
    nodes.push(node);
    return node;
  }

  async function kill(node: ClusterNode, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    nodes.splice(nodes.indexOf(node), 1);
    node.kill(signal);
    await node.exited;
  }

  async function register(): Promise<{ id: string; token: string }> {
    const username = `person-${randomBytes(4).toString("hex")}`;
    return eventually(async () => {
      const response = await fetch(`${of("gateway")[0]?.url}/auth/register`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          username,
          email: `${username}@example.edu`,
          password: "wooden ships on water",
        }),
      });
      if (!response.ok) return undefined;
      const { user, accessToken } = (await response.json()) as { user: { id: string }; accessToken: string };
      return { id: user.id, token: accessToken };
    }, WAIT_MS);
  }

  /** As a relay does: until it is answered, however often that takes. */
  async function tell(user: string): Promise<string> {
    const id = newId();
    const clubId = newId();
    const envelope = {
      id,
      type: "clubs.memberRoleChanged",
      at: Date.now(),
      aggregate: { type: "club", id: clubId, version: 2 },
      actor: null,
      requestId: null,
      data: { clubId, userId: user, role: "officer", by: newId() },
    };
    await eventually(
      () =>
        users.call("notifications.onMessage", envelope, { timeout: 2_000, retries: 0 }).then(
          () => true,
          () => sleep(100, undefined),
        ),
      WAIT_MS,
    );
    return `${id}:${user}`;
  }

  test("no notice is lost, none comes twice, and they are in order", async () => {
    const [ann, bob] = [await register(), await register()];
    const followers = [ann, ann, bob].map(({ token }) => new Follower(token, () => of("gateway")));
    await eventually(async () => followers.every(({ at }) => at) || undefined, WAIT_MS);
    // Whoever begins knows of nothing before, so the first event is waited for.
    const told = new Map([
      [ann, [await tell(ann.id)]],
      [bob, [await tell(bob.id)]],
    ]);
    await eventually(async () => followers.every(({ ids }) => ids.length > 0) || undefined, WAIT_MS);
    let over = false;
    const telling = [ann, bob].map(async (person) => {
      while (!over) {
        told.get(person)?.push(await tell(person.id));
        await sleep(30);
      }
    });
    const dying = async (): Promise<void> => {
      await sleep(1_000);
      // The gateway that a client is at.
      await kill(followers[0]?.at ?? (of("gateway")[0] as ClusterNode));
      await sleep(2_000);
      await kill(of("notifications")[0] as ClusterNode);
      await sleep(2_000);
      await Promise.all([start("gateway"), start("notifications")]);
      await nats.kill();
      await sleep(2_000);
      await nats.restart();
      await sleep(2_000);
      // The last gateway from the beginning, which sends its clients on.
      await kill(of("gateway")[0] as ClusterNode, "SIGTERM");
      await sleep(2_000);
    };
    await dying().finally(() => (over = true));
    await Promise.all(telling);
    const expected = [ann, ann, bob].map((person) => told.get(person) as string[]);
    await eventually(
      async () => followers.every(({ ids }, i) => ids.length >= (expected[i]?.length ?? 0)) || undefined,
      WAIT_MS,
      () => followers.map(({ ids }, i) => `${ids.length} of ${expected[i]?.length}`).join(", "),
    );
    await Promise.all(followers.map((follower) => follower.stop()));
    for (const [i, { ids }] of followers.entries()) expect(ids).toEqual(expected[i]);
    expect(Math.max(...followers.map(({ connections }) => connections))).toBeGreaterThan(1);
    expect(told.get(ann)?.length).toBeGreaterThan(20);
  }, 240_000);
});

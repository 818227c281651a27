/**
 * Three processes of activities over NATS on MongoDB, made by the tests; the domains that they ask are in the test's own
 * process, which is also who asks.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ServiceBroker } from "moleculer";
import { DocumentMigrations } from "../../lib/documents/migrations.ts";
import { openMongo } from "../../lib/documents/mongo.ts";
import type { MongoStore } from "../../lib/documents/mongo.ts";
import { ranked } from "../../middlewares/owners.ts";
import { eventually } from "../support/eventually.ts";
import { launch, ready } from "../support/node-process.ts";
import type { ClusterNode } from "../support/node-process.ts";
import { startPlace } from "../support/place.ts";
import type { Place } from "../support/place.ts";
import { newWorld, signer } from "../support/rush.ts";
import { startNats } from "../support/servers/index.ts";
import type { Server } from "../support/servers/index.ts";
import { startMongodb } from "../support/servers/mongodb.ts";
import { standIns } from "../support/stand-ins.ts";
import type { World } from "../support/stand-ins.ts";

const READY_MS = 40_000;

export class Nodes {
  readonly world: World = newWorld();
  readonly nodes: ClusterNode[] = [];
  readonly #nats: Server;
  readonly #mongodb: Server;
  readonly #folder: string;
  readonly #env: Record<string, string>;
  #place: Place | undefined;
  readonly store: MongoStore;

  private constructor(nats: Server, mongodb: Server, folder: string) {
    this.#nats = nats;
    this.#mongodb = mongodb;
    this.#folder = folder;
    this.store = openMongo(`${mongodb.url}/activities`);
    this.#env = {
      NATS_URL: nats.url,
      NAMESPACE: `t${randomBytes(4).toString("hex")}`,
      ALLOW_EMBEDDED: "1",
      HEALTH_PORT: "0",
      LOG_FORMAT: "json",
      LOG_LEVEL: "warn",
      ACTIVITIES_DB_URL: `${mongodb.url}/activities`,
    };
  }

  static async start(): Promise<Nodes> {
    const [nats, mongodb, folder] = await Promise.all([
      startNats(),
      startMongodb(),
      mkdtemp(path.join(tmpdir(), "club-alliance-rush-nodes-")),
    ]);
    const made = new Nodes(nats, mongodb, folder);
    try {
      await new DocumentMigrations(made.store.db, "activities").up();
      await made.#begin();
    } catch (error) {
      await made.stop();
      throw error;
    }
    return made;
  }

  get broker(): ServiceBroker {
    if (!this.#place) throw new Error("There is no broker while everything is down.");
    return this.#place.broker;
  }

  async #begin(): Promise<void> {
    // The stand-ins are known by their names alone: the domains are other processes.
    const env = { ...this.#env, LOG_LEVEL: "fatal", DATA_DIR: path.join(this.#folder, "here") };
    this.#place = await startPlace([], env, standIns(this.world, signer));
    await Promise.all([1, 2, 3].map(() => this.add()));
  }

  /** One more process; resolves when it serves and is known here. */
  async add(): Promise<ClusterNode> {
    const node = launch("scripts/node.ts", "activities", {
      PATH: process.env["PATH"] ?? "",
      ...this.#env,
      DATA_DIR: path.join(this.#folder, randomBytes(4).toString("hex")),
    });
    this.nodes.push(node);
    await ready(node);
    await eventually(
      async () => this.#ids().some((id) => id.endsWith(`~${node.pid}`)) || undefined,
      READY_MS,
    );
    return node;
  }

  /** The process that decides for an activity, as callers see it. */
  ownerOf(activity: string): ClusterNode {
    const [first] = ranked(
      this.#ids().map((id) => ({ id })),
      activity,
    );
    const owner = this.nodes.find(({ pid }) => first?.id.endsWith(`~${pid}`));
    if (!owner) throw new Error("Nobody serves the activities.");
    return owner;
  }

  #ids(): string[] {
    const found = this.broker.registry.actions.list({
      onlyAvailable: true,
      withEndpoints: true,
    }) as unknown as {
      name: string;
      endpoints?: { nodeID: string }[];
    }[];
    const join = found.find(({ name }) => name === "participations.join");
    return join?.endpoints?.map(({ nodeID }) => nodeID) ?? [];
  }

  /** Ends every process but the database, whose imitation is too slow where it keeps its data, and starts them again. */
  async restart(): Promise<void> {
    await this.#end();
    await this.#begin();
  }

  async #end(): Promise<void> {
    const nodes = this.nodes.splice(0);
    for (const node of nodes) node.kill("SIGTERM");
    await Promise.all([...nodes.map(({ exited }) => exited), this.#place?.stop()]);
    this.#place = undefined;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.kill("SIGKILL");
    await this.#end();
    await this.store.close();
    await Promise.all([this.#nats.stop(), this.#mongodb.stop()]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

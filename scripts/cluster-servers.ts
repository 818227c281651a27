/**
 * The servers of `npm run cluster -- --servers`, started as the tests start theirs (scripts/install-servers.sh gets them):
 * what they keep goes when they stop.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { natsUsers, OPERATOR } from "../lib/nats-permissions.ts";
import { SettingsError } from "../lib/settings.ts";
import { DOMAINS } from "../moleculer.config.ts";
import { talkOf } from "./nats-talk.ts";

export interface Servers {
  /** For every node, beside its NATS_URL. */
  env: Record<string, string>;
  /** The address of the bus for nodes of a domain, with its user. */
  natsUrlOf(domain: string): string;
  /** Lines for the overview. */
  lines: string[];
  stop(): Promise<void>;
}

const NEEDED = ["nats", "mariadb", "redis", "mongodb", "elasticsearch", "s3"] as const;

/** Starts all servers and runs the migrations; `tell` hears of each that is ready. */
export async function startServers(namespace: string, tell: (line: string) => void): Promise<Servers> {
  const [{ missing, remedy }, { makeCertificates }, nats, replication, redis, mongodb, elasticsearch, s3] =
    await Promise.all([
      import("../test/support/servers/found.ts"),
      import("../test/support/servers/certificates.ts"),
      import("../test/support/servers/nats-cluster.ts"),
      import("../test/support/servers/replication.ts"),
      import("../test/support/servers/redis-cluster.ts"),
      import("../test/support/servers/mongodb.ts"),
      import("../test/support/servers/elasticsearch.ts"),
      import("../test/support/servers/s3.ts"),
    ]);
  const absent = missing([...NEEDED]);
  if (absent.length > 0) throw new SettingsError(remedy(absent));
  const folder = mkdtempSync(path.join(tmpdir(), "club-alliance-servers-"));
  const password = crypto.randomUUID();
  const ready = async <T>(name: string, starting: Promise<T>): Promise<T> => {
    const started = await starting;
    tell(`${name} is ready.`);
    return started;
  };
  const { certificate, key, authority } = await makeCertificates(folder);
  const passwords = new Map([...DOMAINS, OPERATOR].map((domain) => [domain, password]));
  const config = `tls { cert_file: ${JSON.stringify(certificate)}, key_file: ${JSON.stringify(key)} }
${natsUsers(passwords, namespace, talkOf())}`;
  const [bus, sql, cache, documents, index, objects] = await Promise.all([
    ready("NATS, three servers", nats.startNatsCluster({ config, scheme: "tls" })),
    ready("MariaDB, a primary and a replica", replication.startReplication()),
    ready("Redis Cluster, three masters with a replica each", redis.startRedisCluster()),
    ready("MongoDB's protocol (an imitation)", mongodb.startMongodb()),
    ready("Elasticsearch's protocol (OpenSearch)", elasticsearch.startElasticsearch()),
    ready("S3's protocol (versitygw)", s3.startS3()),
  ]);
  const database = async (name: string): Promise<string> => sql.primary.database(name);
  const clubs = await database("clubs");
  const replica = sql.replicas[0] as { port: number };
  const env: Record<string, string> = {
    NODE_EXTRA_CA_CERTS: authority,
    USERS_DB_URL: await database("users"),
    CLUBS_DB_URL: clubs,
    CLUBS_DB_READ_URLS: clubs.replace(/:\d+\//, `:${replica.port}/`),
    APPLICATIONS_DB_URL: await database("applications"),
    REDIS_URL: cache.url,
    FILES_DB_URL: await database("files"),
    ADMIN_DB_URL: await database("admin"),
    ACTIVITIES_DB_URL: `${documents.url}/activities`,
    POSTS_DB_URL: `${documents.url}/posts`,
    NOTIFICATIONS_DB_URL: `${documents.url}/notifications`,
    ELASTICSEARCH_URL: index.url,
    S3_URL: await objects.createBucket("club-alliance"),
  };
  const stop = async (): Promise<void> => {
    await Promise.all([bus, sql, cache, documents, index, objects].map((server) => server.stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  await migrate(env).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  tell("The migrations have run.");
  return {
    env,
    natsUrlOf: (domain) => bus.urlOf(domain, password),
    lines: [
      `  NATS           ${bus.url}`,
      `  MariaDB        ${sql.primary.url} (replica: port ${replica.port})`,
      `  Redis          ${cache.url.replace(/:[^@/]*@/, ":…@")}`,
      `  MongoDB        ${documents.url}`,
      `  Elasticsearch  ${index.url}`,
      `  S3             ${objects.url}`,
    ],
    stop,
  };
}

async function migrate(env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, ["scripts/migrate.ts", "up"], {
    cwd: path.join(import.meta.dirname, ".."),
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new SettingsError("The migrations failed; the lines above say why.");
}

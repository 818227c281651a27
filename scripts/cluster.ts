/**
 * `npm run cluster`: a cluster on this machine to try things on: two gateways, the admin gateway and a process for each
 * domain on embedded stores, joined by NATS. With `--servers`: two processes of each domain on real servers that it starts.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { generateKeySet } from "../lib/keys.ts";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import { DOMAINS } from "../moleculer.config.ts";
import type { Servers } from "./cluster-servers.ts";

const ROOT = path.join(import.meta.dirname, "..");
/** Milliseconds for a process to become ready, and to stop. */
const START_LIMIT = 180_000;
const STOP_LIMIT = 15_000;

const children: ChildProcess[] = [];
let servers: Servers | undefined;

async function main(): Promise<void> {
  const env = readEnvironment();
  const settings = readSettings(env);
  mkdirSync(settings.dataDir, { recursive: true });
  if (process.argv.includes("--servers")) {
    const { startServers } = await import("./cluster-servers.ts");
    servers = await startServers(settings.namespace, (line) => process.stdout.write(`${line}\n`));
  }
  const natsUrl = servers ? "" : (settings.natsUrl ?? (await startNats(settings.dataDir)));
  const common = {
    ...env,
    ...(servers ? servers.env : { NATS_URL: natsUrl, ALLOW_EMBEDDED: "1" }),
    HEALTH_PORT: "0",
    DATA_DIR: settings.dataDir,
    JWT_KEYS: undefined,
    ADMIN_JWT_KEYS: undefined,
  };
  const busOf = (domain: string): Record<string, string> =>
    servers ? { NATS_URL: servers.natsUrlOf(domain), QUEUE_URL: servers.natsUrlOf(domain) } : {};
  const keys: Record<string, Record<string, string>> = {
    users: { JWT_KEYS: settings.jwtKeys ?? keptKeys(path.join(settings.dataDir, "jwt-keys.json")) },
    admin: {
      ADMIN_JWT_KEYS: settings.adminJwtKeys ?? keptKeys(path.join(settings.dataDir, "admin-jwt-keys.json")),
    },
  };
  const gateways = [settings.port, settings.port === 0 ? 0 : settings.port + 100].map((port) => ({
    title: "gateway",
    domain: "gateway",
    PORT: String(port),
  }));
  const adminGateway = { title: "admin-gateway", domain: "admin-gateway" };
  const domains = DOMAINS.filter((domain) => domain !== "gateway" && domain !== "admin-gateway")
    .flatMap((domain) => (servers ? [domain, domain] : [domain]))
    .map((domain) => ({ title: domain, domain, ...keys[domain] }));
  const started = [...domains, ...gateways, adminGateway].map(({ title, domain, ...own }) =>
    startNode(title, domain, { ...common, ...busOf(domain), ...own }),
  );
  const places = await Promise.all(started);
  process.stdout.write(
    `\nThe cluster is ready: ${places.length} processes, joined by ${servers ? "three NATS servers" : natsUrl.replace(/\/\/[^@]*@/, "//…@")}.\n${[...places, ...(servers?.lines ?? [])].join("\n")}\n`,
  );
  if (!servers && !settings.redisUrl) process.stdout.write("Without REDIS_URL limits count per gateway.\n");
  process.stdout.write("Ctrl-C stops it.\n");
}

/** Keys that sign access tokens, made once and kept. */
function keptKeys(file: string): string {
  if (!existsSync(file)) writeFileSync(file, JSON.stringify(generateKeySet()), { mode: 0o600 });
  return readFileSync(file, "utf8");
}

async function startNats(folder: string): Promise<string> {
  const port = await freePort();
  const file = path.join(folder, "nats.conf");
  writeFileSync(file, `listen: 127.0.0.1:${port}\nmax_payload: 8MB\n`);
  // Apart from our process group: Ctrl-C must reach the nodes first, which need NATS to leave in order.
  const child = spawn("nats-server", ["-c", file], { stdio: "ignore", detached: true });
  children.push(child);
  const failed = new Promise<never>((_, reject) =>
    child.once("error", () =>
      reject(
        new SettingsError(
          "NATS_URL is not set and there is no nats-server on this machine. Install one (Debian: apt install nats-server; others: https://nats.io/download), or set NATS_URL.",
        ),
      ),
    ),
  );
  await Promise.race([failed, sleep(500)]);
  return `nats://127.0.0.1:${port}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Starts a node and resolves with a line for the overview when it is ready. */
async function startNode(
  title: string,
  domain: string,
  env: Record<string, string | undefined>,
): Promise<string> {
  const child = spawn(process.execPath, ["scripts/node.ts", domain], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const told = new Map<string, string>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      const place = /^ {2}(API|Admin|Health) +(\S+)/.exec(line);
      if (place) told.set(place[1] as string, place[2] as string);
      else process.stdout.write(`${title.padEnd(14)} ${line}\n`);
    });
  let gone = false;
  child.once("exit", () => (gone = true));
  for (const end = Date.now() + START_LIMIT; Date.now() < end; await sleep(100)) {
    if (gone)
      throw new SettingsError(`The ${title} process ended before it was ready; its lines above say why.`);
    const health = told.get("Health");
    if (
      health &&
      (await fetch(health).then(
        ({ ok }) => ok,
        () => false,
      ))
    )
      return `  ${title.padEnd(14)} pid ${String(child.pid).padEnd(8)} ${told.get("API") ?? told.get("Admin") ?? ""}`;
  }
  throw new SettingsError(`The ${title} process was not ready within ${START_LIMIT / 1000} s.`);
}

/** Stops gateways first and NATS last, by the order of their start. */
async function stop(code: number): Promise<never> {
  for (const child of children.toReversed()) {
    if (child.exitCode !== null || child.pid === undefined) continue;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await Promise.race([ended, sleep(STOP_LIMIT).then(() => child.kill("SIGKILL"))]);
  }
  await servers?.stop();
  process.exit(code);
}

let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    void stop(0);
  });

main().catch((error: unknown) => {
  process.stderr.write(
    `The cluster did not start: ${error instanceof SettingsError ? error.message : String((error as Error).stack)}\n`,
  );
  void stop(1);
});

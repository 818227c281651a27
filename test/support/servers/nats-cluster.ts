import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { folder, freePort, type Server, serve } from "./child.ts";
import { need } from "./found.ts";

export interface NatsClusterOptions {
  /** More of the configuration of each server, as text: users, permissions, `tls { … }`. */
  config?: string;
  /** Scheme of `url`: "tls" where the configuration demands it. */
  scheme?: "nats" | "tls";
}

export interface NatsCluster {
  /** All three, comma-separated, without a user. */
  readonly url: string;
  readonly nodes: Server[];
  /** The same with a user's name and password. */
  urlOf: (user: string, password: string) => string;
  /** What the servers have refused to somebody, from their logs. */
  violations: () => Promise<string[]>;
  /** SIGKILL for all three. */
  kill: () => Promise<void>;
  /** All three anew, on their data; returns when they are whole. */
  restart: () => Promise<void>;
  /** Waits until the servers see each other and have chosen who leads JetStream. */
  whole: () => Promise<void>;
  stop: () => Promise<void>;
}

const FORMING_MS = 20_000;

/** Starts three NATS servers as one cluster, with JetStream that syncs each write. */
export async function startNatsCluster({
  config = "",
  scheme = "nats",
}: NatsClusterOptions = {}): Promise<NatsCluster> {
  const places = await Promise.all(
    Array.from({ length: 3 }, async () => ({
      dir: await folder("nats"),
      port: await freePort(),
      monitor: await freePort(),
      route: await freePort(),
    })),
  );
  const routes = places.map(({ route }) => `nats://127.0.0.1:${route}`);
  const whole = (): Promise<void> => formed(places.map(({ monitor }) => monitor));
  const nodes = await Promise.all(places.map((place) => startNode(place, routes, config, scheme)));
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    await whole();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: nodes.map(({ url }) => url).join(","),
    nodes,
    urlOf: (user, password) =>
      nodes
        .map(({ port }) => `${scheme}://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}`)
        .join(","),
    async violations() {
      const logs = await Promise.all(places.map(({ dir }) => readFile(join(dir, "log"), "utf8")));
      return logs.flatMap((log) => log.split("\n").filter((line) => line.includes("Violation")));
    },
    async kill() {
      await Promise.all(nodes.map((node) => node.kill()));
    },
    async restart() {
      await Promise.all(nodes.map((node) => node.restart()));
      await whole();
    },
    whole,
    stop,
  };
}

interface Place {
  dir: string;
  port: number;
  monitor: number;
  route: number;
}

async function startNode(
  { dir, port, monitor, route }: Place,
  routes: string[],
  config: string,
  scheme: string,
): Promise<Server> {
  const file = join(dir, "nats.conf");
  await writeFile(
    file,
    `server_name: ${basename(dir)}
listen: 127.0.0.1:${port}
http: 127.0.0.1:${monitor}
max_payload: 8MB
jetstream { store_dir: ${JSON.stringify(join(dir, "data"))}, sync_interval: always }
cluster { name: test, listen: 127.0.0.1:${route}, routes: [${routes.join(", ")}] }
${config}
`,
  );
  return serve({
    command: need("nats-server"),
    args: ["-c", file],
    dir,
    url: `${scheme}://127.0.0.1:${port}`,
    port,
    async probe() {
      const answer = await fetch(`http://127.0.0.1:${monitor}/varz`, { signal: AbortSignal.timeout(1000) });
      return ((await answer.json()) as { server_name: string }).server_name === basename(dir);
    },
  });
}

async function formed(monitors: number[]): Promise<void> {
  const sees = async (monitor: number): Promise<boolean> => {
    const answer = await fetch(`http://127.0.0.1:${monitor}/jsz`, { signal: AbortSignal.timeout(1000) });
    const { meta_cluster: meta } = (await answer.json()) as {
      meta_cluster?: { leader?: string; cluster_size?: number };
    };
    return Boolean(meta?.leader) && meta?.cluster_size === 3;
  };
  for (const end = Date.now() + FORMING_MS; Date.now() < end; await sleep(50)) {
    const all = await Promise.all(monitors.map((monitor) => sees(monitor).catch(() => false)));
    if (all.every(Boolean)) return;
  }
  throw new Error(`the NATS servers were not one cluster within ${FORMING_MS} ms`);
}

import { once } from "node:events";
import { connect } from "node:net";
import { basename, join } from "node:path";
import { borrowed, folder, freePort, type Server, serve } from "./child.ts";
import { given, need } from "./found.ts";

export interface NatsServer extends Server {
  /** The monitoring address: /varz, /connz, /jsz… */
  readonly httpUrl: string;
}

/** Starts NATS with JetStream. `args` are added to its command line. */
export async function startNats({ args = [] }: { args?: string[] } = {}): Promise<NatsServer> {
  const theirs = given("nats");
  if (theirs) return Object.assign(borrowed(theirs, 4222), { httpUrl: `http://${theirs.hostname}:8222` });

  const command = need("nats-server");
  const [port, monitor] = [await freePort(), await freePort()];
  const dir = await folder("nats");
  const name = basename(dir);
  const httpUrl = `http://127.0.0.1:${monitor}`;
  const own = [
    "-a",
    "127.0.0.1",
    "-p",
    `${port}`,
    "-m",
    `${monitor}`,
    "-n",
    name,
    "-js",
    "-sd",
    join(dir, "data"),
  ];
  const server = await serve({
    command,
    args: [...own, ...args],
    dir,
    url: `nats://127.0.0.1:${port}`,
    port,
    async probe() {
      const health = await fetch(`${httpUrl}/healthz`, { signal: AbortSignal.timeout(1000) });
      if (!health.ok) throw new Error(`healthz answers ${health.status}`);
      return (await greeting(port)).includes(`"server_name":"${name}"`);
    },
  });
  return Object.assign(server, { httpUrl });
}

/** The first thing a NATS server says to a client: INFO and JSON. */
async function greeting(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  try {
    const [data] = await once(socket, "data", { signal: AbortSignal.timeout(1000) });
    return String(data);
  } finally {
    socket.destroy();
  }
}

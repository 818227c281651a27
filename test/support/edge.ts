/** nginx before the gateways, with the configuration that is shipped, and a client that trusts its certificate. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import type { IncomingMessage } from "node:http";
import path from "node:path";
import { text } from "node:stream/consumers";
import { makeCertificates } from "./servers/certificates.ts";
import { connects, folder, freePort, serve } from "./servers/child.ts";
import type { Server } from "./servers/child.ts";
import { need } from "./servers/found.ts";

const SHIPPED = path.join(import.meta.dirname, "..", "..", "deploy", "nginx", "edge.conf");
const LIMIT = 30_000;
/** As many browsers at once as ask; those on top of them wait for a connection. */
const MAX_SOCKETS = 200;

export interface Answer<B = Record<string, unknown>> {
  status: number;
  headers: IncomingMessage["headers"];
  body: B;
}
export interface Sending {
  token?: string;
  body?: object;
  headers?: Record<string, string>;
}

export class Edge {
  readonly server: Server;
  readonly #agent: Agent;

  private constructor(server: Server, ca: string) {
    this.server = server;
    this.#agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, ca });
  }

  /** Starts nginx before gateways that listen, or will, on these ports. */
  static async start(gateways: readonly number[]): Promise<Edge> {
    const dir = await folder("nginx");
    const [{ authority, certificate, key }, port] = [await makeCertificates(dir), await freePort()];
    const servers = gateways.map((each) => `server 127.0.0.1:${each} max_fails=3 fail_timeout=1s;`);
    const conf = replaced(readFileSync(SHIPPED, "utf8"), [
      [/ *server 10\.0\.0\.11:3000 max_fails=3 fail_timeout=1s;\n/, `    ${servers.join("\n    ")}\n`],
      [/ *server 10\.0\.0\.12:3000 max_fails=3 fail_timeout=1s;\n/, ""],
      [/listen 80;/, `listen 127.0.0.1:${await freePort()};`],
      [/listen 443 /, `listen 127.0.0.1:${port} `],
      [/\/etc\/nginx\/tls\/edge\.pem/, certificate],
      [/\/etc\/nginx\/tls\/edge\.key/, key],
    ]);
    await writeFile(path.join(dir, "edge.conf"), conf);
    await writeFile(path.join(dir, "nginx.conf"), around(dir));
    const server = await serve({
      command: need("nginx"),
      args: ["-c", path.join(dir, "nginx.conf"), "-p", dir, "-e", "stderr"],
      dir,
      url: `https://127.0.0.1:${port}`,
      port,
      probe: () => connects(port),
    });
    return new Edge(server, readFileSync(authority, "utf8"));
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await this.server.stop();
  }

  /** Sends once. */
  async send<B = Record<string, unknown>>(
    method: string,
    target: string,
    { token, body, headers }: Sending = {},
  ): Promise<Answer<B>> {
    const payload = body && JSON.stringify(body);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(`${this.server.url}${target}`, {
        agent: this.#agent,
        method,
        headers: {
          ...(token && { authorization: `Bearer ${token}` }),
          ...(payload && {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(payload),
          }),
          ...headers,
        },
        signal: AbortSignal.timeout(LIMIT),
      });
      sent.once("response", resolve);
      sent.once("error", reject);
      sent.end(payload);
    });
    const answered = await text(response);
    const json = response.headers["content-type"]?.includes("json") && answered !== "";
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: (json ? JSON.parse(answered) : null) as B,
    };
  }

  /** Sends once; the answer must be a success. */
  async ok<B = Record<string, unknown>>(method: string, target: string, sending: Sending = {}): Promise<B> {
    const { status, body } = await this.send<B>(method, target, sending);
    if (status >= 400) throw new Error(`${method} ${target}: ${status} ${JSON.stringify(body)}`);
    return body;
  }
}

/** Each must be there: what the test changes is what it believes that the file says. */
function replaced(text: string, changes: readonly [RegExp, string][]): string {
  return changes.reduce((before, [what, by]) => {
    if (!what.test(before)) throw new Error(`edge.conf has no ${what.source}`);
    return before.replace(what, () => by);
  }, text);
}

/** What a distribution has around it; one process, which dies when it is told to. */
function around(dir: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${path.join(dir, name)};`,
  );
  return `daemon off;
master_process off;
pid ${path.join(dir, "pid")};
events { worker_connections 8192; }
http {
${temporary.join("\n")}
access_log off;
include ${path.join(dir, "edge.conf")};
}
`;
}

import { folder, freePort, type Server, serve } from "./child.ts";
import { need } from "./found.ts";

/** A way to one server that can be made slow, or cut, while the server itself is well. */
export interface Proxy {
  readonly host: string;
  readonly port: number;
  /** Connections end at once, and new ones are refused. */
  down: () => Promise<void>;
  up: () => Promise<void>;
  /** Each answer comes so many milliseconds later. */
  slow: (ms: number) => Promise<void>;
  /** Connections stay open, new ones too, and nothing passes in either direction. */
  cut: () => Promise<void>;
  /** Nothing is slow, cut or down any more. */
  mend: () => Promise<void>;
  /** From now on new connections lead to another server; those that there are end. */
  point: (upstream: string) => Promise<void>;
}

export interface Toxiproxy extends Server {
  /** @param upstream `host:port` */
  proxy: (upstream: string) => Promise<Proxy>;
}

/** Starts toxiproxy. */
export async function startToxiproxy(): Promise<Toxiproxy> {
  const command = need("toxiproxy-server");
  const [dir, port] = [await folder("toxiproxy"), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const server = await serve({
    command,
    args: ["-host", "127.0.0.1", "-port", `${port}`],
    dir,
    url,
    port,
    async probe() {
      const answer = await fetch(`${url}/version`, { signal: AbortSignal.timeout(1000) });
      if (!answer.ok) throw new Error(`it answers ${answer.status}`);
      return true;
    },
  });
  let proxies = 0;
  return Object.assign(server, { proxy: (upstream: string) => open(url, `proxy${++proxies}`, upstream) });
}

async function open(api: string, name: string, upstream: string): Promise<Proxy> {
  const port = await freePort();
  const ask = async (method: string, path: string, body?: object): Promise<void> => {
    const answer = await fetch(`${api}${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
    if (!answer.ok) throw new Error(`toxiproxy, ${method} ${path}: ${answer.status} ${await answer.text()}`);
  };
  const own = `/proxies/${name}`;
  const add = (type: string, stream: string, attributes: object): Promise<void> =>
    ask("POST", `${own}/toxics`, { name: `${type}-${stream}`, type, stream, attributes });
  await ask("POST", "/proxies", { name, listen: `127.0.0.1:${port}`, upstream, enabled: true });
  return {
    host: "127.0.0.1",
    port,
    down: () => ask("POST", own, { enabled: false }),
    up: () => ask("POST", own, { enabled: true }),
    slow: (ms) => add("latency", "downstream", { latency: ms, jitter: 0 }),
    async cut() {
      await add("timeout", "upstream", { timeout: 0 });
      await add("timeout", "downstream", { timeout: 0 });
    },
    async mend() {
      const answer = await fetch(`${api}${own}`);
      const { toxics } = (await answer.json()) as { toxics: { name: string }[] };
      for (const each of toxics) await ask("DELETE", `${own}/toxics/${each.name}`);
      await ask("POST", own, { enabled: true });
    },
    point: (to) => ask("POST", own, { upstream: to, enabled: true }),
  };
}

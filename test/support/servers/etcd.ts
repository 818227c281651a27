import { folder, freePort, type Server, serve } from "./child.ts";
import { need } from "./found.ts";

/** Starts etcd, alone. */
export async function startEtcd(): Promise<Server> {
  const command = need("etcd");
  const [dir, port, peers] = [await folder("etcd"), await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const own = `http://127.0.0.1:${peers}`;
  return serve({
    command,
    args: [
      "--name",
      "etcd",
      "--data-dir",
      `${dir}/data`,
      "--logger",
      "zap",
      "--listen-client-urls",
      url,
      "--advertise-client-urls",
      url,
      "--listen-peer-urls",
      own,
      "--initial-advertise-peer-urls",
      own,
      "--initial-cluster",
      `etcd=${own}`,
    ],
    dir,
    url,
    port,
    async probe() {
      const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1000) });
      const { health } = (await answer.json()) as { health?: string };
      if (health !== "true") throw new Error("it is not healthy yet");
      return true;
    },
  });
}

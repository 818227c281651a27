import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { folder, freePort, type Server, serve } from "./child.ts";
import { need } from "./found.ts";

/** Starts Prometheus with this configuration, whose rules are named by whole paths. */
export async function startPrometheus(config: string): Promise<Server> {
  const command = need("prometheus");
  const [dir, port] = [await folder("prometheus"), await freePort()];
  await writeFile(join(dir, "prometheus.yml"), config);
  return serve({
    command,
    args: [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      // An alert that fires before Alertmanager is found is sent again only after this, a minute where nothing is said.
      "--rules.alert.resend-delay=1s",
    ],
    dir,
    url: `http://127.0.0.1:${port}`,
    port,
    probe: () => ready(port),
  });
}

/** Starts Alertmanager, alone, with this configuration. */
export async function startAlertmanager(config: string): Promise<Server> {
  const command = need("prometheus-alertmanager");
  const [dir, port] = [await folder("alertmanager"), await freePort()];
  await writeFile(join(dir, "alertmanager.yml"), config);
  return serve({
    command,
    args: [
      `--config.file=${dir}/alertmanager.yml`,
      `--storage.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--cluster.listen-address=",
    ],
    dir,
    url: `http://127.0.0.1:${port}`,
    port,
    probe: () => ready(port),
  });
}

/** Both say so alike. */
async function ready(port: number): Promise<true> {
  const answer = await fetch(`http://127.0.0.1:${port}/-/ready`, { signal: AbortSignal.timeout(1000) });
  if (!answer.ok) throw new Error(`it answers ${answer.status}`);
  return true;
}

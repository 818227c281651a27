import { join } from "node:path";
import { borrowed, folder, freePort, type Server, serve } from "./child.ts";
import { startEsProxy } from "./es-proxy.ts";
import { given, HOME, need } from "./found.ts";

/**
 * Starts OpenSearch with the smartcn analyzer, behind a proxy that makes it speak to clients of Elasticsearch 8; `pause`
 * and `kill` are those of OpenSearch. It takes 10 to 30 s and 700 MB.
 */
export async function startElasticsearch(): Promise<Server> {
  const theirs = given("elasticsearch");
  if (theirs) return borrowed(theirs, 9200);

  const command = need("java");
  const [dir, port, inner] = [await folder("elasticsearch"), await freePort(), await freePort()];
  const place = join(HOME, "elasticsearch");
  const server = await serve({
    command,
    args: [
      ..."-Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1".split(" "),
      "-cp",
      `${place}/classes:${place}/lib/*`,
      "OsMain",
      `${inner}`,
      join(dir, "home"),
      "SmartcnPlugin",
    ],
    dir,
    url: `http://127.0.0.1:${port}`,
    port,
    startLimit: 90_000,
    async probe() {
      const health = `http://127.0.0.1:${inner}/_cluster/health?wait_for_status=yellow&timeout=1s`;
      const answer = await fetch(health, { signal: AbortSignal.timeout(2000) });
      if (!answer.ok) throw new Error(`it answers ${answer.status}`);
      return true;
    },
  });
  const proxy = await startEsProxy(port, inner);
  const stop = server.stop;
  return Object.assign(server, {
    async stop() {
      await proxy.close();
      await stop();
    },
  });
}

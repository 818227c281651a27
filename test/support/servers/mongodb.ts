import { join } from "node:path";
import { borrowed, connects, folder, freePort, type Server, serve } from "./child.ts";
import { given, HOME, need } from "./found.ts";

/**
 * Starts mongo-java-server, an imitation: it shows that calls are right, not how mongod behaves. It has no
 * transactions, and takes partial and collated indexes for whole ones.
 * @param kept its data outlives a restart, where the stop before it was gentle
 */
export async function startMongodb({ kept = false } = {}): Promise<Server> {
  const theirs = given("mongodb");
  if (theirs) return borrowed(theirs, 27_017);

  const command = need("java");
  const [dir, port] = [await folder("mongodb"), await freePort()];
  const place = join(HOME, "mongodb");
  return serve({
    command,
    args: [
      ..."-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1".split(" "),
      "-cp",
      `${place}/classes:${place}/lib/*`,
      "MongoMain",
      `${port}`,
      kept ? `h2:${join(dir, "data.mv")}` : "memory",
      "nooplog",
    ],
    dir,
    url: `mongodb://127.0.0.1:${port}`,
    port,
    probe: () => connects(port),
  });
}

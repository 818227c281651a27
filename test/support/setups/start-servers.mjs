/** The servers that all tests of the set-up "servers" have in common; they die with the process that runs the tests. */
import { startMariadb, startNats, startRedis } from "../servers/index.ts";
import { startElasticsearch } from "../servers/elasticsearch.ts";
import { startMongodb } from "../servers/mongodb.ts";

const start = {
  nats: startNats,
  mariadb: startMariadb,
  redis: startRedis,
  mongodb: startMongodb,
  elasticsearch: startElasticsearch,
};

export default async function startServers() {
  const running = await Promise.all(Object.values(start).map((each) => each()));
  globalThis.sharedServers = running;
  const urls = Object.keys(start).map((name, i) => [name, running[i].url]);
  process.env.SHARED_SERVERS = JSON.stringify(Object.fromEntries(urls));
}

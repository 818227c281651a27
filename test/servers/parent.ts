/** Starts the servers named, prints their ports, and ends as the first argument says: see harness.test.ts. */
import { startMariadb, startNats, startRedis } from "../support/servers/index.ts";

const start = { nats: startNats, mariadb: startMariadb, redis: startRedis };
const names = (["nats", "mariadb", "redis"] as const).filter((name) => process.argv.includes(name));
const servers = await Promise.all(names.map((name) => start[name]()));
process.stdout.write(`${servers.map((server) => server.port).join(",")}\n`);
if (process.argv[2] === "wait") setInterval(() => {}, 60_000);

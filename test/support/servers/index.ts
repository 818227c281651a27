/** Real servers for tests: each a child process with a folder and ports of its own. */
import { missing, remedy, type ServerName } from "./found.ts";

export type { Server } from "./child.ts";
export { missing, type ServerName } from "./found.ts";
export { startMariadb, type MariadbServer } from "./mariadb.ts";
export { startNats, type NatsServer } from "./nats.ts";
export { startRedis } from "./redis.ts";

/**
 * A suite that needs these servers. Where one is missing the suite is skipped and says why, on stderr too, since
 * jest lists no skipped suites; with REQUIRE_SERVERS=1 it fails instead.
 */
export function describeWith(names: ServerName[], title: string, body: () => void): void {
  const absent = missing(names);
  if (absent.length === 0) return describe(title, body);

  const why = remedy(absent);
  if (process.env.REQUIRE_SERVERS === "1") {
    return describe(title, () => {
      test("has the servers that it needs", () => {
        throw new Error(why);
      });
    });
  }
  process.stderr.write(`skipped: ${title} (${why})\n`);
  const skipped = describe.skip;
  skipped(`${title} (skipped: ${why})`, body);
}

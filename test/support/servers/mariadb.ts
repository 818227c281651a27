import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { constants, cp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { borrowed, folder, freePort, run, type Server, serve } from "./child.ts";
import { given, need } from "./found.ts";

export interface MariadbServer extends Server {
  /** Creates an empty database and returns its mysql:// URL. */
  database: (name: string) => Promise<string>;
}

/** MariaDB refuses to run as root unless it is told that this is meant. */
const asRoot = process.getuid?.() === 0 ? ["--user=root"] : [];

/** Starts MariaDB, with a binary log. `args` are added to its command line; `host` is its address on this machine. */
export async function startMariadb({
  args = [],
  host = "127.0.0.1",
}: { args?: string[]; host?: string } = {}): Promise<MariadbServer> {
  const theirs = given("mariadb");
  if (theirs) return withDatabases(borrowed(theirs, 3306), `_${randomBytes(4).toString("hex")}`);

  const command = need("mariadbd");
  const [empty, port] = [await template(command), await freePort()];
  const dir = await folder("mariadb");
  await cp(empty, join(dir, "data"), { recursive: true, mode: constants.COPYFILE_FICLONE });
  const socket = join(dir, "socket");
  const url = `mysql://root@${host}:${port}`;
  const server = await serve({
    command,
    args: [...own(dir, socket, port), `--bind-address=${host}`, ...args],
    dir,
    url,
    port,
    probe: async () => (await query(url, "SELECT @@socket AS socket"))[0]?.socket === socket,
  });
  return withDatabases(server, "");
}

const own = (dir: string, socket: string, port: number) => [
  "--no-defaults",
  ...asRoot,
  `--datadir=${join(dir, "data")}`,
  `--socket=${socket}`,
  `--pid-file=${join(dir, "pid")}`,
  `--port=${port}`,
  ..."--server-id=1 --log-bin=bin --log-slave-updates --gtid-strict-mode=1 --skip-name-resolve".split(" "),
  ..."--character-set-server=utf8mb4 --collation-server=utf8mb4_unicode_520_ci".split(" "),
  ..."--innodb-buffer-pool-size=64M --innodb-log-file-size=8M".split(" "),
];

/** A data folder as MariaDB makes it, which takes it some seconds: made once per machine, user and version. */
async function template(command: string): Promise<string> {
  const args = ["--no-defaults", ...asRoot, "--auth-root-authentication-method=normal", "--skip-test-db"];
  args.push("--innodb-log-file-size=8M");
  const version = execFileSync(command, ["--no-defaults", "--version"], { encoding: "utf8" });
  const key = createHash("sha256").update([process.getuid?.(), version, ...args].join("\n"));
  const path = join(tmpdir(), `club-alliance-mariadb-template-${key.digest("hex").slice(0, 16)}`);
  if (existsSync(path)) return path;

  const dir = await folder("mariadb");
  try {
    const data = join(dir, "data");
    await run(dir, need("mariadb-install-db"), [...args, `--datadir=${data}`]);
    await rename(data, path).catch((error: unknown) => {
      if (!existsSync(path)) throw error; // else another process was faster, and its folder is as good
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return path;
}

/** A server that others use too gets a suffix to each name, and its databases are dropped in the end. */
function withDatabases(server: Server, suffix: string): MariadbServer {
  const made: string[] = [];
  const stop = server.stop;
  return Object.assign(server, {
    async database(name: string) {
      const full = name + suffix;
      await query(
        server.url,
        "CREATE DATABASE ?? CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
        full,
      );
      made.push(full);
      const url = new URL(server.url);
      url.pathname = full;
      return url.href;
    },
    async stop() {
      if (suffix) for (const name of made.splice(0)) await query(server.url, "DROP DATABASE ??", name);
      await stop();
    },
  });
}

async function query(uri: string, sql: string, ...names: string[]): Promise<RowDataPacket[]> {
  const connection = await createConnection({ uri, connectTimeout: 1000 });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql, names);
    return rows;
  } finally {
    connection.destroy();
  }
}

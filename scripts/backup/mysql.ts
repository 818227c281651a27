/** Databases behind the MySQL protocol, by the programs that come with MariaDB and MySQL. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Transform } from "node:stream";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Head } from "../../lib/audit-chain.ts";
import { Database } from "../../lib/database.ts";
import { SettingsError } from "../../lib/settings.ts";
import type { Settings, SqlDomain } from "../../lib/settings.ts";
import { connect } from "../../mixins/database.ts";
import { CHECKPOINT, ERASED, HEADS } from "./snapshot.ts";
import type { Erased, Snapshot } from "./snapshot.ts";

/** Written at the end of a restore, so that no node starts on half of it. */
export const LEDGER = ["migrations", "migration_lock"];
const HAS_LEDGER =
  "SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'migrations'";

const DUMP = ["mariadb-dump", "mysqldump"];
const CLIENT = ["mariadb", "mysql"];
const STDERR_KEPT = 2_000;

/** A domain's database; it is dumped as the moment sees it at which `read` is called. */
export async function openMysql(settings: Settings, domain: SqlDomain): Promise<Snapshot> {
  const url = settings.sqlUrls[domain] as string;
  const db = new Database(connect(settings, domain));
  const migrationsNow = async (): Promise<string[]> => {
    // A restore that was broken off has taken the ledger away.
    if ((await db.primary.number(HAS_LEDGER)) === 0) return [];
    const rows = await db.primary.all<{ name: string }>("SELECT name FROM migrations ORDER BY name");
    return rows.map(({ name }) => name);
  };
  return {
    domain,
    kind: "mysql",
    form: "sql",
    oneMoment: true,
    migrations: await migrationsNow(),
    migrationsNow,
    read: () => dump(url),
    async audit() {
      const heads = await db.primary.all<Head>(HEADS);
      const newest = await db.primary.one<{ jws: string }>(CHECKPOINT);
      return { heads, checkpoint: newest?.jws ?? null };
    },
    erased: () => erasedOf(db),
    close: () => db.sequelize.close(),
  };
}

/** Everybody who is erased. */
export async function erasedOf(db: Database): Promise<Erased[]> {
  const found: Erased[] = [];
  for (;;) {
    const page = await db.primary.all<Erased>(ERASED, { after: found.at(-1)?.id ?? "" });
    if (page.length === 0) return found;
    found.push(...page);
  }
}

/** In one transaction, whose snapshot nobody waits for; without the ledger of migrations. */
async function dump(url: string): Promise<Readable> {
  const { args, env, database } = loginOf(url);
  const child = await start(
    DUMP,
    [
      ...args,
      "--single-transaction",
      "--quick",
      "--skip-lock-tables",
      "--skip-triggers",
      "--no-tablespaces",
      "--hex-blob",
      "--default-character-set=utf8mb4",
      ...LEDGER.map((table) => `--ignore-table=${database}.${table}`),
      database,
    ],
    env,
    ["ignore", "pipe", "pipe"],
  );
  const ended = endOf(child, "The dump");
  // Its end is not passed on before it is known that it was one.
  const whole = new Transform({
    transform: (bytes, _encoding, done) => done(null, bytes),
    flush: (done) => void passOn(ended, done),
  });
  whole.once("close", () => child.kill());
  ended.catch((error: Error) => whole.destroy(error));
  return (child.stdout as Readable).pipe(whole);
}

async function passOn(ended: Promise<void>, done: (error: Error | null) => void): Promise<void> {
  let failure: Error | null = null;
  try {
    await ended;
  } catch (error) {
    failure = error as Error;
  }
  done(failure);
}

/** Runs a dump's statements. */
export async function load(url: string, statements: Readable): Promise<void> {
  const { args, env, database } = loginOf(url);
  const child = await start(CLIENT, [...args, "--default-character-set=utf8mb4", "--batch", database], env, [
    "pipe",
    "ignore",
    "pipe",
  ]);
  const ended = endOf(child, "The restore");
  const sent = pipeline(statements, child.stdin as NodeJS.WritableStream).catch(async (error: unknown) => {
    // A program that ends before it has read everything says why itself.
    if (["EPIPE", "ERR_STREAM_PREMATURE_CLOSE"].includes(String((error as NodeJS.ErrnoException).code)))
      return ended;
    child.kill();
    await ended.catch(() => undefined);
    throw error;
  });
  await Promise.all([sent, ended.catch((error: unknown) => sent.then(() => Promise.reject(error)))]);
}

/** The password goes by the environment: everybody on the machine sees a command line. */
function loginOf(url: string): { args: string[]; env: NodeJS.ProcessEnv; database: string } {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    args: [
      "--no-defaults",
      "--protocol=tcp",
      `--host=${hostname}`,
      `--port=${port || 3306}`,
      `--user=${decodeURIComponent(username)}`,
    ],
    env: { PATH: process.env["PATH"], MYSQL_PWD: decodeURIComponent(password) },
    database: pathname.slice(1),
  };
}

/** The first of the programs that is installed. */
async function start(
  programs: readonly string[],
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stdio: ("ignore" | "pipe")[],
): Promise<ChildProcess> {
  for (const program of programs) {
    const child = spawn(program, args, { env, stdio });
    const started = await once(child, "spawn").then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
        return false;
      },
    );
    if (started) return child;
  }
  throw new SettingsError(
    `Neither ${programs.join(" nor ")} is installed: the image "tools" has it, Debian's package is mariadb-client.`,
  );
}

async function endOf(child: ChildProcess, what: string): Promise<void> {
  let said = "";
  child.stderr?.on("data", (bytes) => (said = `${said}${String(bytes)}`.slice(-STDERR_KEPT)));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  if (code !== 0) throw new SettingsError(`${what} failed (${code ?? signal}): ${said.trim()}`);
}

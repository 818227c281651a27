import { setTimeout as sleep } from "node:timers/promises";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { given } from "./found.ts";
import { describeWith } from "./index.ts";
import { type MariadbServer, startMariadb } from "./mariadb.ts";

/** A suite that kills and freezes MariaDB: it is skipped where the environment gives one, which is not ours to end. */
export const describeOwn: typeof describeWith = (names, title, body) => {
  if (!given("mariadb") && !given("redis")) return describeWith(names, title, body);
  const skipped = describe.skip;
  skipped(`${title} (skipped: it needs servers of its own)`, body);
};

export interface Replication {
  primary: MariadbServer;
  replicas: MariadbServer[];
  /** Waits until a replica has everything that the primary has now. */
  caughtUp: (replica: MariadbServer) => Promise<void>;
  /** The replica goes on receiving, and shows nothing new until resume(). */
  lag: (replica: MariadbServer) => Promise<void>;
  resume: (replica: MariadbServer) => Promise<void>;
  /** Makes a replica the primary: it applies what it has received, and takes writes. */
  promote: (replica: MariadbServer) => Promise<void>;
  stop: () => Promise<void>;
}

const WAIT_MS = 15_000;
/** The primary answers a commit only when a replica has it, whatever comes. */
const SEMI_SYNC_PRIMARY =
  "--rpl-semi-sync-master-enabled=1 --rpl-semi-sync-master-timeout=60000 --rpl-semi-sync-master-wait-point=AFTER_SYNC";
const SEMI_SYNC_REPLICA = "--rpl-semi-sync-slave-enabled=1";
const REPLICA = "--read-only=1 --relay-log=relay --slave-net-timeout=5";

/**
 * Starts a primary with replicas, by GTID, on an account without a password. Semi-synchronous, no commit is answered
 * before a replica has it: the primary stands still while there is none.
 */
export async function startReplication({ replicas = 1, semiSync = true } = {}): Promise<Replication> {
  const words = (...texts: string[]): string[] => texts.flatMap((text) => text.split(" "));
  const primary = await startMariadb({ args: semiSync ? words(SEMI_SYNC_PRIMARY) : [] });
  const own = semiSync ? words(REPLICA, SEMI_SYNC_REPLICA) : words(REPLICA);
  const followers = await Promise.all(
    Array.from({ length: replicas }, (_, n) => startMariadb({ args: [`--server-id=${n + 2}`, ...own] })),
  );
  for (const replica of followers) await follow(replica, primary);
  if (semiSync) await semiSynchronous(primary, replicas);
  return {
    primary,
    replicas: followers,
    async caughtUp(replica) {
      const [row] = await sql(primary.url, "SELECT @@gtid_binlog_pos AS position");
      const [done] = await sql(replica.url, "SELECT MASTER_GTID_WAIT(?, 15) AS done", [row?.position]);
      if (done?.done !== 0) throw new Error("the replica did not catch up within 15 s");
    },
    lag: async (replica) => void (await sql(replica.url, "STOP SLAVE SQL_THREAD")),
    resume: async (replica) => void (await sql(replica.url, "START SLAVE SQL_THREAD")),
    promote: (replica) => promote(replica),
    async stop() {
      await Promise.all([primary, ...followers].map((server) => server.stop()));
    },
  };
}

/** Until the replicas have signed up the primary commits without them. */
async function semiSynchronous(primary: MariadbServer, replicas: number): Promise<void> {
  for (const end = Date.now() + WAIT_MS; ; await sleep(50)) {
    const [row] = await sql(primary.url, "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'");
    if (Number(row?.Value) === replicas) return;
    if (Date.now() > end) throw new Error("the replicas did not sign up for semi-synchronous replication");
  }
}

async function follow(replica: MariadbServer, { port }: MariadbServer): Promise<void> {
  for (const statement of ["RESET MASTER", "SET GLOBAL gtid_slave_pos = ''"])
    await sql(replica.url, statement);
  await sql(
    replica.url,
    "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ?, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1",
    [port],
  );
  await sql(replica.url, "START SLAVE");
}

async function promote(replica: MariadbServer): Promise<void> {
  await sql(replica.url, "STOP SLAVE IO_THREAD");
  for (const end = Date.now() + WAIT_MS; ; await sleep(50)) {
    const [status] = await sql(replica.url, "SHOW SLAVE STATUS");
    if (status?.Exec_Master_Log_Pos === status?.Read_Master_Log_Pos) break;
    if (Date.now() > end) throw new Error("the replica did not apply what it has received");
  }
  for (const statement of ["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"])
    await sql(replica.url, statement);
}

/** The same database on another server. */
export function on(server: { port: number }, url: string): string {
  const there = new URL(url);
  there.port = String(server.port);
  return there.href;
}

/** One statement on a connection of its own. */
export async function sql(url: string, text: string, values: unknown[] = []): Promise<RowDataPacket[]> {
  const connection = await createConnection({ uri: url, connectTimeout: 2000 });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(text, values);
    return Array.isArray(rows) ? rows : [];
  } finally {
    connection.destroy();
  }
}

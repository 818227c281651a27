/** mysql2 as Sequelize's driver, with bounds: nobody waits without end for a server that is slow, frozen or cut off. */
import { createRequire } from "node:module";
import { connect } from "node:net";
import type { Connection, ConnectionOptions, QueryError } from "mysql2";

/** Milliseconds, but for `connections`. */
export interface SqlLimits {
  /** Of one process to one server. */
  connections: number;
  /** Waiting for a free connection. */
  acquire: number;
  connect: number;
  /** What the server may take for a statement; waiting for a lock counts. */
  statement: number;
  /** Until the driver gives up on an answer and closes the connection: more than `statement`. */
  answer: number;
  /** What a transaction may stand still, until the server takes its client for gone and frees its locks. */
  idle: number;
}

/** A change may wait for a connection (3 s) and for a statement (5 s) and is still answered before its 10 s are over. */
export const PRIMARY: SqlLimits = {
  connections: 20,
  acquire: 3_000,
  connect: 2_000,
  statement: 4_000,
  answer: 5_000,
  idle: 10_000,
};

/** A read has 2 s: there is time left to ask the primary instead. */
export const REPLICA: SqlLimits = {
  connections: 20,
  acquire: 1_000,
  connect: 500,
  statement: 900,
  answer: 1_000,
  idle: 10_000,
};

/** A statement that takes so many milliseconds is worth a warning. */
const SLOW = 500;

/** Seconds after which a server ends a connection that says nothing; the pool ends it sooner (lib/database.ts). */
const SILENCE = 60;

/**
 * The limits as variables of a session, each said by itself, since no server knows all. What one does not know it
 * refuses, and the others hold, and the driver's own limit. Seconds, but for max_execution_time.
 */
const sessionOf = ({ statement, idle }: SqlLimits): string[] =>
  [
    // MySQL, MariaDB and TiDB
    `innodb_lock_wait_timeout = ${Math.max(1, Math.floor(statement / 1_000) - 1)}`,
    `wait_timeout = ${SILENCE}`,
    // MariaDB
    `max_statement_time = ${statement / 1_000}`,
    `idle_transaction_timeout = ${Math.ceil(idle / 1_000)}`,
    // MySQL and TiDB; of a SELECT alone
    `max_execution_time = ${statement}`,
    // TiDB
    `tidb_idle_transaction_timeout = ${Math.ceil(idle / 1_000)}`,
  ].map((each) => `SET SESSION ${each}`);

/** One of the servers behind a sharded database does not answer, while the others do. */
export const SHARD_AWAY = "SHARD_AWAY";

/** What mysql2 has no name for, since only MariaDB or TiDB says it; and what they say of a server behind them. */
const NAMES: Record<number, string> = {
  1927: "PROTOCOL_CONNECTION_LOST",
  1969: "ER_QUERY_TIMEOUT",
  ...Object.fromEntries(
    [
      // MariaDB's Spider: a lost connection, none to be had, and what the network said
      12_701, 1_429, 1_158, 1_159, 1_160, 1_161,
      // TiDB: placement driver, storage node, region
      9_001, 9_002, 9_005,
    ].map((errno) => [errno, SHARD_AWAY]),
  ),
};

/** The server has been demoted: it will refuse every write, so the next connection may lead to its successor. */
const DEMOTED = new Set(["ER_OPTION_PREVENTS_STATEMENT", "ER_READ_ONLY_MODE"]);

/** A statement on a connection that was lost between two of them has no code of its own. */
const nameOf = ({ errno, code, fatal }: QueryError): string =>
  NAMES[errno ?? 0] ?? (code || (fatal ? "PROTOCOL_CONNECTION_LOST" : "UNKNOWN"));

type Done = (error: QueryError | null, ...rest: unknown[]) => void;

/** The `dialectModule` for Sequelize. mysql2 is loaded only here: an embedded node needs none. */
export function mysqlDriver(limits: SqlLimits): object {
  const { createConnection } = createRequire(import.meta.url)("mysql2") as typeof import("mysql2");
  return { createConnection: (options: ConnectionOptions) => bounded(createConnection, options, limits) };
}

function bounded(
  open: (options: ConnectionOptions) => Connection,
  options: ConnectionOptions,
  limits: SqlLimits,
): Connection {
  // Its socket is ours, since mysql2 cannot break one off and tell who waits.
  const socket = connect(options.port as number, options.host);
  socket.setNoDelay(true).setKeepAlive(true, 10_000);
  const connection = open({ ...options, stream: socket });

  const watched = (done: Done): Done => {
    const timer = setTimeout(() => {
      const error = new Error(`The database gave no answer within ${limits.answer} ms`);
      socket.destroy(Object.assign(error, { code: "ETIMEDOUT" }));
    }, limits.answer);
    return (error, ...rest) => {
      clearTimeout(timer);
      if (error) error.code = nameOf(error);
      done(error, ...rest);
      if (error && DEMOTED.has(error.code)) socket.destroy();
    };
  };
  for (const method of ["query", "execute"] as const) {
    const usual = connection[method].bind(connection) as (...args: unknown[]) => unknown;
    // Sequelize's calls end with a callback; mysql2's overloads are too many to write again.
    connection[method] = ((...args: unknown[]) =>
      usual(...args.slice(0, -1), watched(args.at(-1) as Done))) as unknown as typeof connection.query &
      typeof connection.execute;
  }

  // Before whatever Sequelize asks, and only when there is a connection: else its failure would go to these.
  connection.once("connect", () => {
    for (const sql of sessionOf(limits)) connection.query(sql, () => undefined);
  });
  // Sequelize lets nobody wait for this, so that a failure would end the process; a frozen server never says goodbye.
  const end = connection.end.bind(connection) as (done: () => void) => void;
  connection.end = ((done: () => void) => {
    setTimeout(() => socket.destroy(), limits.connect).unref();
    end(() => done());
  }) as typeof connection.end;
  return connection;
}

/** Sequelize's options that tell of slow statements, by their text: values are bound and never shown. */
export function slowStatements(warn: (text: string, data: object) => void) {
  return {
    benchmark: true,
    logging: (text: string, ms?: number): void => {
      if (ms !== undefined && ms >= SLOW)
        warn("A slow statement", { ms, sql: text.replace(/^Executed \([^)]*\): /, "") });
    },
  };
}

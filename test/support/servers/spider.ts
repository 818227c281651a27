import { Sequelize } from "sequelize";
import { mysqlOptions } from "../../../lib/database.ts";
import { Migrations } from "../../../lib/migrations.ts";
import { type MariadbServer, startMariadb } from "./mariadb.ts";
import { sql } from "./replication.ts";

export interface Spider {
  /** Servers of their own, each with a third of every sharded table; the first has those that are not sharded. */
  shards: MariadbServer[];
  /** A database of a domain, migrated; its mysql:// address. */
  database: (domain: string) => Promise<string>;
  /** What the shards are asked from now on, but for what Spider asks for itself. */
  watch: () => Promise<void>;
  /** What each shard was asked since, in order. */
  asked: () => Promise<string[][]>;
  stop: () => Promise<void>;
}

const USER = "spider";
const PASSWORD = "sp-password";
/** A shard that does not answer is told so within these seconds. */
const TIMEOUTS =
  "spider_connect_timeout=1, spider_net_read_timeout=1, spider_net_write_timeout=1, spider_connect_retry_count=0";

/** Starts three servers, and a front whose tables are spread over them by MariaDB's Spider engine. */
export async function startSpider(): Promise<Spider> {
  const [front, ...shards] = await Promise.all([
    startMariadb({ args: ["--plugin-load-add=ha_spider", "--plugin-maturity=unknown"] }),
    ...[1, 2, 3].map((n) => startMariadb({ host: `127.0.0.${n}` })),
  ]);
  const set = `spider_internal_xa=0, spider_conn_recycle_mode=1, ${TIMEOUTS}`;
  await sql(
    front.url,
    `SET ${set
      .split(", ")
      .map((each) => `GLOBAL ${each}`)
      .join(", ")}`,
  );
  for (const shard of shards) {
    await sql(shard.url, `CREATE USER ${USER}@'127.%' IDENTIFIED BY '${PASSWORD}'`);
    await sql(shard.url, `GRANT ALL ON *.* TO ${USER}@'127.%'`);
  }
  let databases = 0;
  return {
    shards,
    database: (domain) => spread(domain, `${domain}_${++databases}`, front, shards),
    async watch() {
      for (const shard of shards) {
        await sql(shard.url, "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1");
        await sql(shard.url, "TRUNCATE mysql.general_log");
      }
    },
    asked: () => Promise.all(shards.map(statementsOf)),
    async stop() {
      await Promise.all([front, ...shards].map((server) => server.stop()));
    },
  };
}

async function statementsOf({ url }: MariadbServer): Promise<string[]> {
  const rows = await sql(
    url,
    `SELECT CONVERT(argument USING utf8mb4) AS text FROM mysql.general_log
     WHERE command_type IN ('Query', 'Execute') AND user_host LIKE '${USER}%' ORDER BY event_time`,
  );
  return rows.map(({ text }) => String(text));
}

/** Makes the tables as the migrations make them on one server: on each shard, and on the front over them. */
async function spread(
  domain: string,
  name: string,
  front: MariadbServer,
  shards: MariadbServer[],
): Promise<string> {
  const plain = await front.database(`${name}_plain`);
  const sequelize = new Sequelize(mysqlOptions(plain));
  await new Migrations(sequelize, domain).up();
  await sequelize.close();
  const tables = (await sql(plain, "SHOW TABLES")).map((row) => String(Object.values(row)[0]));
  const urls = await Promise.all(shards.map((shard) => shard.database(name)));
  const url = await front.database(name);
  for (const [n, shard] of shards.entries()) {
    const at = `HOST '127.0.0.${n + 1}', PORT ${shard.port}, USER '${USER}', PASSWORD '${PASSWORD}', DATABASE '${name}'`;
    await sql(url, `CREATE SERVER ${name}_${n} FOREIGN DATA WRAPPER mysql OPTIONS (${at})`);
  }
  for (const table of tables) {
    const [row] = await sql(plain, `SHOW CREATE TABLE \`${table}\``);
    const [whole = "", partition] = String(row?.["Create Table"]).split(/\n PARTITION BY /);
    for (const [n, each] of urls.entries()) if (partition || n === 0) await sql(each, whole);
    await sql(url, overShards(table, whole, partition, name, shards.length));
    await copyRows(plain, url, table);
  }
  return url;
}

function overShards(
  table: string,
  whole: string,
  partition: string | undefined,
  name: string,
  shards: number,
): string {
  const columns = whole.slice(0, whole.lastIndexOf(")") + 1);
  const [key] = /^KEY ?\([^)]*\)/.exec(partition ?? "") ?? [];
  const server = key ? "" : `, srv "${name}_0"`;
  const parts = Array.from({ length: shards }, (_, n) => `PARTITION p${n} COMMENT = 'srv "${name}_${n}"'`);
  return `${columns} ENGINE=SPIDER DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci
    COMMENT='wrapper "mysql", table "${table}"${server}'${key ? ` PARTITION BY ${key} (${parts.join(", ")})` : ""}`;
}

async function copyRows(from: string, to: string, table: string): Promise<void> {
  for (const row of await sql(from, `SELECT * FROM \`${table}\``)) {
    const [names, values] = [Object.keys(row), Object.values(row)];
    const text = `INSERT INTO \`${table}\` (${names.map((each) => `\`${each}\``).join(", ")}) VALUES (${names.map(() => "?").join(", ")})`;
    await sql(to, text, values);
  }
}

/** `npm run migrate -- up|down|status`: migrations of every domain's store (or of those named after the command). */
import {
  DOCUMENT_DOMAINS,
  readEnvironment,
  readSettings,
  SettingsError,
  SQL_DOMAINS,
} from "../lib/settings.ts";
import type { DocumentDomain, Settings, SqlDomain } from "../lib/settings.ts";
import { Migrations } from "../lib/migrations.ts";
import type { MigrationRunner } from "../lib/migrations.ts";
import { connect, explainStore, storeFile } from "../mixins/database.ts";
import { runCommand } from "./run-command.ts";

const DOMAINS = [...SQL_DOMAINS, ...DOCUMENT_DOMAINS];
const USAGE = `Usage: npm run migrate -- up|down|status [${DOMAINS.join("|")} …]`;

const [command = "status", ...named] = process.argv.slice(2);

async function main(): Promise<void> {
  if (!["up", "down", "status"].includes(command)) throw new SettingsError(USAGE);
  const unknown = named.find((name) => !DOMAINS.some((domain) => domain === name));
  if (unknown) throw new SettingsError(`There is no domain "${unknown}" that keeps data. ${USAGE}`);
  if (command === "down" && named.length === 0)
    throw new SettingsError(`Say whose last migration is undone. ${USAGE}`);
  const settings = readSettings(readEnvironment());
  const wanted = (domain: string): boolean => named.length === 0 || named.includes(domain);
  for (const domain of SQL_DOMAINS.filter(wanted)) await migrateSql(settings, domain);
  for (const domain of DOCUMENT_DOMAINS.filter(wanted)) await migrateDocuments(settings, domain);
}

async function migrateSql(settings: Settings, domain: SqlDomain): Promise<void> {
  const sequelize = connect(settings, domain);
  try {
    tell(await run(domain, new Migrations(sequelize, domain)));
  } catch (error) {
    throw explainStore(error, storeFile(settings, domain));
  } finally {
    await sequelize.close();
  }
}

async function migrateDocuments(settings: Settings, domain: DocumentDomain): Promise<void> {
  const url = settings.documentUrls[domain];
  if (!url) return tell([`${domain}: embedded, needs no migrations`]);
  const [{ openMongo }, { DocumentMigrations }] = await Promise.all([
    import("../lib/documents/mongo.ts"),
    import("../lib/documents/migrations.ts"),
  ]);
  const store = openMongo(url);
  try {
    tell(await run(domain, new DocumentMigrations(store.db, domain)));
  } finally {
    await store.close();
  }
}

function tell(lines: string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

async function run<C extends object>(domain: string, migrations: MigrationRunner<C>): Promise<string[]> {
  if (command === "status") {
    const pending = await migrations.pending();
    return [
      ...(await migrations.executed()).map((name) => `${domain} ${name}: done`),
      ...pending.map((name) => `${domain} ${name}: pending`),
      ...(await migrations.newer()).map((name) => `${domain} ${name}: done by a newer release`),
    ];
  }
  const names = command === "up" ? await migrations.up() : await migrations.down();
  return names.length > 0
    ? names.map((name) => `${domain} ${name}: ${command}`)
    : [`${domain}: nothing to do`];
}

runCommand(main);

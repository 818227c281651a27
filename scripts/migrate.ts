/** `npm run migrate -- up|down|status`: SQL migrations of every domain (or of those named after the command). */
import { readEnvironment, readSettings, SettingsError, SQL_DOMAINS } from "../lib/settings.ts";
import type { SqlDomain } from "../lib/settings.ts";
import { Migrations } from "../lib/migrations.ts";
import { connect, explainStore, storeFile } from "../mixins/database.ts";

const USAGE = `Usage: npm run migrate -- up|down|status [${SQL_DOMAINS.join("|")} …]`;

const [command = "status", ...named] = process.argv.slice(2);

async function main(): Promise<void> {
  if (!["up", "down", "status"].includes(command)) throw new SettingsError(USAGE);
  const unknown = named.find((name) => !SQL_DOMAINS.some((domain) => domain === name));
  if (unknown) throw new SettingsError(`There is no SQL domain "${unknown}". ${USAGE}`);
  if (command === "down" && named.length === 0)
    throw new SettingsError(`Say whose last migration is undone. ${USAGE}`);
  const settings = readSettings(readEnvironment());
  for (const domain of SQL_DOMAINS.filter((each) => named.length === 0 || named.includes(each))) {
    const sequelize = connect(settings, domain);
    try {
      for (const line of await run(domain, new Migrations(sequelize, domain)))
        process.stdout.write(`${line}\n`);
    } catch (error) {
      throw explainStore(error, storeFile(settings, domain));
    } finally {
      await sequelize.close();
    }
  }
}

async function run(domain: SqlDomain, migrations: Migrations): Promise<string[]> {
  if (command === "status") {
    const pending = await migrations.pending();
    return [
      ...(await migrations.executed()).map((name) => `${domain} ${name}: done`),
      ...pending.map((name) => `${domain} ${name}: pending`),
    ];
  }
  const names = command === "up" ? await migrations.up() : await migrations.down();
  return names.length > 0
    ? names.map((name) => `${domain} ${name}: ${command}`)
    : [`${domain}: nothing to do`];
}

main().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof SettingsError ? error.message : String((error as Error).stack)}\n`,
  );
  process.exitCode = 1;
});

/**
 * `npm run admin -- create EMAIL`: makes an administrator. `reset LOGIN`: a one-time password for one who is locked
 * out. `reset-totp LOGIN`: takes the second factor of one who has lost it away. `keys`: a new JWK set for JWT_KEYS or
 * ADMIN_JWT_KEYS. Works on the databases themselves, so that nobody on the bus can do the same; in a cluster the running
 * nodes notice at once.
 */
import { Database } from "../lib/database.ts";
import { generateKeySet } from "../lib/keys.ts";
import { copyBefore, Migrations } from "../lib/migrations.ts";
import { readEnvironment, readSettings, SettingsError } from "../lib/settings.ts";
import type { Settings, SqlDomain } from "../lib/settings.ts";
import { removeTotp } from "../services/admin/totp-store.ts";
import { connect, explainStore, storeFile } from "../mixins/database.ts";
import { loadByLogin } from "../services/users/accounts.ts";
import { makeAdmin, randomPassword, setPassword } from "../services/users/admins.ts";
import { runCommand } from "./run-command.ts";

const USAGE =
  "Usage: npm run admin -- create EMAIL | reset EMAIL (or user name) | reset-totp EMAIL (or user name) | keys";

const [command, name] = process.argv.slice(2);

async function main(): Promise<void> {
  if (command === "keys") {
    process.stdout.write(`${JSON.stringify(generateKeySet())}\n`);
    return;
  }
  if (!name || !["create", "reset", "reset-totp"].includes(command ?? "")) throw new SettingsError(USAGE);
  if (command === "create" && !/^[^\s@]+@[^\s@]+$/.test(name))
    throw new SettingsError(`"${name}" is no e-mail address. ${USAGE}`);
  const settings = readSettings(readEnvironment());
  if (command === "reset-totp") return resetTotp(settings, name);
  const password = randomPassword();
  const who = await withStore(settings, "users", (db) => work(db, name, password));
  process.stdout.write(
    `${who}\n  One-time password  ${password}\nIt is shown this once and is good for one sign-in on the public gateway: set another one then (POST /auth/password).\n`,
  );
}

async function resetTotp(settings: Settings, login: string): Promise<void> {
  const user = await withStore(settings, "users", (db) => loadByLogin(db.primary, login));
  if (!user) throw new SettingsError(`There is no account ${login}.`);
  const removed = await withStore(settings, "admin", (db) => db.transaction((tx) => removeTotp(tx, user.id)));
  process.stdout.write(
    removed
      ? `${user.username} signs in by password alone now, until another second factor is set up.\n`
      : `${user.username} has no second factor.\n`,
  );
}

/** Opens a domain's database for a piece of work. */
async function withStore<R>(
  settings: Settings,
  domain: SqlDomain,
  doing: (db: Database) => Promise<R>,
): Promise<R> {
  const sequelize = connect(settings, domain);
  try {
    await migrated(new Migrations(sequelize, domain), settings.sqlUrls[domain] !== null, (migration) =>
      copyBefore(sequelize, storeFile(settings, domain), migration),
    );
    return await doing(new Database(sequelize, domain === "users" ? "user_id" : null));
  } catch (error) {
    throw explainStore(error, storeFile(settings, domain));
  } finally {
    await sequelize.close();
  }
}

/** An embedded store is brought up to date, as at a start; a server by whoever runs it. */
async function migrated(
  migrations: Migrations,
  onServer: boolean,
  copy: (migration: string) => Promise<void>,
): Promise<void> {
  const [first] = await migrations.pending();
  if (!first) return;
  if (onServer)
    throw new SettingsError(`Migrations are pending (${first}…): run \`npm run migrate -- up\` first.`);
  if ((await migrations.executed()).length > 0) await copy(first);
  await migrations.up();
}

/** Does it, and says for whom. */
async function work(db: Database, login: string, password: string): Promise<string> {
  if (command === "create") {
    const { username } = await makeAdmin(db, login, password, true);
    return `${login} is an administrator; the user name is ${username}.`;
  }
  const user = await loadByLogin(db.primary, login);
  if (!user) throw new SettingsError(`There is no account ${login}.`);
  await setPassword(db, user.id, password, { once: true });
  return `The sessions of ${user.username} are ended.`;
}

runCommand(main);

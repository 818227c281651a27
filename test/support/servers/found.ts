import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Each server that tests may ask for: what must be installed, and the variable that may name one instead. */
const servers = {
  nats: { binaries: ["nats-server"], variable: "TEST_NATS_URL" },
  mariadb: { binaries: ["mariadbd", "mariadb-install-db"], variable: "TEST_MARIADB_URL" },
  redis: { binaries: ["redis-server"], variable: "TEST_REDIS_URL" },
};

export type ServerName = keyof typeof servers;

/** The address of a server of somebody else's that the tests shall use, if the environment gives one. */
export function given(name: ServerName): URL | undefined {
  const { variable } = servers[name];
  const value = process.env[variable];
  if (!value) return undefined;
  if (!URL.canParse(value)) throw new Error(`${variable} is not a URL: give it as scheme://host:port`);
  return new URL(value);
}

/** The path of an executable. Debian keeps servers in /usr/sbin, which is on the PATH of root only. */
export function find(binary: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, binary)).find(executable);
}

/** As find(), but throws a sentence that says what to do when there is none. */
export function need(binary: string): string {
  const path = find(binary);
  if (!path) throw new Error(`${binary} is not installed: run scripts/install-servers.sh`);
  return path;
}

/** Those of the servers that are neither installed nor given by TEST_NATS_URL, TEST_MARIADB_URL, TEST_REDIS_URL. */
export function missing(names: ServerName[]): ServerName[] {
  return names.filter((name) => !given(name) && !servers[name].binaries.every((binary) => find(binary)));
}

/** What to do about missing servers, as a sentence. */
export function remedy(names: ServerName[]): string {
  const binaries = names.flatMap((name) => servers[name].binaries);
  const variables = names.map((name) => servers[name].variable);
  return `${binaries.join(", ")} not found: run scripts/install-servers.sh, or set ${variables.join(", ")}`;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

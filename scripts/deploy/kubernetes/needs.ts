/** What the nodes of a domain are given, and where they therefore have to go: read from the code, written down nowhere else. */
import { RESTORE } from "../../../lib/nats-permissions.ts";
import { DOCUMENT_DOMAINS, SQL_DOMAINS } from "../../../lib/settings.ts";
import { talkOf } from "../../nats-talk.ts";

export const NAMESPACE = "club-alliance";
export const DATA_NAMESPACE = "club-alliance-data";
export const MONITORING_NAMESPACE = "club-alliance-monitoring";

/** Where pods find their secrets, each a file. */
export const SECRETS_FOLDER = "/run/secrets";
/** The authority that has signed the certificates of NATS. */
export const AUTHORITY = "authority.crt";

const SQL: readonly string[] = SQL_DOMAINS;
const DOCUMENTS: readonly string[] = DOCUMENT_DOMAINS;
/** Domains that keep data in a database. */
export const STORING = [...SQL, ...DOCUMENTS];

const { consumers, publishers } = talkOf();

/** The setting that names a domain's own database. */
export function databaseVariable(domain: string): string {
  return `${domain.toUpperCase()}_DB_URL`;
}

/** Secret settings of a node: the variable, and the file of scripts/secrets.ts that holds its value. */
export function secretsOf(domain: string): Record<string, string> {
  return {
    NATS_URL: `nats_url_${domain}`,
    REDIS_URL: "redis_url",
    ...((consumers.has(domain) || publishers.has(domain)) && { QUEUE_URL: `queue_url_${domain}` }),
    ...(STORING.includes(domain) && { [databaseVariable(domain)]: `${domain}_db_url` }),
    ...(domain === "users" && { JWT_KEYS: "jwt_keys" }),
    ...(domain === "admin" && { ADMIN_JWT_KEYS: "admin_jwt_keys" }),
    ...(domain === "clubs" && { CLUBS_DB_READ_URLS: "clubs_db_read_urls" }),
    ...(domain === "search" && { ELASTICSEARCH_URL: "elasticsearch_url" }),
    ...(domain === "files" && { S3_URL: "s3_url" }),
    ...(domain === "notifications" && { MAIL_URL: "mail_url" }),
  };
}

const DATABASES = Object.fromEntries(STORING.map((domain) => [databaseVariable(domain), `${domain}_db_url`]));
const SAVED = { ...DATABASES, S3_URL: "s3_url" };

/** Secret settings of each job. */
export const JOBS = {
  migrations: DATABASES,
  // Who was erased, users knows.
  erasures: { USERS_DB_URL: "users_db_url" },
  backup: SAVED,
  // It forgets what waits in the queue and what search has kept.
  restore: { ...SAVED, QUEUE_URL: `queue_url_${RESTORE}`, ELASTICSEARCH_URL: "elasticsearch_url" },
} as const satisfies Record<string, Record<string, string>>;
export type JobName = keyof typeof JOBS;

/** Public keys for which the backup is encrypted: no setting, but an argument. */
export const RECIPIENTS = "backup_recipients";

/** A peer of a NetworkPolicy: pods of a namespace, or whoever is outside. */
export type Place =
  { namespace: string; labels: Record<string, string>; port: number } | { outside: true; port: number };

/** Pods of a store carry a label for each domain that they serve, whoever runs them. */
export function storeLabel(store: string): Record<string, string> {
  return { [`store.club-alliance/${store}`]: "true" };
}

const store = (name: string, port: number): Place => ({
  namespace: DATA_NAMESPACE,
  labels: storeLabel(name),
  port,
});
const NATS = [store("nats", 4222)];

/** Where the value of a variable leads. */
const PLACES: Record<string, Place[]> = {
  NATS_URL: NATS,
  QUEUE_URL: NATS,
  REDIS_URL: [store("redis", 6379)],
  ...Object.fromEntries(
    STORING.map((domain) => [databaseVariable(domain), [store(domain, databasePort(domain))]]),
  ),
  // HAProxy before MySQL has a port for its replicas.
  CLUBS_DB_READ_URLS: [store("clubs", 3307)],
  ELASTICSEARCH_URL: [store("elasticsearch", 9200)],
  S3_URL: [store("s3", 7070)],
  MAIL_URL: [
    { outside: true, port: 465 },
    { outside: true, port: 587 },
  ],
  TRACING_URL: [
    {
      namespace: MONITORING_NAMESPACE,
      labels: { "app.kubernetes.io/name": "otel-collector" },
      port: 4318,
    },
  ],
};

/** TiDB's users, MySQL's other SQL domains, MongoDB's documents. */
function databasePort(domain: string): number {
  if (DOCUMENTS.includes(domain)) return 27_017;
  return domain === "users" ? 4000 : 3306;
}

/** Where a process with these variables has to go, each place once. */
export function placesOf(variables: Iterable<string>): Place[] {
  const places = [...variables].flatMap((variable) => PLACES[variable.replace(/_FILE$/, "")] ?? []);
  return [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
}

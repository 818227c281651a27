/** Every secret of a federation on servers: its name, what it is for, and how it is made of others. */
import { randomBytes } from "node:crypto";
import { generateKeySet } from "../../lib/keys.ts";
import { natsUsers, OTHER_USERS, RESTORE } from "../../lib/nats-permissions.ts";
import { DOCUMENT_DOMAINS, SQL_DOMAINS } from "../../lib/settings.ts";
import { DOMAINS } from "../../moleculer.config.ts";
import { talkOf } from "../nats-talk.ts";
import type { Places } from "./places.ts";

export interface Secret {
  name: string;
  /** What whoever keeps it should know; the same for all of a group. */
  about: string;
  /** Its value. `of` gives that of a secret that stands before it in the list. */
  make: (of: (name: string) => string) => string;
  /** The operator fills it in; what is made is empty. */
  given?: true;
  /** It says what the code says: made anew by each version. */
  follows?: true;
}

/** Of bus, where the namespace is the default. */
const NAMESPACE = "club-alliance";
const BUCKET = "club-alliance";

const word = (): string => randomBytes(24).toString("hex");

/** @param places where the servers are @param password makes one; tests may give their own */
export function secretsOf(places: Places, password: () => string = word): Secret[] {
  return [
    ...keys(),
    ...bus(places, password),
    ...sql(places, password),
    ...documents(places, password),
    ...others(places, password),
    ...monitoring(password),
    given("mail_url", "smtp://user:password@host:587 of your mail server"),
    given("backup_recipients", "public keys that backups are encrypted for (docs/backup.md)"),
  ];
}

const given = (name: string, about: string): Secret => ({ name, about, make: () => "", given: true });

/** Names of the certificates that are made beside them (certificates.ts). */
export const CERTIFICATES = [
  "authority.crt",
  "authority.key",
  "nats.crt",
  "nats.key",
  "edge.crt",
  "edge.key",
] as const;

function keys(): Secret[] {
  const make = (): string => JSON.stringify(generateKeySet());
  return [
    { name: "jwt_keys", about: "keys that sign people's sessions", make },
    {
      name: "admin_jwt_keys",
      about: "keys that sign administrators' sessions and seal second factors: lost, they are set up anew",
      make,
    },
  ];
}

/** NATS: a user for each domain, who may talk to whom the domain's code talks to. */
function bus({ nats, rabbitmq }: Places, password: () => string): Secret[] {
  const talk = talkOf();
  const users = [...DOMAINS, ...OTHER_USERS];
  const url = (user: string, of: (name: string) => string): string =>
    nats.map((place) => `tls://${user}:${of(`nats_password_${user}`)}@${place}`).join(",");
  const queued = [
    ...DOMAINS.filter(
      (domain) => talk.publishers.has(domain) || (talk.consumers.get(domain) ?? []).length > 0,
    ),
    RESTORE,
  ];
  return [
    ...users.map((user) => ({
      name: `nats_password_${user}`,
      about: "passwords of NATS",
      make: password,
    })),
    ...users
      .filter((user) => user !== RESTORE)
      .map((user) => ({
        name: `nats_url_${user}`,
        about: "addresses of NATS",
        make: (of: (name: string) => string) => url(user, of),
      })),
    ...queued.map((domain) => ({
      name: `queue_url_${domain}`,
      about: "addresses of the queue",
      make: (of: (name: string) => string) => url(domain, of),
    })),
    {
      name: "nats-users.conf",
      about: "users of NATS and what they may",
      follows: true,
      make: (of) =>
        natsUsers(new Map(users.map((user) => [user, of(`nats_password_${user}`)])), NAMESPACE, talk),
    },
    { name: "rabbitmq_password", about: "RabbitMQ, where it is the queue", make: password },
    {
      name: "rabbitmq_url",
      about: "RabbitMQ, where it is the queue",
      make: (of) => `amqp://club-alliance:${of("rabbitmq_password")}@${rabbitmq}`,
    },
  ];
}

function sql(places: Places, password: () => string): Secret[] {
  const url = (domain: string, place: string, of: (name: string) => string): string =>
    `mysql://${domain}:${of(`${domain}_db_password`)}@${place}/${domain}`;
  return [
    ...["mysql_root", "mysql_replication", "mysql_exporter", "tidb_root"].map((user) => ({
      name: `${user}_password`,
      about: "passwords of MySQL and TiDB",
      make: password,
    })),
    ...SQL_DOMAINS.flatMap((domain): Secret[] => [
      { name: `${domain}_db_password`, about: "passwords of databases", make: password },
      {
        name: `${domain}_db_url`,
        about: "addresses of databases",
        make: (of) => url(domain, places.sql[domain], of),
      },
    ]),
    {
      name: "clubs_db_read_urls",
      about: "addresses of databases",
      make: (of) => places.clubsReplicas.map((place) => url("clubs", place, of)).join(","),
    },
    {
      name: "mysql-exporter.cnf",
      about: "what asks MySQL for metrics",
      make: (of) => `[client]\nuser = exporter\npassword = ${of("mysql_exporter_password")}`,
    },
  ];
}

function documents({ mongodb }: Places, password: () => string): Secret[] {
  const url = (user: string, secret: string, database: string, authority: string): string =>
    `mongodb://${user}:${secret}@${mongodb.join(",")}/${database}?replicaSet=rs0&authSource=${authority}`;
  return [
    { name: "mongo_root_password", about: "passwords of MongoDB", make: password },
    { name: "mongo_exporter_password", about: "passwords of MongoDB", make: password },
    {
      name: "mongo_exporter_url",
      about: "what asks MongoDB for metrics",
      make: (of) => url("exporter", of("mongo_exporter_password"), "admin", "admin"),
    },
    {
      name: "mongo_keyfile",
      about: "by which MongoDB's servers know each other",
      make: () => randomBytes(96).toString("base64"),
    },
    ...DOCUMENT_DOMAINS.flatMap((domain): Secret[] => [
      { name: `${domain}_db_password`, about: "passwords of databases", make: password },
      {
        name: `${domain}_db_url`,
        about: "addresses of databases",
        make: (of) => url(domain, of(`${domain}_db_password`), domain, domain),
      },
    ]),
  ];
}

/** Redis, Elasticsearch, S3. */
function others({ redis, elasticsearch, s3 }: Places, password: () => string): Secret[] {
  return [
    { name: "redis_password", about: "Redis", make: password },
    {
      name: "redis_url",
      about: "Redis",
      make: (of) => `redis-cluster://:${of("redis_password")}@${redis.join(",")}`,
    },
    {
      name: "redis-auth.conf",
      about: "Redis",
      make: (of) => `requirepass ${of("redis_password")}\nmasterauth ${of("redis_password")}`,
    },
    ...["elastic", "search", "kibana", "logstash", "exporter"].map((user) => ({
      name: `elasticsearch_${user}_password`,
      about: "passwords of Elasticsearch",
      make: password,
    })),
    {
      name: "elasticsearch_url",
      about: "Elasticsearch, as the search domain asks it",
      make: (of) => `http://search:${of("elasticsearch_search_password")}@${elasticsearch}`,
    },
    { name: "s3_access_key", about: "S3", make: () => `club${randomBytes(6).toString("hex")}` },
    { name: "s3_secret_key", about: "S3", make: password },
    {
      name: "s3_url",
      about: "S3",
      make: (of) => `http://${of("s3_access_key")}:${of("s3_secret_key")}@${s3}/${BUCKET}?region=us-east-1`,
    },
  ];
}

function monitoring(password: () => string): Secret[] {
  return [
    { name: "grafana_admin_password", about: "Grafana's administrator", make: password },
    ...["page", "ticket", "watchdog"].map((severity) =>
      given(`alert_${severity}_url`, "where alerts of that severity are posted to"),
    ),
  ];
}

/** Where the servers are, as the addresses in secrets name them. */

export interface Places {
  /** host:port each. */
  nats: readonly string[];
  redis: readonly string[];
  mongodb: readonly string[];
  rabbitmq: string;
  elasticsearch: string;
  s3: string;
  /** By SQL domain. */
  sql: Record<"users" | "clubs" | "applications" | "files" | "admin", string>;
  clubsReplicas: readonly string[];
  /** Names that the certificate of NATS must carry. */
  natsNames: readonly string[];
}

const numbered = (name: string, count: number, port: number): string[] =>
  Array.from({ length: count }, (_, n) => `${name}-${n + 1}:${port}`);

/** Services of docker-compose.yml. */
const compose: Places = {
  nats: numbered("nats", 3, 4222),
  redis: numbered("redis", 6, 6379),
  mongodb: numbered("mongo", 3, 27_017),
  rabbitmq: "rabbitmq:5672",
  elasticsearch: "elasticsearch:9200",
  s3: "s3:7070",
  sql: {
    users: "tidb:4000",
    clubs: "mysql:3306",
    applications: "mysql:3306",
    files: "mysql:3306",
    admin: "mysql:3306",
  },
  clubsReplicas: ["mysql-replica:3306"],
  natsNames: ["nats-1", "nats-2", "nats-3", "localhost"],
};

const DATA = "club-alliance-data.svc.cluster.local";

/** Services of the operators and charts that docs/kubernetes.md names. */
const kubernetes: Places = {
  nats: [`nats.${DATA}:4222`],
  redis: [`redis-cluster.${DATA}:6379`],
  mongodb: [0, 1, 2].map((n) => `mongodb-rs0-${n}.mongodb-rs0.${DATA}:27017`),
  rabbitmq: `rabbitmq.${DATA}:5672`,
  elasticsearch: `elasticsearch-es-http.${DATA}:9200`,
  s3: `s3.${DATA}:7070`,
  sql: {
    users: `tidb-tidb.${DATA}:4000`,
    clubs: `mysql-clubs.${DATA}:3306`,
    applications: `mysql-applications.${DATA}:3306`,
    files: `mysql-files.${DATA}:3306`,
    admin: `mysql-admin.${DATA}:3306`,
  },
  clubsReplicas: [`mysql-clubs-replicas.${DATA}:3306`],
  natsNames: [`nats.${DATA}`, `*.nats-headless.${DATA}`, `*.nats.${DATA}`, "localhost"],
};

export const PLACES: Record<"compose" | "kubernetes", Places> = { compose, kubernetes };

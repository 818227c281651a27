/** Settings from the environment, checked once when a process starts. */
import { existsSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import { readFileSync } from "node:fs";
import ipaddr from "ipaddr.js";

/** A wrong setting: its message is a sentence for the operator. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

export const SQL_DOMAINS = ["users", "clubs", "applications", "files", "admin"] as const;
export const DOCUMENT_DOMAINS = ["activities", "posts", "notifications"] as const;
/** Those that tell others something, each with an outbox and a queue service. */
export const TELLING_DOMAINS = ["users", "clubs", "applications", "activities", "posts", "admin"] as const;
export type SqlDomain = (typeof SQL_DOMAINS)[number];
export type DocumentDomain = (typeof DOCUMENT_DOMAINS)[number];

export interface Settings {
  port: number;
  adminPort: number;
  healthPort: number;
  host: string;
  dataDir: string;
  namespace: string;
  adminEmail: string | null;
  adminPassword: string | null;
  jwtKeys: string | null;
  adminJwtKeys: string | null;
  trustedProxies: string[];
  corsOrigins: string[];
  rateLimits: { anonymous: number; user: number; auth: number };
  campusNetworks: string[];
  emailDomains: string[];
  natsUrl: string | null;
  discoverer: string;
  redisUrl: string | null;
  sqlUrls: Record<SqlDomain, string | null>;
  clubsReadUrls: string[];
  documentUrls: Record<DocumentDomain, string | null>;
  queueUrl: string | null;
  elasticsearchUrl: string | null;
  s3Url: string | null;
  /** Where browsers fetch stored files, when that is another address than S3's own: a CDN. */
  s3PublicUrl: string | null;
  /** Where files are without an S3 server; several nodes of one machine may share it. */
  filesDir: string;
  mailUrl: string | null;
  publicUrl: string | null;
  adminUrl: string | null;
  tracingUrl: string | null;
  sentryDsn: string | null;
  logLevel: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  logFormat: "pretty" | "json";
  allowEmbedded: boolean;
}

type Env = Record<string, string | undefined>;

/** The environment with `.env` of `directory` beneath it. */
export function readEnvironment(directory = process.cwd()): Env {
  const file = path.join(directory, ".env");
  return { ...(existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {}), ...process.env };
}

/** Parses and checks the settings; throws a SettingsError that names the variable, what it got and what it takes. */
export function readSettings(env: Env): Settings {
  const get = (name: string): string | null => env[name]?.trim() || fromFile(name);
  /** NAME_FILE names the file that holds a secret, as containers are given theirs. */
  const fromFile = (name: string): string | null => {
    const file = env[`${name}_FILE`]?.trim();
    if (!file) return null;
    try {
      return readFileSync(file, "utf8").trim() || null;
    } catch (error) {
      throw new SettingsError(
        `${name}_FILE is "${file}", which cannot be read (${(error as NodeJS.ErrnoException).code}): it takes the path of a file with the value of ${name}.`,
      );
    }
  };
  const fail = (name: string, value: string, takes: string): never => {
    throw new SettingsError(`${name} is "${value}" but takes ${takes}.`);
  };
  const integer = (name: string, fallback: number, max: number): number => {
    const text = get(name);
    if (text === null) return fallback;
    const value = Number(text);
    return Number.isInteger(value) && value >= 0 && value <= max
      ? value
      : fail(name, text, `a whole number from 0 to ${max}`);
  };
  const list = (name: string): string[] =>
    (get(name) ?? "")
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
  const choice = <const V extends string>(name: string, values: readonly V[], fallback: V): V => {
    const text = get(name);
    if (text === null) return fallback;
    return values.find((value) => value === text) ?? fail(name, text, `one of ${values.join(", ")}`);
  };
  /** URLs carry passwords, so a wrong one is not repeated whole. */
  const url = (name: string, schemes: string[], text = get(name)): string | null => {
    if (text === null) return null;
    const scheme = /^([a-z][a-z0-9+-]*):\/\/./i.exec(text)?.[1]?.toLowerCase();
    const lists = scheme === "redis-cluster" || scheme === "mongodb";
    if (scheme && schemes.includes(scheme) && (lists || URL.canParse(text))) return text;
    return fail(
      name,
      text.replace(/^.*@/s, "…@"),
      `an address that starts with ${schemes.map((each) => `${each}://`).join(" or ")}`,
    );
  };
  /** Those of several servers of one cluster, separated by commas. */
  const addresses = (name: string, schemes: string[]): string | null => {
    for (const each of list(name)) url(name, schemes, each);
    return get(name);
  };
  /** Those of one etcd, separated by commas; only the first need say that it is one. */
  const etcd = (name: string): string => {
    const text = get(name) ?? "local";
    if (text === "local") return text;
    const hosts = list(name).map((each) => each.replace(/^etcd3:\/\//, ""));
    if (!text.startsWith("etcd3://") || hosts.length === 0) url(name, ["etcd3"]);
    for (const each of hosts) url(name, ["etcd3"], `etcd3://${each}`);
    return `etcd3://${hosts.join(",")}`;
  };
  const documents = (name: string): string | null => {
    const text = url(name, ["mongodb"]);
    if (text !== null && !/^mongodb:\/\/[^/]+\/[^/?]+/.test(text))
      throw new SettingsError(`${name} names no database: it takes mongodb://host:27017/name.`);
    return text;
  };
  const dsn = (name: string): string | null => {
    const text = url(name, ["http", "https"]);
    if (text !== null && !/^https?:\/\/\w+@[\w.:-]+\/(?:[^?#\s]+\/)?\d+$/.test(text))
      throw new SettingsError(`${name} names no project: it takes https://key@host/number.`);
    return text;
  };
  const networks = (name: string): string[] => {
    for (const part of list(name)) {
      const valid = part.includes("/") ? ipaddr.isValidCIDR(part) : ipaddr.isValid(part);
      if (!valid) fail(name, part, "addresses or networks such as 10.0.0.0/8, separated by commas");
    }
    return list(name);
  };
  const origins = (name: string): string[] => {
    for (const part of list(name))
      if (URL.canParse(part) ? new URL(part).origin !== part : true)
        fail(name, part, "exact origins such as https://clubs.example.edu, separated by commas");
    return list(name);
  };

  const adminPassword = get("ADMIN_PASSWORD");
  if (adminPassword !== null && adminPassword.length < 10)
    throw new SettingsError("ADMIN_PASSWORD is too short: it takes at least 10 characters.");
  const adminEmail = get("ADMIN_EMAIL");
  if (adminEmail !== null && !/^[^\s@]+@[^\s@]+$/.test(adminEmail))
    fail("ADMIN_EMAIL", adminEmail, "an e-mail address");
  if (adminEmail !== null && adminPassword === null)
    throw new SettingsError(
      "ADMIN_EMAIL is set but ADMIN_PASSWORD is not: the first administrator needs both.",
    );

  return {
    port: integer("PORT", 3000, 65_535),
    adminPort: integer("ADMIN_PORT", 3001, 65_535),
    healthPort: integer("HEALTH_PORT", 3002, 65_535),
    host:
      get("HOST") ?? (existsSync("/.dockerenv") || env["KUBERNETES_SERVICE_HOST"] ? "0.0.0.0" : "127.0.0.1"),
    dataDir: path.resolve(get("DATA_DIR") ?? "./data"),
    namespace: get("NAMESPACE") ?? "club-alliance",
    adminEmail,
    adminPassword,
    jwtKeys: get("JWT_KEYS"),
    adminJwtKeys: get("ADMIN_JWT_KEYS"),
    trustedProxies: networks("TRUSTED_PROXIES"),
    corsOrigins: origins("CORS_ORIGINS"),
    rateLimits: {
      anonymous: integer("RATE_LIMIT_ANONYMOUS", 300, 1e9),
      user: integer("RATE_LIMIT_USER", 1200, 1e9),
      auth: integer("RATE_LIMIT_AUTH", 30, 1e9),
    },
    campusNetworks: networks("CAMPUS_NETWORKS"),
    emailDomains: list("EMAIL_DOMAINS").map((domain) => domain.toLowerCase()),
    natsUrl: addresses("NATS_URL", ["nats", "tls"]),
    discoverer: etcd("DISCOVERER"),
    redisUrl: url("REDIS_URL", ["redis", "rediss", "redis-cluster"]),
    sqlUrls: {
      users: url("USERS_DB_URL", ["mysql"]),
      clubs: url("CLUBS_DB_URL", ["mysql"]),
      applications: url("APPLICATIONS_DB_URL", ["mysql"]),
      files: url("FILES_DB_URL", ["mysql"]),
      admin: url("ADMIN_DB_URL", ["mysql"]),
    },
    clubsReadUrls: list("CLUBS_DB_READ_URLS").map(
      (each) => url("CLUBS_DB_READ_URLS", ["mysql"], each) as string,
    ),
    documentUrls: {
      activities: documents("ACTIVITIES_DB_URL"),
      posts: documents("POSTS_DB_URL"),
      notifications: documents("NOTIFICATIONS_DB_URL"),
    },
    queueUrl: addresses("QUEUE_URL", ["nats", "tls", "amqp", "amqps"]),
    elasticsearchUrl: url("ELASTICSEARCH_URL", ["http", "https"]),
    s3Url: url("S3_URL", ["http", "https"]),
    s3PublicUrl: url("S3_PUBLIC_URL", ["http", "https"])?.replace(/\/+$/, "") ?? null,
    filesDir: path.resolve(get("FILES_DIR") ?? path.join(get("DATA_DIR") ?? "./data", "files")),
    mailUrl: url("MAIL_URL", ["smtp", "smtps"]),
    publicUrl: url("PUBLIC_URL", ["http", "https"])?.replace(/\/+$/, "") ?? null,
    adminUrl: url("ADMIN_URL", ["http", "https"])?.replace(/\/+$/, "") ?? null,
    tracingUrl: url("TRACING_URL", ["http", "https"]),
    sentryDsn: dsn("SENTRY_DSN"),
    logLevel: choice("LOG_LEVEL", ["trace", "debug", "info", "warn", "error", "fatal"], "info"),
    logFormat: choice("LOG_FORMAT", ["pretty", "json"], process.stdout.isTTY ? "pretty" : "json"),
    allowEmbedded: get("ALLOW_EMBEDDED") === "1",
  };
}

/**
 * Checks that the settings fit the domains of a node: a cluster does not start half embedded, and keys are where
 * they belong. Throws a SettingsError.
 */
export function checkNode(settings: Settings, domains: string[]): void {
  if (!settings.natsUrl) return;
  for (const [domain, name, keys] of [
    ["users", "JWT_KEYS", settings.jwtKeys],
    ["admin", "ADMIN_JWT_KEYS", settings.adminJwtKeys],
  ] as const) {
    if (domains.includes(domain) && !keys)
      throw new SettingsError(
        `${name} is missing: with NATS_URL a node of ${domain} needs the JWK set that signs access tokens (\`npm run admin -- keys\` prints one).`,
      );
    if (!domains.includes(domain) && keys)
      throw new SettingsError(
        `${name} belongs on nodes of ${domain} and nowhere else: take it out of this node's environment.`,
      );
  }
  // A prompt keeps nothing of its own.
  if (settings.allowEmbedded || domains.length === 0) return;
  const missing: string[] = [];
  if (!settings.redisUrl) missing.push("REDIS_URL");
  for (const domain of SQL_DOMAINS)
    if (domains.includes(domain) && !settings.sqlUrls[domain]) missing.push(`${domain.toUpperCase()}_DB_URL`);
  for (const domain of DOCUMENT_DOMAINS)
    if (domains.includes(domain) && !settings.documentUrls[domain])
      missing.push(`${domain.toUpperCase()}_DB_URL`);
  if (domains.includes("search") && !settings.elasticsearchUrl) missing.push("ELASTICSEARCH_URL");
  if (domains.includes("files") && !settings.s3Url) missing.push("S3_URL");
  if (missing.length > 0)
    throw new SettingsError(
      `NATS_URL is set, but what would be private to this process is not on a server: set ${missing.join(", ")}, or ALLOW_EMBEDDED=1 for a trial on one machine.`,
    );
}

/**
 * Every statement of this domain touches one shard, named by the shard key in its WHERE; these alone do not. A test
 * holds all others to it.
 */

/** The shard key of each table; tables that are not here are on no shard. */
export const SHARD_KEYS: Readonly<Record<string, string>> = {
  users: "id",
  identities: "value",
  sessions: "user_id",
  account_tokens: "user_id",
  login_failures: "account",
  outbox: "user_id",
  idempotency_keys: "user_id",
};

/** The beginning of the search of people. */
export const SEARCH = "SELECT * FROM users WHERE";
/** Up to a thousand people by their ids: a point read for each, in one statement. */
export const NAMES =
  "SELECT id, username, display_name, avatar_file_id, college, major, grade, locale, status FROM users WHERE id IN (:ids)";
/** The same of their addresses. */
export const ADDRESSES =
  "SELECT id, email, locale FROM users WHERE id IN (:ids) AND status = 'active' AND email IS NOT NULL";

/** The beginning of a page of all people by id, for announcements. */
export const PEOPLE = "SELECT id, college, status FROM users WHERE id";

/** Who has user names and e-mails, and what is known of people: of imports, many at once. */
export const HOLDERS = "SELECT value, user_id FROM identities WHERE value IN (:values)";
export const EXISTING = "SELECT * FROM users WHERE id IN (:ids)";

/** Everyone after an id, for the statistics: each shard by its primary key, merged. */
export const HISTORY = "SELECT id, status FROM users WHERE id";

/** What keeps the tables small: by time, over all shards, every minute or hour. */
export const SWEEPS = {
  doubtful:
    "SELECT value, user_id, created_at FROM identities WHERE state = 'reserved' AND created_at < :before LIMIT 500",
  expiredSessions: "DELETE FROM sessions WHERE expires_at < :before",
  endedSessions: "DELETE FROM sessions WHERE ended_at < :before",
  tokens: "DELETE FROM account_tokens WHERE expires_at < :before",
  failures: "DELETE FROM login_failures WHERE updated_at < :before",
} as const;

/** Statements that may touch several shards, by what they begin with. */
export const CROSS_SHARD: readonly { why: string; begins: string }[] = [
  { why: "GET /users", begins: `${SEARCH} status` },
  { why: "names, or avatars, of many people in one call", begins: NAMES.slice(0, NAMES.indexOf(" (")) },
  { why: "addresses of many people in one call", begins: ADDRESSES.slice(0, ADDRESSES.indexOf(" (")) },
  { why: "the audience of an announcement", begins: `${PEOPLE} > ` },
  ...[HOLDERS, EXISTING].map((each) => ({ why: "imports", begins: each.slice(0, each.indexOf(" (")) })),
  { why: "imports", begins: "UPDATE identities SET state = 'active' WHERE value IN" },
  { why: "history, for a rebuild of the statistics", begins: `${HISTORY} >` },
  ...Object.values(SWEEPS).map((begins) => ({
    why: "sweeper",
    begins: begins.slice(0, begins.indexOf(" :")),
  })),
  // mixins/outbox-sql.ts
  { why: "relay", begins: "SELECT id FROM outbox WHERE published_at IS NULL" },
  {
    why: "relay",
    begins: "SELECT id, type, envelope, done, attempts, due_at FROM outbox WHERE published_at IS NULL",
  },
  { why: "relay", begins: "UPDATE outbox SET" },
  { why: "relay", begins: "SELECT id, type, envelope, attempts, done FROM outbox WHERE lease" },
  { why: "queue depth", begins: "SELECT COUNT(*) AS n FROM outbox" },
  { why: "queue depth", begins: "SELECT created_at FROM outbox WHERE published_at IS NULL" },
  { why: "replay of dead letters", begins: "SELECT done FROM outbox WHERE id" },
  { why: "a message given back", begins: "SELECT done, attempts, published_at FROM outbox WHERE id" },
  { why: "publishing again", begins: "SELECT MAX(published_at) AS at FROM outbox" },
  {
    why: "sweeper, publishing again",
    begins: "SELECT id, published_at AS at FROM outbox WHERE published_at",
  },
  { why: "sweeper", begins: "SELECT id, created_at AS at FROM idempotency_keys WHERE created_at" },
  { why: "sweeper", begins: "DELETE FROM outbox WHERE published_at" },
  { why: "sweeper", begins: "DELETE FROM idempotency_keys WHERE created_at" },
];

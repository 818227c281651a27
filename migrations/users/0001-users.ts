import type { Migration } from "../../lib/migrations.ts";
import { createQueueTables, dropQueueTables } from "../../lib/queue-tables.ts";

/** Sharded by the user, but for identities (by their value) and two small tables that are on no shard. */
export async function up(m: Migration): Promise<void> {
  const { id, ascii, key, text, long, integer } = m.types;
  await m.query(
    `CREATE TABLE users (id ${id} NOT NULL, username ${key(32)}, email ${key(254)}, email_key ${key(300)},
     password_hash ${ascii(200)}, password_once ${integer} NOT NULL, display_name ${text(50)} NOT NULL,
     bio ${text(500)}, avatar_file_id ${id}, college ${text(100)}, major ${text(100)}, grade ${text(20)},
     locale ${ascii(10)} NOT NULL, status ${ascii(16)} NOT NULL, status_reason ${text(2000)},
     search_key ${key(700)} NOT NULL, email_token ${id}, terms_accepted_at ${integer}, signed_in_at ${integer},
     erased_at ${integer}, version ${integer} NOT NULL, created_at ${integer} NOT NULL,
     updated_at ${integer} NOT NULL, PRIMARY KEY (id))${m.sharded("id")}`,
  );
  await m.query(
    `CREATE TABLE identities (value ${key(302)} NOT NULL, user_id ${id} NOT NULL, state ${ascii(16)} NOT NULL,
     created_at ${integer} NOT NULL, PRIMARY KEY (value))${m.sharded("value")}`,
  );
  await m.query("CREATE INDEX identities_state ON identities (state, created_at)");
  await m.query(
    `CREATE TABLE sessions (user_id ${id} NOT NULL, id ${id} NOT NULL, device ${text(200)} NOT NULL,
     address ${ascii(64)}, created_at ${integer} NOT NULL, last_used_at ${integer} NOT NULL,
     expires_at ${integer} NOT NULL, ended_at ${integer}, family_hash ${ascii(64)} NOT NULL,
     current_hash ${ascii(64)} NOT NULL, previous_hash ${ascii(64)}, spent_at ${integer},
     replaced ${long} NOT NULL, PRIMARY KEY (user_id, id))${m.sharded("user_id")}`,
  );
  await m.query("CREATE INDEX sessions_expiry ON sessions (expires_at)");
  await m.query("CREATE INDEX sessions_ended ON sessions (ended_at)");
  await m.query(
    `CREATE TABLE account_tokens (user_id ${id} NOT NULL, id ${id} NOT NULL, kind ${ascii(16)} NOT NULL,
     hash ${ascii(64)} NOT NULL, email ${key(254)}, old_email ${key(254)}, created_at ${integer} NOT NULL,
     expires_at ${integer} NOT NULL, used_at ${integer}, PRIMARY KEY (user_id, id))${m.sharded("user_id")}`,
  );
  await m.query("CREATE INDEX account_tokens_expiry ON account_tokens (expires_at)");
  await m.query(
    `CREATE TABLE login_failures (account ${ascii(64)} NOT NULL, attempts ${ascii(200)} NOT NULL,
     changes ${integer} NOT NULL, told_at ${integer} NOT NULL, updated_at ${integer} NOT NULL,
     PRIMARY KEY (account))${m.sharded("account")}`,
  );
  await m.query("CREATE INDEX login_failures_updated ON login_failures (updated_at)");
  await m.query(
    `CREATE TABLE user_roles (user_id ${id} NOT NULL, role ${ascii(16)} NOT NULL, active ${integer} NOT NULL,
     changes ${integer} NOT NULL, PRIMARY KEY (user_id, role))`,
  );
  await m.query("CREATE INDEX user_roles_role ON user_roles (role)");
  await m.query(
    `CREATE TABLE session_revocations (sid ${id} NOT NULL, revoked_at ${integer} NOT NULL, PRIMARY KEY (sid))`,
  );
  await m.query("CREATE INDEX session_revocations_at ON session_revocations (revoked_at)");
  await createQueueTables(m, "user_id");
}

export async function down(m: Migration): Promise<void> {
  await dropQueueTables(m);
  for (const table of [
    "session_revocations",
    "user_roles",
    "login_failures",
    "account_tokens",
    "sessions",
    "identities",
    "users",
  ])
    await m.query(`DROP TABLE ${table}`);
}

import type { Migration } from "../../lib/migrations.ts";

export async function up(m: Migration): Promise<void> {
  const { id, ascii, text, integer } = m.types;
  // stamp: of the password that it was opened by. revoked_at: by the clock of the database.
  await m.query(
    `CREATE TABLE admin_sessions (id ${id} NOT NULL PRIMARY KEY, user_id ${id} NOT NULL, stamp ${ascii(64)} NOT NULL,
     device ${text(200)} NOT NULL, address ${ascii(64)}, created_at ${integer} NOT NULL,
     expires_at ${integer} NOT NULL, revoked_at ${integer})`,
  );
  await m.query("CREATE INDEX admin_sessions_user ON admin_sessions (user_id)");
  await m.query("CREATE INDEX admin_sessions_revoked ON admin_sessions (revoked_at)");
  await m.query("CREATE INDEX admin_sessions_expiry ON admin_sessions (expires_at)");
  // secret: encrypted. confirmed_at: NULL until the first code has shown that it was taken over. last_step: of the
  // newest code that was used. failures: JSON list of times of wrong codes.
  await m.query(
    `CREATE TABLE admin_totp (user_id ${id} NOT NULL PRIMARY KEY, secret ${ascii(200)} NOT NULL,
     confirmed_at ${integer}, last_step ${integer} NOT NULL, failures ${ascii(200)} NOT NULL,
     changes ${integer} NOT NULL, created_at ${integer} NOT NULL)`,
  );
  await m.query("CREATE INDEX admin_totp_confirmed ON admin_totp (confirmed_at)");
  await m.query(
    `CREATE TABLE admin_recovery_codes (user_id ${id} NOT NULL, code_hash ${ascii(64)} NOT NULL, used_at ${integer},
     PRIMARY KEY (user_id, code_hash))`,
  );
}

export async function down(m: Migration): Promise<void> {
  for (const table of ["admin_recovery_codes", "admin_totp", "admin_sessions"])
    await m.query(`DROP TABLE ${table}`);
}

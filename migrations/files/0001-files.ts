import type { Migration } from "../../lib/migrations.ts";
import { createQueueTables, dropQueueTables } from "../../lib/queue-tables.ts";

export async function up(m: Migration): Promise<void> {
  const { id, ascii, text, integer } = m.types;
  // storage_key is NULL until completion. touched_at is when it was completed, claimed, or last shown. lease is who
  // completes it just now. deleted_at: it is no more, but its objects may be.
  await m.query(
    `CREATE TABLE files (id ${id} NOT NULL PRIMARY KEY, owner_id ${id}, name ${text(255)} NOT NULL,
     content_type ${ascii(100)} NOT NULL, size ${integer} NOT NULL, purpose ${ascii(16)} NOT NULL,
     status ${ascii(16)} NOT NULL, storage_key ${ascii(200)}, width ${integer}, height ${integer},
     created_at ${integer} NOT NULL, completed_at ${integer}, touched_at ${integer} NOT NULL,
     lease ${id}, lease_until ${integer} NOT NULL, deleted_at ${integer})`,
  );
  await m.query("CREATE INDEX files_owner ON files (owner_id, id)");
  await m.query("CREATE INDEX files_idle ON files (status, touched_at)");
  await m.query("CREATE INDEX files_deleted ON files (deleted_at)");
  await m.query(
    `CREATE TABLE claims (file_id ${id} NOT NULL, subject_type ${ascii(16)} NOT NULL, subject_id ${id} NOT NULL,
     claimed_at ${integer} NOT NULL, verified_at ${integer} NOT NULL, PRIMARY KEY (file_id, subject_type, subject_id))`,
  );
  await m.query("CREATE INDEX claims_verified ON claims (subject_type, verified_at)");
  // Locked while somebody's files are counted, so that two announcements at once cannot both be the last.
  await m.query(
    `CREATE TABLE spaces (owner_id ${id} NOT NULL PRIMARY KEY, announced_at ${integer} NOT NULL)`,
  );
  await createQueueTables(m);
}

export async function down(m: Migration): Promise<void> {
  for (const table of ["spaces", "claims", "files"]) await m.query(`DROP TABLE ${table}`);
  await dropQueueTables(m);
}

import type { Migration } from "../../lib/migrations.ts";

export async function up(m: Migration): Promise<void> {
  const { id, ascii, text, long, integer } = m.types;
  // Newest first is by id. `audience` is JSON.
  await m.query(
    `CREATE TABLE announcements (id ${id} NOT NULL PRIMARY KEY, title ${text(200)} NOT NULL, body ${long} NOT NULL,
     level ${ascii(16)} NOT NULL, audience ${long} NOT NULL, starts_at ${integer} NOT NULL, ends_at ${integer},
     withdrawn_at ${integer}, version ${integer} NOT NULL, created_at ${integer} NOT NULL,
     updated_at ${integer} NOT NULL)`,
  );
  await m.query("CREATE INDEX announcements_start ON announcements (starts_at)");
  await m.query("CREATE INDEX announcements_end ON announcements (ends_at)");
  await m.query("CREATE INDEX announcements_withdrawn ON announcements (withdrawn_at)");
}

export async function down(m: Migration): Promise<void> {
  await m.query("DROP TABLE announcements");
}

import type { Migration } from "../../lib/migrations.ts";

export async function up(m: Migration): Promise<void> {
  const { id, ascii, long, integer } = m.types;
  // One row: whoever changes a setting counts up first, so that changes follow one another.
  await m.query(
    `CREATE TABLE settings_revision (id ${integer} NOT NULL PRIMARY KEY, revision ${integer} NOT NULL)`,
  );
  await m.query("INSERT INTO settings_revision (id, revision) VALUES (1, 0)");
  // Values are JSON; NULL: the default again.
  await m.query(
    `CREATE TABLE settings (name ${ascii(64)} NOT NULL PRIMARY KEY, value ${long}, version ${integer} NOT NULL)`,
  );
  await m.query(
    `CREATE TABLE settings_history (revision ${integer} NOT NULL PRIMARY KEY, name ${ascii(64)} NOT NULL,
     at ${integer} NOT NULL, changed_by ${id} NOT NULL, value ${long})`,
  );
  await m.query("CREATE INDEX settings_history_name ON settings_history (name, revision)");
}

export async function down(m: Migration): Promise<void> {
  for (const table of ["settings_history", "settings", "settings_revision"])
    await m.query(`DROP TABLE ${table}`);
}

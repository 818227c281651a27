import type { Migration } from "../../lib/migrations.ts";

/** Imports, the rows of their files until they are done, and the rows that failed. */
export async function up(m: Migration): Promise<void> {
  const { id, ascii, long, integer } = m.types;
  await m.query(
    `CREATE TABLE imports (id ${id} NOT NULL PRIMARY KEY, kind ${ascii(16)} NOT NULL, dry_run ${integer} NOT NULL,
     status ${ascii(16)} NOT NULL, reason ${ascii(40)}, total ${integer} NOT NULL, done ${integer} NOT NULL,
     created ${integer} NOT NULL, unchanged ${integer} NOT NULL, failed ${integer} NOT NULL,
     parts ${integer} NOT NULL, next_part ${integer} NOT NULL, by_user ${id} NOT NULL, lang ${ascii(10)} NOT NULL,
     lease ${id}, lease_until ${integer} NOT NULL, created_at ${integer} NOT NULL, ended_at ${integer})`,
  );
  await m.query("CREATE INDEX imports_open ON imports (status, lease_until)");
  await m.query("CREATE INDEX imports_created ON imports (created_at)");
  // A part is what is taken at once: JSON of its rows, each the cells in the order of the columns.
  await m.query(
    `CREATE TABLE import_parts (import_id ${id} NOT NULL, part ${integer} NOT NULL, first_row ${integer} NOT NULL,
     content ${long} NOT NULL, created_at ${integer} NOT NULL, PRIMARY KEY (import_id, part))`,
  );
  await m.query("CREATE INDEX import_parts_created ON import_parts (created_at)");
  await m.query(
    `CREATE TABLE import_failures (import_id ${id} NOT NULL, row_no ${integer} NOT NULL, reasons ${long} NOT NULL,
     PRIMARY KEY (import_id, row_no))`,
  );
}

export async function down(m: Migration): Promise<void> {
  for (const table of ["import_failures", "import_parts", "imports"]) await m.query(`DROP TABLE ${table}`);
}

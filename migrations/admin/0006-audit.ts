import { CHAINS } from "../../lib/audit-chain.ts";
import type { Migration } from "../../lib/migrations.ts";

export async function up(m: Migration): Promise<void> {
  const { id, ascii, long, integer } = m.types;
  const hash = ascii(43);
  await m.query(
    `CREATE TABLE audit_entries (id ${id} NOT NULL PRIMARY KEY, chain ${integer} NOT NULL, seq ${integer} NOT NULL,
     at ${integer} NOT NULL, actor ${id}, action ${ascii(100)} NOT NULL, subject_type ${ascii(40)},
     subject_id ${ascii(100)}, changes ${long} NOT NULL, request_id ${ascii(128)}, result ${ascii(64)} NOT NULL,
     address ${ascii(64)}, address_salt ${ascii(22)}, address_digest ${hash}, previous ${hash} NOT NULL, hash ${hash} NOT NULL)`,
  );
  await m.query("CREATE UNIQUE INDEX audit_entries_chain ON audit_entries (chain, seq)");
  await m.query("CREATE INDEX audit_entries_at ON audit_entries (at, id)");
  for (const column of ["actor", "action", "subject_id", "result"])
    await m.query(`CREATE INDEX audit_entries_${column} ON audit_entries (${column}, at, id)`);
  // The end of each chain: whoever appends moves it, and nobody else may have moved it since they looked.
  await m.query(
    `CREATE TABLE audit_heads (chain ${integer} NOT NULL PRIMARY KEY, seq ${integer} NOT NULL, hash ${hash} NOT NULL,
     id ${id} NOT NULL)`,
  );
  for (let chain = 0; chain < CHAINS; chain++)
    await m.query(`INSERT INTO audit_heads (chain, seq, hash, id) VALUES (${chain}, 0, '', '')`);
  // One an hour, by whoever is first. `at` is when it was made.
  await m.query(
    `CREATE TABLE audit_checkpoints (hour ${integer} NOT NULL PRIMARY KEY, at ${integer} NOT NULL, jws ${long} NOT NULL)`,
  );
}

export async function down(m: Migration): Promise<void> {
  for (const table of ["audit_checkpoints", "audit_heads", "audit_entries"])
    await m.query(`DROP TABLE ${table}`);
}

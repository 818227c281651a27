import type { Migration } from "../../lib/migrations.ts";
import { createQueueTables, createSagaTable, dropQueueTables } from "../../lib/queue-tables.ts";

/** The six of the Ministry of Education's rules for student clubs (2020). */
const CATEGORIES = [
  ["political", "Political thought", "思想政治类"],
  ["academic", "Science and technology", "学术科技类"],
  ["entrepreneurship", "Innovation and entrepreneurship", "创新创业类"],
  ["culture-sports", "Culture and sports", "文化体育类"],
  ["service", "Volunteering and public good", "志愿公益类"],
  ["mutual-aid", "Self-discipline and mutual aid", "自律互助类"],
] as const;

export async function up(m: Migration): Promise<void> {
  const { id, ascii, key, text, long, integer } = m.types;
  await m.query(
    `CREATE TABLE categories (slug ${ascii(50)} NOT NULL PRIMARY KEY, name_en ${text(100)} NOT NULL,
     name_zh ${text(100)} NOT NULL, position ${integer} NOT NULL)`,
  );
  for (const [position, [slug, en, zh]] of CATEGORIES.entries())
    await m.query(
      `INSERT INTO categories (slug, name_en, name_zh, position) VALUES ('${slug}', '${en}', '${zh}', ${position})`,
    );

  // name_key is NULL once the name is free. revision counts every change of the row, version those that clients see.
  await m.query(
    `CREATE TABLE clubs (id ${id} NOT NULL PRIMARY KEY, name ${text(120)} NOT NULL, name_key ${ascii(64)},
     sort_key ${key(240)} NOT NULL, summary ${text(300)} NOT NULL, description ${long} NOT NULL,
     category ${ascii(50)} NOT NULL, tags ${long} NOT NULL, logo_file_id ${id}, join_policy ${ascii(16)} NOT NULL,
     questions ${long} NOT NULL, review_stages ${ascii(40)} NOT NULL, status ${ascii(16)} NOT NULL,
     version ${integer} NOT NULL, revision ${integer} NOT NULL, member_count ${integer} NOT NULL,
     favorite_count ${integer} NOT NULL, created_by ${id} NOT NULL, created_at ${integer} NOT NULL,
     updated_at ${integer} NOT NULL, saga_id ${id} NOT NULL, ready ${integer} NOT NULL)`,
  );
  await m.query("CREATE UNIQUE INDEX clubs_name ON clubs (name_key)");
  await m.query("CREATE INDEX clubs_new ON clubs (status, created_at, id)");
  await m.query("CREATE INDEX clubs_popular ON clubs (status, member_count, id)");
  await m.query("CREATE INDEX clubs_sorted ON clubs (status, sort_key, id)");
  await m.query("CREATE INDEX clubs_category ON clubs (category, status)");
  await m.query(
    `CREATE TABLE club_tags (tag_key ${ascii(64)} NOT NULL, club_id ${id} NOT NULL, PRIMARY KEY (tag_key, club_id))`,
  );
  await m.query("CREATE INDEX club_tags_club ON club_tags (club_id)");

  await m.query(
    `CREATE TABLE members (club_id ${id} NOT NULL, user_id ${id} NOT NULL, role ${ascii(16)} NOT NULL,
     title ${text(50)}, joined_at ${integer} NOT NULL, version ${integer} NOT NULL, PRIMARY KEY (club_id, user_id))`,
  );
  await m.query("CREATE INDEX members_joined ON members (club_id, joined_at, user_id)");
  await m.query("CREATE INDEX members_user ON members (user_id, club_id)");
  await m.query(
    `CREATE TABLE favorites (user_id ${id} NOT NULL, club_id ${id} NOT NULL, created_at ${integer} NOT NULL,
     PRIMARY KEY (user_id, club_id))`,
  );
  await m.query("CREATE INDEX favorites_newest ON favorites (user_id, created_at, club_id)");
  // At most one offer for a club: a newer one takes the place of the older.
  await m.query(
    `CREATE TABLE transfers (club_id ${id} NOT NULL PRIMARY KEY, id ${id} NOT NULL, user_id ${id} NOT NULL,
     expires_at ${integer} NOT NULL)`,
  );
  await m.query("CREATE INDEX transfers_user ON transfers (user_id)");
  // How far read replicas are behind is told by what they know of this time.
  await m.query(`CREATE TABLE replica_clock (id ${integer} NOT NULL PRIMARY KEY, at ${integer} NOT NULL)`);
  await m.query("INSERT INTO replica_clock (id, at) VALUES (1, 0)");
  await createQueueTables(m);
  await createSagaTable(m);
}

export async function down(m: Migration): Promise<void> {
  const tables = ["replica_clock", "transfers", "favorites", "members", "club_tags", "clubs", "categories"];
  for (const table of ["sagas", ...tables]) await m.query(`DROP TABLE ${table}`);
  await dropQueueTables(m);
}

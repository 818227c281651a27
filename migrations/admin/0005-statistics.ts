import type { Migration } from "../../lib/migrations.ts";

const COUNTS = [
  "new_users",
  "new_clubs",
  "applications",
  "approvals",
  "activities",
  "sign_ups",
  "check_ins",
  "posts",
  "comments",
];
const CLUB_COUNTS = ["activities", "applications", "sign_ups", "check_ins", "posts"];
const TOTALS = ["users", "applications", "activities", "participations", "posts", "comments"];

/** A generation is one counting of everything; a rebuild makes the next one beside it. docs/statistics.md */
export async function up(m: Migration): Promise<void> {
  const { id, ascii, integer } = m.types;
  // Rows are small and found by their key alone: on SQLite they stand in it.
  const keyed = m.mysql ? "" : " WITHOUT ROWID";
  const columns = (names: string[]): string => names.map((name) => `${name} ${integer} NOT NULL`).join(", ");
  await m.query(
    `CREATE TABLE statistics_generations (id ${integer} NOT NULL PRIMARY KEY, state ${ascii(16)} NOT NULL,
     source ${ascii(40)}, after_key ${ascii(200)}, facts_read ${integer} NOT NULL, lease_owner ${id},
     lease_until ${integer} NOT NULL, started_at ${integer} NOT NULL, ended_at ${integer},
     changes ${integer} NOT NULL, ${columns(TOTALS)})`,
  );
  const zeros = TOTALS.map(() => "0").join(", ");
  await m.query(
    `INSERT INTO statistics_generations (id, state, facts_read, lease_until, started_at, changes, ${TOTALS.join(", ")})
     VALUES (1, 'live', 0, 0, 0, 0, ${zeros})`,
  );
  await m.query(
    `CREATE TABLE statistics_facts (generation ${integer} NOT NULL, id ${ascii(100)} NOT NULL,
     version ${integer} NOT NULL, there ${integer} NOT NULL, counted ${integer} NOT NULL,
     PRIMARY KEY (generation, id))${keyed}`,
  );
  await m.query(
    `CREATE TABLE statistics_buckets (generation ${integer} NOT NULL, bucket ${integer} NOT NULL,
     ${columns(COUNTS)}, active_changes ${integer} NOT NULL, PRIMARY KEY (generation, bucket))${keyed}`,
  );
  await m.query(
    `CREATE TABLE statistics_club_buckets (generation ${integer} NOT NULL, span ${integer} NOT NULL,
     bucket ${integer} NOT NULL, club_id ${id} NOT NULL, ${columns(CLUB_COUNTS)},
     PRIMARY KEY (generation, span, bucket, club_id))${keyed}`,
  );
  await m.query(
    `CREATE TABLE statistics_people (generation ${integer} NOT NULL, user_id ${id} NOT NULL,
     person ${integer} NOT NULL, gone ${integer} NOT NULL, PRIMARY KEY (generation, user_id))${keyed}`,
  );
  await m.query("CREATE INDEX statistics_people_number ON statistics_people (generation, person)");
  await m.query(
    `CREATE TABLE statistics_active (generation ${integer} NOT NULL, slot ${integer} NOT NULL,
     person ${integer} NOT NULL, PRIMARY KEY (generation, slot))${keyed}`,
  );
  await m.query("CREATE INDEX statistics_active_person ON statistics_active (generation, person)");
  await m.query(
    `CREATE TABLE statistics_approvals (generation ${integer} NOT NULL, bucket ${integer} NOT NULL,
     took ${integer} NOT NULL, id ${ascii(100)} NOT NULL, PRIMARY KEY (generation, bucket, took, id))${keyed}`,
  );
  await m.query(
    `CREATE TABLE statistics_rosters (generation ${integer} NOT NULL, id ${ascii(64)} NOT NULL,
     version ${integer} NOT NULL, starts_at ${integer} NOT NULL, ends_at ${integer} NOT NULL,
     cancelled ${integer} NOT NULL, confirmed ${integer} NOT NULL, checked_in ${integer} NOT NULL,
     PRIMARY KEY (generation, id))${keyed}`,
  );
  await m.query(
    `CREATE INDEX statistics_rosters_start
     ON statistics_rosters (generation, starts_at, ends_at, cancelled, confirmed, checked_in)`,
  );
  await m.query(
    `CREATE TABLE statistics_clubs (generation ${integer} NOT NULL, id ${id} NOT NULL, version ${integer} NOT NULL,
     active ${integer} NOT NULL, members ${integer} NOT NULL, scanned ${integer} NOT NULL,
     PRIMARY KEY (generation, id))${keyed}`,
  );
  await m.query(
    `CREATE TABLE statistics_memos (generation ${integer} NOT NULL, unit ${ascii(8)} NOT NULL,
     begins_at ${integer} NOT NULL, ends_at ${integer} NOT NULL, stamp ${integer} NOT NULL, ${columns(COUNTS)},
     active_changes ${integer} NOT NULL, active_users ${integer} NOT NULL, p50 ${integer}, p90 ${integer},
     PRIMARY KEY (generation, unit, begins_at))${keyed}`,
  );
  await m.query(
    `CREATE TABLE statistics_days (generation ${integer} NOT NULL, day ${integer} NOT NULL,
     changes ${integer} NOT NULL, PRIMARY KEY (generation, day))${keyed}`,
  );
}

export async function down(m: Migration): Promise<void> {
  const tables = [
    "days",
    "memos",
    "clubs",
    "rosters",
    "approvals",
    "active",
    "people",
    "club_buckets",
    "buckets",
  ];
  for (const table of [...tables, "facts", "generations"]) await m.query(`DROP TABLE statistics_${table}`);
}

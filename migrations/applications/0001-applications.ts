import { createQueueTables, dropQueueTables } from "../../lib/queue-tables.ts";
import type { Migration } from "../../lib/migrations.ts";

export async function up(m: Migration): Promise<void> {
  await createQueueTables(m);
  await createApplications(m);
  await createReviews(m);
}

async function createApplications(m: Migration): Promise<void> {
  const { id, ascii, long, integer } = m.types;
  await m.query(
    `CREATE TABLE applications (id ${id} NOT NULL PRIMARY KEY, club_id ${id} NOT NULL, applicant_id ${id} NOT NULL,
     open_key ${ascii(73)}, status ${ascii(16)} NOT NULL, message ${long}, answers ${long} NOT NULL,
     stages ${ascii(64)} NOT NULL, deciders ${ascii(100)} NOT NULL, version ${integer} NOT NULL,
     created_at ${integer} NOT NULL, updated_at ${integer} NOT NULL, expires_at ${integer}, closed_at ${integer},
     cleared ${integer} NOT NULL)`,
  );
  await m.query("CREATE UNIQUE INDEX applications_open ON applications (open_key)");
  await m.query("CREATE INDEX applications_club ON applications (club_id, created_at, id)");
  await m.query("CREATE INDEX applications_club_status ON applications (club_id, status, created_at, id)");
  await m.query("CREATE INDEX applications_applicant ON applications (applicant_id, created_at, id)");
  await m.query("CREATE INDEX applications_expiry ON applications (status, expires_at)");
  await m.query("CREATE INDEX applications_cleared ON applications (cleared, closed_at)");
  await m.query(
    `CREATE TABLE application_events (application_id ${id} NOT NULL, version ${integer} NOT NULL, at ${integer} NOT NULL,
     from_status ${ascii(16)}, to_status ${ascii(16)} NOT NULL, by_id ${id}, comment ${long},
     PRIMARY KEY (application_id, version))`,
  );
  await m.query("CREATE INDEX application_events_by ON application_events (by_id, application_id, version)");
}

async function createReviews(m: Migration): Promise<void> {
  const { id, ascii, long, text, integer } = m.types;
  await m.query(
    `CREATE TABLE reviews (id ${id} NOT NULL PRIMARY KEY, club_id ${id} NOT NULL, club_name ${text(120)} NOT NULL,
     filed_by ${id} NOT NULL, status ${ascii(16)} NOT NULL, claimed_by ${id}, claim_until ${integer},
     claim_club_version ${integer}, comment ${long}, version ${integer} NOT NULL, created_at ${integer} NOT NULL,
     updated_at ${integer} NOT NULL)`,
  );
  await m.query("CREATE INDEX reviews_status ON reviews (status, created_at, id)");
  await m.query("CREATE INDEX reviews_created ON reviews (created_at, id)");
  await m.query("CREATE INDEX reviews_club ON reviews (club_id)");
  await m.query("CREATE INDEX reviews_claimed ON reviews (claimed_by)");
  await m.query("CREATE INDEX reviews_filed ON reviews (filed_by)");
  await m.query(
    `CREATE TABLE review_steps (saga_step ${ascii(100)} NOT NULL PRIMARY KEY, task_id ${id}, undone ${integer} NOT NULL,
     at ${integer} NOT NULL)`,
  );
  await m.query("CREATE INDEX review_steps_at ON review_steps (at)");
}

export async function down(m: Migration): Promise<void> {
  for (const table of ["review_steps", "reviews", "application_events", "applications"])
    await m.query(`DROP TABLE ${table}`);
  await dropQueueTables(m);
}

/** Activities, rosters, participations, what people are to be told, tokens of calendars. */
import type { DocumentMigration } from "../../lib/documents/migrations.ts";

const INDEXES = [
  ["activities", ["clubId"]],
  ["activities", ["status"]],
  ["activities", ["updatedAt"]],
  ["activities", ["nextReminderAt"]],
  ["activities", ["unsettled"]],
  ["activities", ["pending"]],
  ["rosters", ["activityId"]],
  ["rosters", ["pending", "touchedAt"]],
  ["participations", ["roster", "op"]],
  ["participations", ["roster", "status", "seq"]],
  ["participations", ["user", "occurrence"]],
  ["participations", ["activityId", "occurrence", "seq"]],
  ["tellings", ["dueAt"]],
  ["calendarTokens", ["hash"]],
  ["idempotencyKeys", ["user"]],
  ["idempotencyKeys", ["createdAt"]],
] as const;

export async function up(migration: DocumentMigration): Promise<void> {
  for (const [collection, fields] of INDEXES) await migration.createIndex(collection, fields);
}

export async function down(migration: DocumentMigration): Promise<void> {
  for (const [collection, fields] of INDEXES) await migration.dropIndex(collection, fields);
}

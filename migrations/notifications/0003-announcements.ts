/** Announcements, and whom they are told. */
import type { DocumentMigration } from "../../lib/documents/migrations.ts";

const INDEXES = [
  ["notifications", ["batch", "readAt"]],
  ["bulletins", ["dueAt"]],
  ["bulletins", ["until"]],
  ["bulletinParts", ["dueAt"]],
  ["bulletinParts", ["bulletin"]],
] as const;

export async function up(migration: DocumentMigration): Promise<void> {
  for (const [collection, fields] of INDEXES) await migration.createIndex(collection, fields);
}

export async function down(migration: DocumentMigration): Promise<void> {
  for (const [collection, fields] of INDEXES) await migration.dropIndex(collection, fields);
}

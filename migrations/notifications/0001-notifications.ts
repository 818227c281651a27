/** What everyone has been told, mails that were sent, idempotency keys. */
import type { DocumentMigration } from "../../lib/documents/migrations.ts";

const INDEXES = [
  ["notifications", ["user", "createdAt"]],
  ["notifications", ["createdAt"]],
  ["mails", ["sentAt"]],
  ["idempotencyKeys", ["user"]],
  ["idempotencyKeys", ["createdAt"]],
] as const;

export async function up(migration: DocumentMigration): Promise<void> {
  for (const [collection, fields] of INDEXES) await migration.createIndex(collection, fields);
}

export async function down(migration: DocumentMigration): Promise<void> {
  for (const [collection, fields] of INDEXES) await migration.dropIndex(collection, fields);
}

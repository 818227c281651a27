/** What the domain tells others, and idempotency keys. */
import type { DocumentMigration } from "../../lib/documents/migrations.ts";
import { createQueueIndexes, dropQueueIndexes } from "../../lib/queue-documents.ts";

const KEYS = [["user"], ["createdAt"]] as const;

export async function up(migration: DocumentMigration): Promise<void> {
  await createQueueIndexes(migration);
  for (const fields of KEYS) await migration.createIndex("idempotencyKeys", fields);
}

export async function down(migration: DocumentMigration): Promise<void> {
  await dropQueueIndexes(migration);
  for (const fields of KEYS) await migration.dropIndex("idempotencyKeys", fields);
}

/** Posts, comments, likes, reports, revisions, words, what moderators did, what the domain tells others, idempotency keys. */
import type { DocumentMigration } from "../../lib/documents/migrations.ts";
import { createQueueIndexes, dropQueueIndexes } from "../../lib/queue-documents.ts";

const INDEXES = [
  ["posts", ["shown"]],
  ["posts", ["shown", "score"]],
  ["posts", ["clubId", "shown", "pinned"]],
  ["posts", ["clubId", "shown", "score"]],
  ["posts", ["tags"]],
  ["posts", ["authorId"]],
  ["posts", ["case.id"]],
  ["posts", ["waitingSince"]],
  ["posts", ["touchedAt"]],
  ["posts", ["pending"]],
  ["comments", ["postId", "parentId"]],
  ["comments", ["authorId"]],
  ["comments", ["case.id"]],
  ["comments", ["waitingSince"]],
  ["comments", ["pending"]],
  ["likes", ["post"]],
  ["likes", ["user"]],
  ["reports", ["content"]],
  ["reports", ["user"]],
  ["reports", ["at"]],
  ["revisions", ["post"]],
  ["revisions", ["at"]],
  ["log", ["at"]],
  ["wordLists", ["pending"]],
  ["wordParts", ["list"]],
  ["wordParts", ["at"]],
  ["idempotencyKeys", ["user"]],
  ["idempotencyKeys", ["createdAt"]],
] as const;

export async function up(migration: DocumentMigration): Promise<void> {
  await createQueueIndexes(migration);
  for (const [collection, fields] of INDEXES) await migration.createIndex(collection, fields);
}

export async function down(migration: DocumentMigration): Promise<void> {
  await dropQueueIndexes(migration);
  for (const [collection, fields] of INDEXES) await migration.dropIndex(collection, fields);
}

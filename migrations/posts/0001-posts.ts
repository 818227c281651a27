/** Posts, comments, likes, reports, revisions, words, what moderators did, what the domain tells others, idempotency keys. */
import type { DocumentMigration } from "../../lib/documents/migrations.ts";
import { createQueueIndexes, dropQueueIndexes } from "../../lib/queue-documents.ts";

const INDEXES = [
  ["posts", ["shown", "_id"]],
  ["posts", ["shown", "score", "_id"]],
  ["posts", ["clubId", "shown", "pinned", "_id"]],
  ["posts", ["clubId", "shown", "pinned", "score", "_id"]],
  ["posts", ["tags", "shown", "_id"]],
  ["posts", ["authorId", "_id"]],
  ["posts", ["case.id"]],
  ["posts", ["waitingSince"]],
  ["posts", ["touchedAt"]],
  ["posts", ["pending"]],
  ["comments", ["postId", "_id"]],
  ["comments", ["parentId", "_id"]],
  ["comments", ["authorId", "_id"]],
  ["comments", ["case.id"]],
  ["comments", ["waitingSince"]],
  ["comments", ["pending"]],
  ["likes", ["post"]],
  ["likes", ["user", "_id"]],
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

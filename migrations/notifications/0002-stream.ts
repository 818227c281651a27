/** Numbers of notices, by which the stream goes on; mails that are due; messages to many people. */
import type { DocumentMigration } from "../../lib/documents/migrations.ts";
import { numbered } from "../../services/notifications/numbering.ts";

const SEQ = ["user", "seq"] as const;
const DUE = ["dueAt"] as const;
const USERS = 200;

type Old = { _id: string; user: string; seq?: number; createdAt: number };

export async function up(migration: DocumentMigration): Promise<void> {
  const all = migration.collection<Old>("notifications");
  for (;;) {
    const some = await all.find({ seq: { $exists: false } }, { limit: USERS, projection: ["user"] });
    if (some.length === 0) break;
    const users = [...new Set(some.map(({ user }) => user))];
    const docs = await all.find({ user: { $in: users } }, { projection: ["user", "seq", "createdAt"] });
    const changes = numbered(docs).map(({ _id, seq }) => ({
      query: { _id },
      update: { $set: { seq: Number(seq) } },
    }));
    await all.upsertMany(changes);
  }
  await migration.createIndex("notifications", SEQ, { unique: true });
  await migration.createIndex("mailings", DUE);
  await migration.createIndex("fanOuts", DUE);
}

export async function down(migration: DocumentMigration): Promise<void> {
  await migration.dropIndex("fanOuts", DUE);
  await migration.dropIndex("mailings", DUE);
  await migration.dropIndex("notifications", SEQ);
}

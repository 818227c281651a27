import { createQueueTables, dropQueueTables } from "../../lib/queue-tables.ts";
import type { Migration } from "../../lib/migrations.ts";
export async function up(m: Migration): Promise<void> {
  await createQueueTables(m, "user_id");
}
export async function down(m: Migration): Promise<void> {
  await dropQueueTables(m);
}

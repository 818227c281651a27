import type { Migration } from "../../lib/migrations.ts";
import { createQueueTables, dropQueueTables } from "../../lib/queue-tables.ts";

export async function up(m: Migration): Promise<void> {
  await createQueueTables(m);
}

export async function down(m: Migration): Promise<void> {
  await dropQueueTables(m);
}

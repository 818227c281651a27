/** The tables behind messages and idempotency keys, the same in every SQL domain. */
import type { Migration } from "./migrations.ts";

/**
 * Creates outbox, relay_lease, inbox, dead_letters and idempotency_keys.
 * @param shardKey the column by which the domain is sharded; it then belongs to every primary key
 */
export async function createQueueTables(m: Migration, shardKey: string | null = null): Promise<void> {
  const { id, ascii, long, text, integer } = m.types;
  const shard = shardKey ? `${shardKey} ${id} NOT NULL, ` : "";
  const key = (columns: string) => `PRIMARY KEY (${shardKey ? `${shardKey}, ` : ""}${columns})`;
  const partition = shardKey ? m.sharded(shardKey) : "";
  await m.query(
    `CREATE TABLE outbox (id ${id} NOT NULL, ${shard}type ${ascii(64)} NOT NULL, envelope ${long} NOT NULL,
     created_at ${integer} NOT NULL, due_at ${integer} NOT NULL, lease ${id}, attempts ${integer} NOT NULL,
     done ${long} NOT NULL, last_error ${text(500)}, published_at ${integer}, ${key("id")})${partition}`,
  );
  await m.query("CREATE INDEX outbox_due ON outbox (published_at, due_at)");
  await m.query(
    `CREATE TABLE relay_lease (id ${integer} NOT NULL, owner ${id}, until_at ${integer} NOT NULL, PRIMARY KEY (id))`,
  );
  await m.query("INSERT INTO relay_lease (id, owner, until_at) VALUES (1, NULL, 0)");
  await m.query(
    `CREATE TABLE inbox (id ${id} NOT NULL, consumer ${ascii(64)} NOT NULL, received_at ${integer} NOT NULL, PRIMARY KEY (id, consumer))`,
  );
  await m.query("CREATE INDEX inbox_received ON inbox (received_at)");
  await m.query(
    `CREATE TABLE dead_letters (id ${ascii(101)} NOT NULL, type ${ascii(64)} NOT NULL, consumer ${ascii(64)} NOT NULL,
     envelope ${long} NOT NULL, error ${text(500)} NOT NULL, attempts ${integer} NOT NULL, created_at ${integer} NOT NULL, PRIMARY KEY (id))`,
  );
  await m.query(
    `CREATE TABLE idempotency_keys (user_id ${id} NOT NULL, id ${ascii(64)} NOT NULL, target_id ${id} NOT NULL,
     mac ${ascii(64)} NOT NULL, lease ${id} NOT NULL, lease_until ${integer} NOT NULL, status ${integer}, answer ${long},
     created_at ${integer} NOT NULL, PRIMARY KEY (user_id, id))${shardKey ? m.sharded("user_id") : ""}`,
  );
  await m.query("CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at)");
}

/** Drops them. */
export async function dropQueueTables(m: Migration): Promise<void> {
  for (const table of ["idempotency_keys", "dead_letters", "inbox", "relay_lease", "outbox"])
    await m.query(`DROP TABLE ${table}`);
}

/** Creates the table of sagas for a domain that starts some. */
export async function createSagaTable(m: Migration): Promise<void> {
  const { id, ascii, long, integer } = m.types;
  await m.query(
    `CREATE TABLE sagas (id ${id} NOT NULL PRIMARY KEY, type ${ascii(64)} NOT NULL, data ${long} NOT NULL,
     state ${ascii(16)} NOT NULL, step ${integer} NOT NULL, undone ${long} NOT NULL, tries ${integer} NOT NULL,
     lease_owner ${id}, lease_until ${integer} NOT NULL, created_at ${integer} NOT NULL, updated_at ${integer} NOT NULL)`,
  );
  await m.query("CREATE INDEX sagas_open ON sagas (state, lease_until)");
}

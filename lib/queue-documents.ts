/** The collections behind the messages of a domain of documents; those of SQL are in queue-tables.ts. */
import type { IndexDefinition } from "./documents.ts";
import type { DocumentMigration } from "./documents/migrations.ts";

/** A message that waits in the document that tells it, until it is in the outbox. */
export interface Told {
  id: string;
  type: string;
  /** Milliseconds. */
  at: number;
  /** Of what it is about, after the change. */
  version: number;
  actor: string | null;
  requestId: string | null;
  data: Record<string, unknown>;
}

/** A message in the outbox. It waits as long as `waiting` is there, and `publishedAt` is there from then on. */
export interface OutboxDocument {
  /** The message's own id. */
  _id: string;
  type: string;
  /** JSON, since field names in a message may be ones that a document cannot have. */
  envelope: string;
  createdAt: number;
  /** By it messages keep their order, also when they are published again. */
  dueAt: number;
  /** When it is handed out next. Missing rather than null: the embedded store finds by index only what is there. */
  waiting?: number;
  publishedAt?: number;
  /** Of the relay that has claimed it last; null again when it was put back. */
  lease: string | null;
  attempts: number;
  /** Consumers that need it no more. */
  done: string[];
  lastError: string | null;
  /** Raised by each change that was decided from what the document said before. */
  version: number;
}

export interface DeadLetterDocument {
  /** `<message>:<consumer>`. */
  _id: string;
  type: string;
  consumer: string;
  envelope: string;
  error: string;
  attempts: number;
  createdAt: number;
}

/** One document: who publishes. */
export interface RelayLeaseDocument {
  _id: string;
  owner: string;
  until: number;
}

/** The collections' indexes. */
export const QUEUE_INDEXES = {
  outbox: [{ fields: ["waiting"] }, { fields: ["publishedAt"] }],
  deadLetters: [{ fields: ["createdAt"] }],
  relayLease: [],
} as const satisfies Record<string, readonly IndexDefinition[]>;

/** Creates them on a server. */
export async function createQueueIndexes(migration: DocumentMigration): Promise<void> {
  for (const [collection, indexes] of Object.entries(QUEUE_INDEXES))
    for (const { fields } of indexes) await migration.createIndex(collection, fields);
}

/** Drops them. */
export async function dropQueueIndexes(migration: DocumentMigration): Promise<void> {
  for (const [collection, indexes] of Object.entries(QUEUE_INDEXES))
    for (const { fields } of indexes) await migration.dropIndex(collection, fields);
}

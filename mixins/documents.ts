/**
 * The document store of a domain for its services, with the idempotency keys of their POSTs, and with an outbox where
 * the domain tells others something. Services of one domain on one node share a store.
 */
import path from "node:path";
import type { Logger, ServiceBroker } from "moleculer";
import type { DocumentStore } from "../lib/documents.ts";
import { openDocuments } from "../lib/documents.ts";
import type { Mixin } from "../lib/implement.ts";
import { SettingsError } from "../lib/settings.ts";
import type { DocumentDomain, Settings } from "../lib/settings.ts";
import { toSqliteError } from "../lib/sqlite-errors.ts";
import { explainStore } from "./database.ts";
import type { DocumentKeys } from "./document-keys.ts";
import { documentKeys } from "./document-keys.ts";
import { waitForMigrations } from "./migrated.ts";
import { documentOutbox } from "./outbox-documents.ts";
import type { DocumentOutbox } from "./outbox-documents.ts";
import { Relay } from "./relay.ts";
import { runtimeOf } from "./runtime.ts";

/** There from `started` on. */
export interface StoreMethods {
  documents: DocumentStore;
  idempotencyKeys: DocumentKeys;
}

/** There from `started` on, for the services of a domain that tells others. */
export interface DocumentsMethods extends StoreMethods {
  /** After `outbox.tell` the relay is nudged. */
  outbox: DocumentOutbox;
  /** Started by the domain's queue service. */
  relay: Relay;
}

interface Shared {
  opened: Promise<StoreMethods>;
  /** Made when the first service asks for it. */
  telling: Promise<DocumentsMethods> | null;
  users: number;
  /** Nobody waits for it any more. */
  closed: boolean;
}

const shared = new WeakMap<ServiceBroker, Map<DocumentDomain, Shared>>();

/** Gives a service the documents of its domain. What is wrong with the store is told in a SettingsError. */
export function documents(domain: DocumentDomain): Mixin<StoreMethods>;
/** Also with an outbox and its relay. */
export function documents(domain: DocumentDomain, options: { tells: true }): Mixin<DocumentsMethods>;
export function documents(
  domain: DocumentDomain,
  { tells = false }: { tells?: boolean } = {},
): Mixin<DocumentsMethods> {
  const mixin = {
    async started(this: StoreMethods & { broker: ServiceBroker; logger: Logger }) {
      const own = acquire(this.broker, domain, this.logger);
      if (tells) own.telling ??= telling(this.broker, domain, own.opened, this.logger);
      Object.assign(this, await (own.telling ?? own.opened));
    },
    async stopped(this: { broker: ServiceBroker }) {
      await release(this.broker, domain);
    },
  };
  return mixin as unknown as Mixin<DocumentsMethods>;
}

/** The file of a domain that runs embedded. */
export function documentsFile(settings: Settings, domain: DocumentDomain): string {
  return path.join(settings.dataDir, `${domain}.documents.sqlite`);
}

function acquire(broker: ServiceBroker, domain: DocumentDomain, log: Logger): Shared {
  const ofBroker = shared.get(broker) ?? new Map<DocumentDomain, Shared>();
  shared.set(broker, ofBroker);
  const known = ofBroker.get(domain);
  if (known) {
    known.users++;
    return known;
  }
  const own = { telling: null, users: 1, closed: false } as unknown as Shared;
  own.opened = open(broker, domain, log, () => own.closed);
  ofBroker.set(domain, own);
  return own;
}

async function telling(
  broker: ServiceBroker,
  domain: DocumentDomain,
  opened: Promise<StoreMethods>,
  log: Logger,
): Promise<DocumentsMethods> {
  const store = await opened;
  const outbox = await documentOutbox(store.documents);
  return { ...store, outbox, relay: new Relay(broker, domain, outbox, log) };
}

/** A service that failed before it had the store has nothing to give back. */
async function release(broker: ServiceBroker, domain: DocumentDomain): Promise<void> {
  const own = shared.get(broker)?.get(domain);
  if (!own || --own.users > 0) return;
  shared.get(broker)?.delete(domain);
  own.closed = true;
  runtimeOf(broker).probes.delete(domain);
  const told = await own.telling?.catch(() => null);
  await told?.relay.stop();
  const opened = await own.opened.catch(() => null);
  await opened?.documents.close();
}

async function open(
  broker: ServiceBroker,
  domain: DocumentDomain,
  log: Logger,
  closed: () => boolean,
): Promise<StoreMethods> {
  const { settings, probes } = runtimeOf(broker);
  const url = settings.documentUrls[domain];
  const documents = url
    ? await openServer(broker, domain, url, log, closed)
    : await openEmbedded(documentsFile(settings, domain));
  const { pool } = documents;
  probes.set(domain, {
    kind: url ? "mongodb" : "documents",
    look: () => documents.ping(),
    ...(pool && { pool }),
  });
  return { documents, idempotencyKeys: await documentKeys(documents) };
}

/** On MongoDB, which may be away: the node is not ready until it answers and its migrations have run. */
async function openServer(
  broker: ServiceBroker,
  domain: DocumentDomain,
  url: string,
  log: Logger,
  closed: () => boolean,
): Promise<DocumentStore> {
  // Loaded only where it is used: the driver takes memory and time.
  const [{ openMongo }, { DocumentMigrations }] = await Promise.all([
    import("../lib/documents/mongo.ts"),
    import("../lib/documents/migrations.ts"),
  ]);
  const store = openMongo(url);
  const { readiness, probes } = runtimeOf(broker);
  // Also while its migrations are waited for.
  probes.set(domain, { kind: "mongodb", look: () => store.ping(), pool: store.pool });
  const who = `${domain}-documents`;
  const migrations = new DocumentMigrations(store.db, domain);
  const block = (reason: string | null): void =>
    reason ? readiness.block(who, reason) : readiness.clear(who);
  await waitForMigrations(migrations, domain, log, block, closed);
  return store;
}

async function openEmbedded(file: string): Promise<DocumentStore> {
  const explain = (error: unknown): never => {
    throw explainOpening(error, file);
  };
  const store = await openDocuments(file).catch(explain);
  return {
    // Opening a collection reads it, so what is damaged may show only then.
    collection: (name, options) => store.collection<never>(name, options).catch(explain),
    ping: () => store.ping(),
    close: () => store.close(),
  };
}

/** An error of opening as a sentence for the operator where it is about the file or its folder. */
function explainOpening(error: unknown, file: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  const ofFolder = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOENT"].includes(String(code));
  if (ofFolder)
    return new SettingsError(
      `DATA_DIR "${path.dirname(file)}" cannot be used: ${message}. Name a folder that this user may write.`,
    );
  return explainStore(toSqliteError(error), file);
}

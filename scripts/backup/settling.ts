/** What must be done to restored stores before a node starts on them (docs/backup.md says why). */
import type { Database } from "../../lib/database.ts";
import { databaseNow } from "../../lib/database-time.ts";
import { openDocuments } from "../../lib/documents.ts";
import type { Collection } from "../../lib/documents.ts";
import { emptyQueue } from "../../lib/queue/index.ts";
import { QUEUE_INDEXES } from "../../lib/queue-documents.ts";
import type { OutboxDocument } from "../../lib/queue-documents.ts";
import { TELLING_DOMAINS } from "../../lib/settings.ts";
import type { DocumentDomain, Settings } from "../../lib/settings.ts";
import { documentsFile } from "../../mixins/documents.ts";
import { begin } from "../../services/admin/statistics-rebuild.ts";
import { indexPrefix } from "../../services/search/elastic-index.ts";
import { load } from "../../services/users/accounts.ts";
import { beginErasure, endErasure, erase } from "../../services/users/erasure.ts";
import { talkOf } from "../nats-talk.ts";

/** Milliseconds before the backup, for a message that was delivered and whose effect was not yet there. */
const MARGIN = 10 * 60_000;
/** Milliseconds for an answer of Elasticsearch. */
const SEARCH_PATIENCE = 30_000;

/** From when on messages are delivered again. With a queue the broker's own are lost: all that are still kept. */
export function replaySince({ queueUrl }: Settings, startedAt: number): number {
  return queueUrl ? 0 : startedAt - MARGIN;
}

export const tells = (domain: string): boolean => TELLING_DOMAINS.some((each) => each === domain);

/** Messages that other stores may not have seen are delivered once more; whoever has seen one does nothing. */
export async function replayRows(db: Database, since: number): Promise<number> {
  await db.primary.run("UPDATE relay_lease SET until_at = 0");
  return db.primary.run(
    `UPDATE outbox SET published_at = NULL, done = '[]', attempts = 0, lease = NULL, due_at = :now
     WHERE published_at IS NULL OR published_at >= :since`,
    { since, now: Date.now() },
  );
}

/** The same of documents. */
export async function replayDocuments(outbox: Collection<OutboxDocument>, since: number): Promise<number> {
  const now = Date.now();
  const again = { waiting: now, dueAt: now, done: [], attempts: 0 };
  const waiting = await outbox.updateMany({ waiting: { $gte: 0 } }, { $set: again });
  const published = await outbox.updateMany(
    { publishedAt: { $gte: since } },
    { $set: again, $unset: { publishedAt: true } },
  );
  return waiting + published;
}

/** Opens the outbox of a domain's documents for a piece of work. */
export async function withOutbox<R>(
  settings: Settings,
  domain: DocumentDomain,
  work: (outbox: Collection<OutboxDocument>) => Promise<R>,
): Promise<R> {
  const url = settings.documentUrls[domain];
  const store = url
    ? (await import("../../lib/documents/mongo.ts")).openMongo(url)
    : await openDocuments(documentsFile(settings, domain));
  try {
    return await work(await store.collection<OutboxDocument>("outbox", { indexes: QUEUE_INDEXES.outbox }));
  } finally {
    await store.close();
  }
}

/** Whoever was signed out since is not signed in again, and no link of a mail works a second time. */
export async function endAllSessions(users: Database): Promise<number> {
  const now = Date.now();
  await users.primary.run("UPDATE account_tokens SET used_at = :now WHERE used_at IS NULL", { now });
  return users.primary.run("UPDATE sessions SET ended_at = :now WHERE ended_at IS NULL", { now });
}

/** Of administrators; and everything is counted anew, since messages between the stores' moments were counted or not. */
export async function settleAdmin(admin: Database): Promise<void> {
  await admin.transaction(async (tx) => {
    await tx.run("UPDATE admin_sessions SET revoked_at = :at WHERE revoked_at IS NULL", {
      at: await databaseNow(tx),
    });
    await begin(tx);
  });
}

/** Erases again whoever was erased after the backup; the other domains are told as always. Returns the ids. */
export async function eraseAgain(users: Database, ids: Iterable<string>): Promise<string[]> {
  const done: string[] = [];
  for (const id of ids) {
    const user = await load(users.primary, id);
    if (!user || user.status === "erased") continue;
    await beginErasure(users, user);
    await users.transaction(async (tx) => {
      // There was another administrator when it was done; here there may be none yet.
      await tx.run("DELETE FROM user_roles WHERE user_id = :id", { id });
      await erase(tx, user);
    });
    await endErasure(users, user);
    done.push(id);
  }
  return done;
}

/** Takes out of the queue what belongs to the state that is replaced. */
export async function forgetMessages({ queueUrl, namespace }: Settings): Promise<void> {
  if (queueUrl) await emptyQueue(queueUrl, namespace, [...talkOf().consumers.values()].flat());
}

/** Deletes the indices, which nodes of search build anew: documents of a later version would refuse restored ones. */
export async function forgetIndices({ elasticsearchUrl, namespace }: Settings): Promise<number> {
  if (!elasticsearchUrl) return 0;
  const { origin, username, password } = new URL(elasticsearchUrl);
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const headers = {
    accept: "application/vnd.elasticsearch+json; compatible-with=8",
    ...(username && { authorization: `Basic ${login.toString("base64")}` }),
  };
  const ask = async (method: string, target: string): Promise<unknown> => {
    const signal = AbortSignal.timeout(SEARCH_PATIENCE);
    const answer = await fetch(`${origin}/${target}`, { method, headers, signal });
    if (!answer.ok) throw new Error(`${method} ${target}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const prefix = indexPrefix(namespace);
  const found = Object.keys((await ask("GET", `${prefix}*/_alias`)) as object);
  const own = found.filter((name) => /^(clubs|posts)-/.test(name.slice(prefix.length)));
  for (const name of own) await ask("DELETE", name);
  return own.length;
}

/** The outbox of a domain whose store is documents (lib/queue-documents.ts): no transactions, each update conditional. */
import type { Collection, DocumentStore, Query, Update } from "../lib/documents.ts";
import type { Envelope } from "../lib/declare.ts";
import { newId } from "../lib/ids.ts";
import { RECEIPTED } from "../lib/queue-contract.ts";
import { QUEUE_INDEXES } from "../lib/queue-documents.ts";
import type { DeadLetterDocument, OutboxDocument, RelayLeaseDocument } from "../lib/queue-documents.ts";
import { KEPT, KEPT_RECEIPTED } from "./outbox.ts";
import type { DeadLetter, Known, Outbox, Turn, Waiting } from "./outbox.ts";

export interface DocumentOutbox extends Outbox {
  /** Puts messages in; those that are there already are left as they are, so telling twice does no harm. */
  tell(messages: readonly Envelope[]): Promise<void>;
}

type Rows = Collection<OutboxDocument>;
type Letters = Collection<DeadLetterDocument>;

/** By index, unlike asking whether the field exists. */
const WAITS = { waiting: { $gte: 0 } } satisfies Query<OutboxDocument>;
/** Those that no consumer has refused: the others wait for that one, and a dead letter tells if it was in vain. */
const UNREFUSED = { ...WAITS, attempts: 0 } satisfies Query<OutboxDocument>;
const LEASE_ID = "relay";
/** Documents that are made due again at once. */
const AT_ONCE = 1_000;

/** The outbox in the documents of a domain. */
export async function documentOutbox(store: DocumentStore): Promise<DocumentOutbox> {
  const rows = await store.collection<OutboxDocument>("outbox", { indexes: QUEUE_INDEXES.outbox });
  const letters = await store.collection<DeadLetterDocument>("deadLetters", {
    indexes: QUEUE_INDEXES.deadLetters,
  });
  const leases = await store.collection<RelayLeaseDocument>("relayLease", {
    indexes: QUEUE_INDEXES.relayLease,
  });
  return {
    ...relaying(rows, letters),
    ...publishing(rows, leases),
    ...returning(rows, letters),
    ...reading(rows, letters),
    async tell(messages) {
      await rows.insertMany(messages.map((envelope) => rowOf(envelope, [])));
    },
    async sweep(now) {
      await rows.deleteMany({ publishedAt: { $lt: now - KEPT }, type: { $ne: RECEIPTED } });
      await rows.deleteMany({ publishedAt: { $lt: now - KEPT_RECEIPTED } });
    },
  };
}

function relaying(rows: Rows, letters: Letters): Pick<Outbox, "claim" | "delivered" | "postpone"> {
  return {
    async claim(limit, until) {
      const due = { waiting: { $lte: Date.now() } };
      const found = await rows.find(due, { sort: { dueAt: 1 }, limit, projection: ["_id"] });
      if (found.length === 0) return [];
      const ids = { $in: found.map(({ _id }) => _id) };
      const lease = newId();
      const claimed = { lease, waiting: until, dueAt: until };
      const taken = await rows.updateMany({ _id: ids, ...due }, { $set: claimed });
      return taken === 0 ? [] : (await rows.find({ _id: ids, lease })).map(waitingOf);
    },
    async delivered(ids) {
      await rows.updateMany({ _id: { $in: ids }, lease: { $ne: null }, ...WAITS }, published({}));
    },
    async postpone(id, { done, attempts, error, dueAt }, dead) {
      await letters.insertMany(dead.map(documentOf));
      const tried = { done, attempts, lastError: error };
      await rows.updateOne(
        { _id: id, lease: { $ne: null }, ...WAITS },
        dueAt === null ? published(tried) : { $set: { ...tried, dueAt, waiting: dueAt } },
      );
    },
  };
}

function publishing(
  rows: Rows,
  leases: Collection<RelayLeaseDocument>,
): Pick<Outbox, "due" | "confirmed" | "lastConfirmed" | "republish" | "lead" | "resign"> {
  return {
    async due(limit) {
      const found = await rows.find({ waiting: { $lte: Date.now() } }, { sort: { dueAt: 1, _id: 1 }, limit });
      return found.map(waitingOf);
    },
    async confirmed(messages) {
      const ids = messages.map(({ id }) => id);
      const latest = Math.max(...messages.map(({ dueAt }) => dueAt));
      await rows.updateMany({ _id: { $in: ids }, dueAt: { $lte: latest }, ...WAITS }, published({}));
    },
    async lastConfirmed(before) {
      const [last] = await confirmedAmong(rows, { $lte: before }, -1, 1);
      return last?.at ?? null;
    },
    republish: (since) => republish(rows, since),
    async lead(owner, until) {
      const { matched, modified } = await leases.updateOne(
        { _id: LEASE_ID, $or: [{ until: { $lt: Date.now() } }, { owner }] },
        { $set: { owner, until } },
        { upsert: true },
      );
      return matched + modified > 0;
    },
    async resign(owner) {
      await leases.updateOne({ _id: LEASE_ID, owner }, { $set: { until: 0 } });
    },
  };
}

async function confirmedAmong(
  rows: Rows,
  publishedAt: { $gte?: number; $lte?: number },
  order: 1 | -1,
  limit: number,
): Promise<{ id: string; at: number }[]> {
  const options = { sort: { publishedAt: order }, limit, projection: ["publishedAt"] } as const;
  const found = await rows.find({ publishedAt }, options);
  return found.map(({ _id: id, publishedAt: at }) => ({ id, at: at as number }));
}

/** The oldest first; what is confirmed anew meanwhile is later and does not come again. */
async function republish(rows: Rows, since: number): Promise<void> {
  const [last] = await confirmedAmong(rows, { $gte: since + 1 }, -1, 1);
  for (let from = since + 1, more = last !== undefined; more;) {
    const some = await confirmedAmong(rows, { $gte: from, $lte: last?.at ?? 0 }, 1, AT_ONCE);
    const to = some.at(-1)?.at ?? from;
    await rows.updateMany(
      { _id: { $in: some.map(({ id }) => id) }, publishedAt: { $gte: from, $lte: to } },
      { $set: { waiting: Date.now() }, $unset: { publishedAt: true } },
    );
    more = some.length === AT_ONCE;
    from = to;
  }
}

function returning(rows: Rows, letters: Letters): Pick<Outbox, "putBack" | "receipt"> {
  return {
    async putBack(envelope, decide, replayed) {
      while (!(await tryPutBack(rows, letters, envelope, decide)));
      // Last: who dies before it leaves a letter that can be replayed once more.
      if (replayed) await letters.deleteMany({ _id: replayed });
    },
    async receipt(id, consumer) {
      await rows.updateOne({ _id: id }, { $addToSet: { done: consumer }, $inc: { version: 1 } });
    },
  };
}

/** False when somebody has changed the message since it was looked at. */
async function tryPutBack(
  rows: Rows,
  letters: Letters,
  envelope: Envelope,
  decide: (known: Known | null) => Turn | DeadLetter,
): Promise<boolean> {
  const row = await rows.findOne({ _id: envelope.id });
  const next = decide(
    row && { done: row.done, attempts: row.attempts, publishedAt: row.publishedAt ?? null },
  );
  if ("consumer" in next) {
    await letters.insertOne(documentOf(next));
    return true;
  }
  if (!row) return rows.insertOne(rowOf(envelope, next.done));
  const { matched } = await rows.updateOne({ _id: row._id, version: row.version, ...same(row) }, due(next));
  return matched > 0;
}

/** Whether it waits decides too, and changes without a new version. */
function same({ publishedAt }: OutboxDocument): Query<OutboxDocument> {
  return publishedAt === undefined ? WAITS : { publishedAt };
}

function due({ done, attempts, dueAt, error }: Turn): Update<OutboxDocument> {
  return {
    $set: { done, attempts, dueAt, waiting: dueAt, lease: null, lastError: error },
    $unset: { publishedAt: true },
    $inc: { version: 1 },
  };
}

function published(more: Partial<Omit<OutboxDocument, "_id">>): Update<OutboxDocument> {
  return { $set: { ...more, publishedAt: Date.now() }, $unset: { waiting: true } };
}

function reading(rows: Rows, letters: Letters): Pick<Outbox, "depth" | "letters" | "letter" | "dropLetter"> {
  return {
    async depth() {
      const [waiting, [first], dead] = await Promise.all([
        rows.count(WAITS),
        rows.find(UNREFUSED, { sort: { createdAt: 1 }, limit: 1, projection: ["createdAt"] }),
        letters.count({}),
      ]);
      return { waiting, oldest: first?.createdAt ?? null, dead };
    },
    async letters(limit = Infinity, after = "") {
      return (await letters.find({ _id: { $gt: after } }, { sort: { _id: 1 }, limit })).map(letterOf);
    },
    async letter(id) {
      const found = await letters.findOne({ _id: id });
      return found && letterOf(found);
    },
    async dropLetter(id) {
      return (await letters.deleteMany({ _id: id })) > 0;
    },
  };
}

function rowOf(envelope: Envelope, done: string[]): OutboxDocument {
  const now = Date.now();
  return {
    _id: envelope.id,
    type: envelope.type,
    envelope: JSON.stringify(envelope),
    createdAt: envelope.at,
    dueAt: now,
    waiting: now,
    lease: null,
    attempts: 0,
    done,
    lastError: null,
    version: 0,
  };
}

function waitingOf({ _id: id, type, envelope, done, attempts, dueAt }: OutboxDocument): Waiting {
  return { id, type, envelope, done, attempts, dueAt };
}

function documentOf({ id: _id, ...letter }: DeadLetter): DeadLetterDocument {
  return { _id, ...letter };
}

function letterOf({ _id: id, ...letter }: DeadLetterDocument): DeadLetter {
  return { id, ...letter };
}

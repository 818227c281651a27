/** Idempotency keys in the document store of a domain. */
import type { Collection, DocumentStore } from "../lib/documents.ts";
import { AppError } from "../lib/errors.ts";
import { newId } from "../lib/ids.ts";
import type { Claim, IdempotencyStore, KeptAnswer } from "../middlewares/idempotency.ts";

/** How long a running request holds its key, and how long an answer is kept (milliseconds). */
const KEY_LEASE = 20_000;
const KEY_KEPT = 24 * 3_600_000;

interface KeyDocument {
  /** The hash of user, method, path and key. */
  _id: string;
  user: string;
  /** The id for what the request creates; kept for the next try. */
  target: string;
  mac: string;
  lease: string;
  leaseUntil: number;
  /** JSON, since field names in an answer may be ones that a document cannot have; null while it runs. */
  answer: string | null;
  createdAt: number;
}

export interface DocumentKeys extends IdempotencyStore {
  /** Deletes keys that are kept no longer. @param now milliseconds */
  sweep(now: number): Promise<void>;
  /** Deletes the keys of a person who is erased. */
  forget(user: string): Promise<void>;
}

/** The store of keys that the idempotency middleware works with. */
export async function documentKeys(store: DocumentStore): Promise<DocumentKeys> {
  const keys = await store.collection<KeyDocument>("idempotencyKeys", {
    indexes: [{ fields: ["user"] }, { fields: ["createdAt"] }],
  });
  return {
    claim: (user, row, mac) => claim(keys, user, row, mac),
    async close(_user, row, lease, answer) {
      const kept = JSON.stringify(answer);
      const { matched } = await keys.updateOne({ _id: row, lease, answer: null }, { $set: { answer: kept } });
      // Another run has taken the key over after the lease: its answer is the one that counts.
      if (matched === 0) throw new AppError("IDEMPOTENCY_IN_PROGRESS", { retryAfter: 1 });
    },
    async release(_user, row, lease) {
      await keys.updateOne({ _id: row, lease, answer: null }, { $set: { leaseUntil: 0 } });
    },
    async sweep(now) {
      await keys.deleteMany({ createdAt: { $lt: now - KEY_KEPT } });
    },
    async forget(user) {
      await keys.deleteMany({ user });
    },
  };
}

async function claim(keys: Collection<KeyDocument>, user: string, row: string, mac: string): Promise<Claim> {
  const now = Date.now();
  const lease = newId();
  const leaseUntil = now + KEY_LEASE;
  const target = newId();
  const fresh = { _id: row, user, target, mac, lease, leaseUntil, answer: null, createdAt: now };
  if (await keys.insertOne(fresh)) return { state: "mine", id: target, lease, repeated: false };
  const known = await keys.findOne({ _id: row });
  if (!known) return claim(keys, user, row, mac);
  if (known.createdAt < now - KEY_KEPT) {
    await keys.deleteMany({ _id: row, lease: known.lease });
    return claim(keys, user, row, mac);
  }
  if (known.answer !== null)
    return { state: "done", mac: known.mac, answer: JSON.parse(known.answer) as KeptAnswer };
  if (known.leaseUntil > now || known.mac !== mac) return { state: "running", mac: known.mac };
  const { matched } = await keys.updateOne(
    { _id: row, lease: known.lease, answer: null },
    { $set: { lease, leaseUntil } },
  );
  return matched > 0 ? { state: "mine", id: known.target, lease, repeated: true } : { state: "running", mac };
}

/**
 * The audit log's chains: each entry carries the hash of the one before, so that none can be changed, taken out or put in
 * without breaking its chain from there on. There are several, so that nodes need not wait for one another.
 */
import { createHash, hash, randomBytes } from "node:crypto";
import type { Acted } from "./audit.ts";

export const CHAINS = 8;
/** How long the address of an entry's caller is kept (milliseconds). */
export const ADDRESS_KEPT = 180 * 24 * 3_600_000;

/** What comes into the log. */
export interface LogEntry {
  /** UUID; the same one comes in once. */
  id: string;
  /** When it was done, milliseconds since 1970. */
  at: number;
  actor: string | null;
  requestId: string | null;
  acted: Acted;
}

/** A row of `audit_entries`. `address` and its salt are deleted after a while; the digest stays, since the hash has it. */
export type EntryRow = {
  id: string;
  chain: number;
  seq: number;
  at: number;
  actor: string | null;
  action: string;
  subject_type: string | null;
  subject_id: string | null;
  changes: string;
  request_id: string | null;
  result: string;
  address: string | null;
  address_salt: string | null;
  address_digest: string | null;
  previous: string;
  hash: string;
};

/** The end of a chain; of an empty one `seq` is 0 and the others are "". */
export interface Head {
  chain: number;
  seq: number;
  hash: string;
  /** Of the last entry. */
  id: string;
}

/** The rows that follow `head`, in the order of the entries. */
export function chained(head: Head, entries: readonly LogEntry[]): EntryRow[] {
  let { seq, hash: previous } = head;
  return entries.map(({ id, at, actor, requestId, acted }) => {
    const { action, subject, changes, result, address } = acted;
    const salt = address === null ? null : randomBytes(16).toString("base64url");
    const row = {
      id,
      chain: head.chain,
      seq: ++seq,
      at,
      actor,
      action,
      subject_type: subject?.type ?? null,
      subject_id: subject?.id ?? null,
      changes: JSON.stringify(changes),
      request_id: requestId,
      result,
      address,
      address_salt: salt,
      address_digest: address === null || salt === null ? null : digestOf(address, salt),
      previous,
    };
    previous = hashOf(row);
    return { ...row, hash: previous };
  });
}

/** SHA-256 over the hash of the entry before and all that stays of this one. */
export function hashOf(row: Omit<EntryRow, "hash">): string {
  const kept = [
    row.previous,
    row.chain,
    row.seq,
    row.id,
    row.at,
    row.actor,
    row.action,
    row.subject_type,
    row.subject_id,
    row.changes,
    row.request_id,
    row.result,
    row.address_digest,
  ];
  return hash("sha256", JSON.stringify(kept), "base64url");
}

function digestOf(address: string, salt: string): string {
  return createHash("sha256").update(salt).update(address).digest("base64url");
}

/**
 * What is wrong with a link: `missing` entries before this one; `altered`, in itself; `unlinked`: it does not follow the one
 * before; `address`: the address is another, or gone before its time; `truncated`: missing entries at the end; `beyond`: more
 * entries than the head knows of; `head`: the head is another; `checkpoint`: the log is not the one that was signed.
 */
export type Flaw =
  "missing" | "altered" | "unlinked" | "address" | "truncated" | "beyond" | "head" | "checkpoint";

/** What is wrong with the entry that follows `last`; null: nothing. */
export function flawOf(row: EntryRow, last: Head, now: number): Flaw | null {
  if (row.seq !== last.seq + 1) return "missing";
  if (row.hash !== hashOf(row)) return "altered";
  if (row.previous !== last.hash) return "unlinked";
  return hasAddress(row, now) ? null : "address";
}

function hasAddress(
  { at, address, address_salt: salt, address_digest: digest }: EntryRow,
  now: number,
): boolean {
  if (digest === null) return address === null;
  if (address === null || salt === null) return at < now - ADDRESS_KEPT;
  return digestOf(address, salt) === digest;
}

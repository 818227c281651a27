/** A store as it was at one moment. */
import type { Readable } from "node:stream";
import type { Head } from "../../lib/audit-chain.ts";
import type { StoreDomain, StoreKind } from "./manifest.ts";

export interface Erased {
  id: string;
  /** Milliseconds. */
  at: number;
}

export interface Snapshot {
  domain: StoreDomain;
  kind: StoreKind;
  migrations: string[];
  /** The file's ending. */
  form: "sqlite" | "sql" | "jsonl";
  /** Whether all of it is as one moment saw it. */
  oneMoment: boolean;
  /** What is in it. Called once. */
  read(): Promise<Readable>;
  /** Of the admin domain. */
  audit(): Promise<{ heads: Head[]; checkpoint: string | null }>;
  /** Of the users domain. */
  erased(): Promise<Erased[]>;
  /** Whether it still is what `migrations` say; the migrations that have run by now. */
  migrationsNow(): Promise<string[]>;
  close(): Promise<void>;
}

export const HEADS = "SELECT chain, seq, hash, id FROM audit_heads ORDER BY chain";
export const CHECKPOINT = "SELECT jws FROM audit_checkpoints ORDER BY hour DESC LIMIT 1";
/** By pages of ids: whoever asks for all of them at once holds all of them. */
export const ERASED =
  "SELECT id, erased_at AS at FROM users WHERE erased_at IS NOT NULL AND id > :after ORDER BY id LIMIT 1000";

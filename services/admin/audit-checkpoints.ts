/**
 * Checkpoints: what the ends of the chains were at a moment, signed. A copy kept elsewhere (they are written to the node's
 * log) proves later that nobody has cut the log and moved its ends, nor written it anew.
 */
import jwt from "jsonwebtoken";
import type { Head } from "../../lib/audit-chain.ts";
import { createPublicKey } from "node:crypto";
import type { Database, Statements } from "../../lib/database.ts";
import type { SigningKeys } from "../../lib/keys.ts";
import type { Heads } from "./audit.contract.ts";

const HOUR = 3_600_000;
const AUDIENCE = "audit-checkpoint";

export interface Checkpoint {
  /** Milliseconds. */
  at: number;
  heads: Heads;
}

interface CheckpointRow {
  hour: number;
  at: number;
  jws: string;
}

/** Makes the checkpoint of this hour, unless another node has; returns it where it is new. */
export async function makeCheckpoint(db: Database, keys: SigningKeys, now: number): Promise<string | null> {
  const hour = Math.floor(now / HOUR);
  const made = await db.primary.one("SELECT hour FROM audit_checkpoints WHERE hour = :hour", { hour });
  if (made) return null;
  const jws = sign(keys, { at: now, heads: await headsOf(db.primary) });
  return (await db.primary.insertNew("audit_checkpoints", { hour, at: now, jws })) ? jws : null;
}

/** When the last one was made (milliseconds); null before the first. */
export async function lastCheckpointAt(statements: Statements): Promise<number | null> {
  const [last] = await checkpointRows(statements, null, 1);
  return last?.at ?? null;
}

/** The ends of all chains as one moment saw them. */
export function headsOf(statements: Statements): Promise<Head[]> {
  return statements.all<Head>("SELECT chain, seq, hash, id FROM audit_heads ORDER BY chain");
}

function sign([{ kid, algorithm, privateKey }]: SigningKeys, { at, heads }: Checkpoint): string {
  return jwt.sign({ at, heads }, privateKey, {
    algorithm,
    keyid: kid,
    audience: AUDIENCE,
    noTimestamp: true,
  });
}

/** What a checkpoint says; null for what none of the keys has signed. */
export function readCheckpoint(keys: SigningKeys, jws: string): Checkpoint | null {
  for (const { algorithm, publicJwk } of keys) {
    try {
      const key = createPublicKey({ key: publicJwk, format: "jwk" });
      const said: unknown = jwt.verify(jws, key, { algorithms: [algorithm], audience: AUDIENCE });
      // Nothing else is signed for this audience.
      return said as Checkpoint;
    } catch {
      // Another key's, or nobody's.
    }
  }
  return null;
}

/** Checkpoints made before that hour, the newest first. */
export function checkpointRows(
  statements: Statements,
  before: number | null,
  limit: number,
): Promise<CheckpointRow[]> {
  return statements.all<CheckpointRow>(
    `SELECT hour, at, jws FROM audit_checkpoints ${before === null ? "" : "WHERE hour < :before"}
     ORDER BY hour DESC LIMIT ${limit}`,
    before === null ? {} : { before },
  );
}

/** What a stored checkpoint says, whoever has signed it. */
export function saidBy(jws: string): Checkpoint {
  return jwt.decode(jws) as unknown as Checkpoint;
}

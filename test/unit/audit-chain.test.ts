/** Whoever changes the log is found, and where: random logs, random tampering. */
import fc from "fast-check";
import { ADDRESS_KEPT, hashOf } from "../../lib/audit-chain.ts";
import type { EntryRow } from "../../lib/audit-chain.ts";
import { newId } from "../../lib/ids.ts";
import { generateKeySet, parseKeySet } from "../../lib/keys.ts";
import { makeCheckpoint, readCheckpoint } from "../../services/admin/audit-checkpoints.ts";
import { verifyLog } from "../../services/admin/audit-verify.ts";
import type { Verdict } from "../../services/admin/audit-verify.ts";
import type { Heads } from "../../services/admin/audit.contract.ts";
import { entry, openLog } from "../support/audit-log.ts";
import type { Log } from "../support/audit-log.ts";

let log: Log;
const keys = parseKeySet(JSON.stringify(generateKeySet("ES256")), "TEST_KEYS");
const verify = (signed: Heads = [], now = Date.now()): Promise<Verdict> =>
  verifyLog(log.db.primary, signed, now);

beforeAll(async () => {
  log = await openLog();
});
afterAll(() => log?.close());

/** Fills the log anew: several chains, as several nodes would. */
async function filled(sizes: readonly number[]): Promise<EntryRow[]> {
  await log.empty();
  for (const [i, size] of sizes.entries()) {
    const entries = Array.from({ length: size }, (_, n) => entry({ at: Date.now() + i * 1_000 + n }));
    await Promise.all(entries.map((each) => log.writer.add(each)));
  }
  const rows = await log.rows();
  // What one process writes is one chain: it is dealt out.
  await log.forge(rows.map((row, n) => ({ ...row, chain: n % sizes.length })));
  return log.rows();
}

const set = (row: EntryRow, values: Partial<EntryRow>): Promise<number> =>
  log.db.primary.run(
    `UPDATE audit_entries SET ${Object.keys(values)
      .map((column) => `${column} = :new_${column}`)
      .join(", ")} WHERE id = :id`,
    {
      id: row.id,
      ...Object.fromEntries(Object.entries(values).map(([column, value]) => [`new_${column}`, value])),
    },
  );

type Tampering = (rows: EntryRow[], at: number, other: number) => Promise<string | null>;

const CHANGED: Partial<EntryRow>[] = [
  { at: 1 },
  { actor: null },
  { action: "clubs.remove" },
  { subject_type: "user" },
  { subject_id: "x" },
  { changes: "{}" },
  { request_id: null },
  { result: "FORBIDDEN" },
  { address: "203.0.113.9" },
  { address: null, address_salt: null },
  { address_digest: null },
  { address_salt: "other" },
  { previous: "other" },
  { hash: "other" },
];

const after = (rows: EntryRow[], row: EntryRow): EntryRow | undefined =>
  rows.find((each) => each.chain === row.chain && each.seq === row.seq + 1);

/** Each answers the id of the entry at which the log is broken. */
const TAMPERING: Record<string, Tampering> = {
  async altered(rows, at, other) {
    const row = rows[at] as EntryRow;
    await set(row, CHANGED[other % CHANGED.length] as Partial<EntryRow>);
    return row.id;
  },
  async "altered, with a hash that fits"(rows, at) {
    const row = rows[at] as EntryRow;
    const changed = { ...row, result: "FORBIDDEN" };
    await set(row, { result: changed.result, hash: hashOf(changed) });
    return after(rows, row)?.id ?? row.id;
  },
  async removed(rows, at) {
    const row = rows[at] as EntryRow;
    await log.db.primary.run("DELETE FROM audit_entries WHERE id = :id", { id: row.id });
    return after(rows, row)?.id ?? row.id;
  },
  async "cut at the end"(rows, at) {
    const { chain, seq } = rows[at] as EntryRow;
    const values = { chain, seq };
    await log.db.primary.run("DELETE FROM audit_entries WHERE chain = :chain AND seq >= :seq", values);
    return rows.findLast((row) => row.chain === chain)?.id ?? null;
  },
  async inserted(rows, at) {
    const row = rows[at] as EntryRow;
    const later = rows.filter(({ chain, seq }) => chain === row.chain && seq >= row.seq).toReversed();
    for (const each of later) await set(each, { seq: each.seq + 1 });
    const made = { ...row, id: newId(), result: "FORBIDDEN" };
    await log.db.primary.insert("audit_entries", { ...made, hash: hashOf(made) });
    return row.id;
  },
  async "added at the end"(rows, at) {
    const { chain } = rows[at] as EntryRow;
    const last = rows.findLast((row) => row.chain === chain) as EntryRow;
    const made = { ...last, id: newId(), seq: last.seq + 1, previous: last.hash };
    await log.db.primary.insert("audit_entries", { ...made, hash: hashOf(made) });
    return made.id;
  },
  async reordered(rows, at, other) {
    const row = rows[at] as EntryRow;
    const peers = rows.filter(({ chain, id }) => chain === row.chain && id !== row.id);
    const peer = peers[other % Math.max(1, peers.length)];
    if (!peer) return null;
    await set(row, { seq: -1 });
    await set(peer, { seq: row.seq });
    await set(row, { seq: peer.seq });
    return row.seq < peer.seq ? peer.id : row.id;
  },
  async "the head moved back"(rows, at) {
    const { chain, seq, hash, id } = rows[at] as EntryRow;
    const sql = "UPDATE audit_heads SET seq = :seq, hash = :hash, id = :id WHERE chain = :chain";
    await log.db.primary.run(sql, { chain, seq: seq - 1, hash, id });
    return rows.findLast((row) => row.chain === chain)?.id ?? null;
  },
};

const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });

test.each(Object.entries(TAMPERING))("%s: found, and named", async (_name, tamper) => {
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat(), fc.nat(), async (chosen, at, other) => {
      const rows = await filled(chosen);
      expect(await verify()).toEqual({ ok: true, checked: rows.length, firstBroken: null });
      const broken = await tamper(rows, at % rows.length, other);
      if (broken === null) return;
      expect(await verify()).toMatchObject({ ok: false, firstBroken: broken });
    }),
    { numRuns: 20 },
  );
});

test("entries in a chain that there is not, and a head that is gone", async () => {
  const rows = await filled([3, 3]);
  const [row] = rows as [EntryRow];
  const made = { ...row, id: newId(), chain: 99, seq: 1, previous: "" };
  await log.db.primary.insert("audit_entries", { ...made, hash: hashOf(made) });
  expect(await verify()).toMatchObject({ ok: false, firstBroken: made.id, reason: "beyond" });
  await log.db.primary.run("DELETE FROM audit_entries WHERE id = :id", { id: made.id });
  expect(await verify()).toMatchObject({ ok: true });
  await log.db.primary.run("DELETE FROM audit_heads WHERE chain = 0");
  expect(await verify()).toMatchObject({ ok: false });
  await log.db.primary.insert("audit_heads", { chain: 0, seq: 0, hash: "", id: "" });
});

test("a log that was written anew, heads too, is not the one that a checkpoint has signed", async () => {
  const rows = await filled([4, 3]);
  await log.db.primary.run("DELETE FROM audit_checkpoints");
  const jws = (await makeCheckpoint(log.db, keys, Date.now())) as string;
  expect(await makeCheckpoint(log.db, keys, Date.now())).toBeNull();
  const heads = readCheckpoint(keys, jws)?.heads as Heads;
  expect(await verify(heads)).toMatchObject({ ok: true, checked: rows.length });

  const last = rows.at(-1) as EntryRow;
  await log.forge(rows.slice(0, -1));
  expect(await verify()).toMatchObject({ ok: true });
  expect(await verify(heads)).toMatchObject({ ok: false, firstBroken: last.id, reason: "checkpoint" });

  const [first] = rows as [EntryRow];
  await log.forge(rows.map((row) => (row === first ? { ...row, actor: newId() } : row)));
  expect(await verify()).toMatchObject({ ok: true });
  expect(await verify(heads)).toMatchObject({ ok: false, reason: "checkpoint" });

  await log.forge(rows);
  for (let n = 0; n < 5; n++) await log.writer.add(entry());
  expect(await verify(heads)).toMatchObject({ ok: true, checked: rows.length + 5 });
});

test("a checkpoint that nobody has signed, and another key's, is none", async () => {
  await log.db.primary.run("DELETE FROM audit_checkpoints");
  const others = parseKeySet(JSON.stringify(generateKeySet("RS256")), "TEST_KEYS");
  const jws = (await makeCheckpoint(log.db, others, Date.now())) as string;
  expect(readCheckpoint(keys, jws)).toBeNull();
  expect(readCheckpoint([...keys, ...others] as typeof keys, jws)).not.toBeNull();
  const [head, body] = jws.split(".") as [string, string];
  for (const forged of ["x", `${head}.${body}.`, `${jws.slice(0, -4)}AAAA`])
    expect(readCheckpoint(others, forged)).toBeNull();
});

test("an address may go after its time, and not before", async () => {
  const rows = await filled([5]);
  const [row] = rows as [EntryRow];
  await set(row, { address: null, address_salt: null });
  expect(await verify()).toMatchObject({ ok: false, firstBroken: row.id, reason: "address" });
  expect(await verify([], Date.now() + ADDRESS_KEPT + 60_000)).toMatchObject({ ok: true });
});

test("the same message comes in once, however often and however many at a time", async () => {
  await log.empty();
  const entries = Array.from({ length: 300 }, () => entry());
  await Promise.all([...entries, ...entries].map((each) => log.writer.add(each)));
  await Promise.all(entries.map((each) => log.writer.add(each)));
  expect(await verify()).toMatchObject({ ok: true, checked: 300 });
});

test("what the store cannot take keeps nothing else out", async () => {
  await log.empty();
  const bad = entry({ acted: { ...entry().acted, action: null as unknown as string } });
  const outcomes = await Promise.allSettled([entry(), bad, entry()].map((each) => log.writer.add(each)));
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await verify()).toMatchObject({ ok: true, checked: 2 });
});

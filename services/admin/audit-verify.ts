/** Whether the log is whole: walks each chain from its beginning to its head, a page at a time. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { CHAINS, flawOf } from "../../lib/audit-chain.ts";
import type { EntryRow, Flaw, Head } from "../../lib/audit-chain.ts";
import type { Statements } from "../../lib/database.ts";
import type { Heads } from "./audit.contract.ts";

/** Few, so that no turn of the event loop takes long. */
const PAGE = 250;

interface Broken {
  id: string;
  /** Of the entry; of one that is missing, of the last before it. */
  at: number;
  reason: Flaw;
}

export interface Verdict {
  ok: boolean;
  checked: number;
  firstBroken: string | null;
  reason?: Flaw;
}

/** @param signed the heads of a checkpoint */
export async function verifyLog(statements: Statements, signed: Heads, now: number): Promise<Verdict> {
  const broken: Broken[] = [];
  let checked = 0;
  for (const chain of await chainsOf(statements)) {
    const walk = new Walk(statements, chain, signed.find((each) => each.chain === chain) ?? null, now);
    const flaw = await walk.run();
    checked += walk.checked;
    if (flaw) broken.push(flaw);
  }
  const [first] = broken.toSorted((a, b) => a.at - b.at);
  return first
    ? { ok: false, checked, firstBroken: first.id || null, reason: first.reason }
    : { ok: true, checked, firstBroken: null };
}

/** Those that there must be, and those that somebody has put in. */
async function chainsOf(statements: Statements): Promise<number[]> {
  const chains = new Set(Array.from({ length: CHAINS }, (_, chain) => chain));
  for (let after: number | null = -1_000_000; after !== null;) {
    const row: { chain: number | null } | null = await statements.one(
      "SELECT MIN(chain) AS chain FROM audit_entries WHERE chain > :after",
      { after },
    );
    after = row?.chain ?? null;
    if (after !== null) chains.add(after);
  }
  return [...chains];
}

/** One chain. It may grow meanwhile. */
class Walk {
  checked = 0;
  readonly #statements: Statements;
  readonly #signed: Heads[number] | null;
  readonly #now: number;
  #last: Head;
  #lastAt = 0;

  constructor(statements: Statements, chain: number, signed: Heads[number] | null, now: number) {
    this.#statements = statements;
    this.#signed = signed;
    this.#now = now;
    this.#last = { chain, seq: 0, hash: "", id: "" };
  }

  async run(): Promise<Broken | null> {
    for (;;) {
      const flaw = await this.#entries();
      if (flaw) return flaw;
      const head = await this.#head();
      if (head !== "grown") return head ?? this.#checkpoint();
    }
  }

  /** All that there are. */
  async #entries(): Promise<Broken | null> {
    for (;;) {
      const rows = await this.#statements.all<EntryRow>(
        `SELECT * FROM audit_entries WHERE chain = :chain AND seq > :seq ORDER BY seq LIMIT ${PAGE}`,
        { chain: this.#last.chain, seq: this.#last.seq },
      );
      for (const row of rows) {
        const reason = flawOf(row, this.#last, this.#now) ?? this.#differs(row);
        if (reason) return { id: row.id, at: row.at, reason };
        this.checked++;
        this.#last = { chain: row.chain, seq: row.seq, hash: row.hash, id: row.id };
        this.#lastAt = row.at;
      }
      if (rows.length < PAGE) return null;
      await nextTurn();
    }
  }

  /** The head after the last entry that was found. */
  async #head(): Promise<Broken | "grown" | null> {
    const { chain, seq, hash, id } = this.#last;
    const head = await this.#statements.one<Head>(
      "SELECT chain, seq, hash, id FROM audit_heads WHERE chain = :chain",
      { chain },
    );
    if (!head || head.seq < seq) return this.#broken(id, seq === 0 ? "head" : "beyond");
    if (head.seq > seq) {
      const next = await this.#statements.one(
        "SELECT id FROM audit_entries WHERE chain = :chain AND seq > :seq LIMIT 1",
        {
          chain,
          seq,
        },
      );
      return next ? "grown" : this.#broken(head.id, "truncated");
    }
    return head.hash === hash && head.id === id ? null : this.#broken(id, "head");
  }

  /** Whether an entry is another than the one that was signed. */
  #differs({ seq, hash }: EntryRow): Flaw | null {
    return this.#signed?.seq === seq && this.#signed.hash !== hash ? "checkpoint" : null;
  }

  /** Whether the chain goes as far as it did when it was signed. */
  #checkpoint(): Broken | null {
    return this.#signed && this.#signed.seq > this.#last.seq
      ? this.#broken(this.#signed.id, "checkpoint")
      : null;
  }

  #broken(id: string, reason: Flaw): Broken {
    return { id, at: this.#lastAt, reason };
  }
}

/** Full-text search of longer texts in memory. Not persistent: who owns it fills it at start. */
import { type Mode, modesFor, STRICT } from "../match.ts";
import { pageOf } from "../page.ts";
import { type AnalyzedQuery, analyzeQuery } from "../query.ts";
import { Dictionary, type Visit } from "./dictionary.ts";
import { EXCERPT, highlightsOf } from "./highlights.ts";
import { GUESSED, GUESSED_TITLE, OFTEN, TAGS, termsOf, TITLE, WEIGHTS, WRITTEN } from "./terms.ts";
import type { TextDocument, TextQuery, TextResult } from "./types.ts";
import { type Wanted, wantedOf } from "./wanted.ts";

export type * from "./types.ts";

interface Entry {
  document: TextDocument;
  plain: string;
}

interface Hit {
  entry: Entry;
  key: number;
}

/** What each sum of flags counts. */
const COUNTS = Array.from(
  { length: 2 * GUESSED_TITLE },
  (_, flags) =>
    (flags & WRITTEN ? WEIGHTS.written : 0) +
    (flags & TITLE ? WEIGHTS.title : 0) +
    (flags & TAGS ? WEIGHTS.tags : 0) +
    (flags & OFTEN ? WEIGHTS.often : 0) +
    (flags & GUESSED ? WEIGHTS.guessed : 0) +
    (flags & GUESSED_TITLE ? WEIGHTS.guessedTitle : 0),
);
/** Documents that were replaced or removed may stay in the postings until they are so many, and a third of all. */
const STALE = 1000;

/** A copy that does not keep the longer text that it was cut from. */
function excerptOf(text: string): string {
  return text.length <= EXCERPT ? text : Buffer.from(text.slice(0, EXCERPT), "utf16le").toString("utf16le");
}

export class TextIndex {
  #dictionary = new Dictionary();
  /** By slot; a slot whose document was replaced or removed is undefined until the next compaction. */
  #entries: (Entry | undefined)[] = [];
  #slots = new Map<string, number>();
  /** Also of documents that were removed. */
  #versions = new Map<string, number>();

  /** Number of documents. */
  get size(): number {
    return this.#slots.size;
  }

  /** Takes a document in, or its new version. False when that version, or a later one, was known or removed. */
  put(document: TextDocument): boolean {
    const known = this.#versions.get(document.id);
    if (known !== undefined && document.version <= known) return false;
    this.#versions.set(document.id, document.version);
    this.#forget(document.id);
    const terms = termsOf(document);
    const slot = this.#entries.length;
    this.#dictionary.add(slot, terms);
    const kept = { ...document, text: excerptOf(document.text) };
    this.#entries.push({ document: kept, plain: terms.plain });
    this.#slots.set(document.id, slot);
    this.#compact();
    return true;
  }

  /** Takes a document out. False when a later version was put or removed. It need not be known: its puts may be late. */
  remove(id: string, version: number): boolean {
    const known = this.#versions.get(id);
    if (known !== undefined && version < known) return false;
    this.#versions.set(id, version);
    this.#forget(id);
    this.#compact();
    return true;
  }

  /**
   * One page of hits, of equal ones those with the greater id (with UUIDv7: the newer) first. All words of the query must match; where no document has them all, typos and other characters
   * of the same sound are allowed; where that finds nothing either, any of the words will do.
   */
  search(asked: TextQuery): TextResult {
    const query = analyzeQuery(asked.q);
    const { hits, mode } = this.#hits(query, asked);
    const { page, next } = pageOf(hits, asked.limit, asked.after ?? undefined);
    return {
      items: page.map(({ entry: { document }, key }) => ({
        id: document.id,
        score: key,
        highlights: highlightsOf(document, query, mode.typos),
      })),
      total: hits.length,
      next,
    };
  }

  #hits(query: AnalyzedQuery, asked: TextQuery): { hits: Hit[]; mode: Mode } {
    for (const mode of query.clauses.length === 0 ? [] : modesFor(query)) {
      const hits = this.#matched(query, mode, asked);
      if (hits.length > 0) return { hits, mode };
    }
    return { hits: [], mode: STRICT };
  }

  #matched({ plain, ...query }: AnalyzedQuery, mode: Mode, { clubId, tag }: TextQuery): Hit[] {
    const clauses = wantedOf({ plain, ...query }, mode);
    const matched = new Uint8Array(this.#entries.length);
    const total = new Float64Array(this.#entries.length);
    for (const wanted of clauses) {
      const { flags, touched } = this.#look(wanted);
      for (const slot of touched) {
        matched[slot]! += 1;
        total[slot]! += COUNTS[flags[slot]!]!;
      }
    }
    const enough = mode.all ? clauses.length : 1;
    const hits: Hit[] = [];
    this.#entries.forEach((entry, slot) => {
      if (entry === undefined || matched[slot]! < enough) return;
      if (clubId !== null && entry.document.clubId !== clubId) return;
      if (tag !== null && !entry.document.tags.includes(tag)) return;
      const named = Number(entry.plain.startsWith(plain)) + Number(entry.plain === plain);
      hits.push({ entry, key: total[slot]! + named });
    });
    return hits;
  }

  /** The slots that a clause finds, with how each has it. */
  #look(wanted: Wanted): { flags: Uint8Array; touched: number[] } {
    const flags = new Uint8Array(this.#entries.length);
    const touched: number[] = [];
    const note = (slot: number, how: number): void => {
      if (flags[slot] === 0) touched.push(slot);
      flags[slot]! |= how;
    };
    const guess: Visit = (slot) => note(slot, GUESSED);
    const dictionary = this.#dictionary;
    const { kind, text, open, heard, homophones, typos, nearSound } = wanted;
    if (kind === "pair") dictionary.pair(text, note);
    else if (kind === "character") dictionary.character(text, note);
    else if (open) dictionary.words(text, note);
    else dictionary.word(text, note);
    for (const way of heard) this.#hear(way, guess);
    for (const sound of homophones) dictionary.sound(sound, guess);
    if (typos > 0)
      dictionary.near("words", text, typos, (slot, flags) =>
        note(slot, flags & TITLE ? GUESSED | GUESSED_TITLE : GUESSED),
      );
    if (nearSound !== null) dictionary.near("sounds", nearSound, typos, guess);
    return { flags, touched };
  }

  /** The titles that have all of these sounds, of which the last may go on. */
  #hear(way: string[], visit: Visit): void {
    let found: Set<number> | null = null;
    for (const [i, sound] of way.entries()) {
      const before: Set<number> | null = found;
      const now = new Set<number>();
      const take: Visit = (slot) => {
        if (before === null || before.has(slot)) now.add(slot);
      };
      if (i === way.length - 1) this.#dictionary.sounds(sound, take);
      else this.#dictionary.sound(sound, take);
      found = now;
    }
    for (const slot of found ?? []) visit(slot, 0);
  }

  #forget(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#entries[slot] = undefined;
    this.#slots.delete(id);
  }

  /** Drops what belongs to no document any more: a pass over all postings, so only when it is worth it. */
  #compact(): void {
    const stale = this.#entries.length - this.size;
    if (stale < STALE || stale * 3 < this.#entries.length) return;
    const slots = new Int32Array(this.#entries.length).fill(-1);
    const left: Entry[] = [];
    this.#entries.forEach((entry, slot) => {
      if (entry === undefined) return;
      slots[slot] = left.length;
      this.#slots.set(entry.document.id, left.length);
      left.push(entry);
    });
    this.#dictionary = this.#dictionary.renumbered(slots);
    this.#entries = left;
  }
}

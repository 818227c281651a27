import SearchableMap from "minisearch/SearchableMap";
import { pairs, type Token } from "./tokens.ts";
import { allowedTypos, typosBetween } from "./typos.ts";

/**
 * Where a term stands, one number a field of a document: slot × 256 + field × 32 + weight. Slots are small integers
 * that stand for documents; the weight (0–31) is how much the term makes of the field.
 */
export type Postings = number[];

const WEIGHTS = 32;
export const MAX_FIELDS = 8;

export const slotOf = (posting: number): number => posting >>> 8;
export const fieldOf = (posting: number): number => (posting >>> 5) & (MAX_FIELDS - 1);
/** More than 0, at most 1. */
export const weightOf = (posting: number): number => ((posting & (WEIGHTS - 1)) + 1) / WEIGHTS;

/** Term frequency against field length, as BM25 saturates it; fixed constants, so that it never has to be redone. */
function weigh(count: number, length: number): number {
  const weight = count / (count + 0.3 + 0.035 * length);
  return Math.min(WEIGHTS - 1, Math.floor(weight * WEIGHTS));
}

export interface Expansion {
  postings: Postings;
  /** How well the term answers what was asked, at most 1. */
  quality: number;
}

/** The inverted index: words in a radix tree for prefixes and typos, pairs of characters by their first. */
export class Terms {
  #words = new SearchableMap<Postings>();
  #pairs = new Map<string, Map<string, Postings>>();

  /** Adds one field of a document. Slots must not decrease from call to call. */
  add(slot: number, field: number, found: Token[]): void {
    const words = new Map<string, number>();
    const seconds = new Map<string, Map<string, number>>();
    let length = 0;
    for (const token of found) {
      if (token.kind === "word") {
        words.set(token.text, (words.get(token.text) ?? 0) + 1);
        length += 1;
        continue;
      }
      for (const [first, second] of pairs(token.text)) {
        let counts = seconds.get(first);
        if (counts === undefined) seconds.set(first, (counts = new Map()));
        counts.set(second, (counts.get(second) ?? 0) + 1);
        length += 1;
      }
    }
    const posting = (count: number): number => slot * 256 + field * WEIGHTS + weigh(count, length);
    for (const [word, count] of words) this.#words.fetch(word, () => []).push(posting(count));
    for (const [first, counts] of seconds) {
      let known = this.#pairs.get(first);
      if (known === undefined) this.#pairs.set(first, (known = new Map()));
      for (const [second, count] of counts) {
        const postings = known.get(second);
        if (postings === undefined) known.set(second, [posting(count)]);
        else postings.push(posting(count));
      }
    }
  }

  pair(text: string): Expansion[] {
    const [first = "", second = ""] = Array.from(text);
    const postings = this.#pairs.get(first)?.get(second);
    return postings === undefined ? [] : [{ postings, quality: 1 }];
  }

  character(text: string): Expansion[] {
    return Array.from(this.#pairs.get(text)?.values() ?? [], (postings) => ({ postings, quality: 1 }));
  }

  word(text: string): Expansion[] {
    const postings = this.#words.get(text);
    return postings === undefined ? [] : [{ postings, quality: 1 }];
  }

  /** The word itself and the words that begin with it. */
  prefixed(text: string): Expansion[] {
    return Array.from(this.#words.atPrefix(text).entries(), ([word, postings]) => ({
      postings,
      quality: word === text ? 1 : 0.5 + (0.3 * text.length) / word.length,
    }));
  }

  /** Words with as many typos as {@link allowedTypos} grants, other than the word itself. */
  misspelled(text: string): Expansion[] {
    const max = allowedTypos(text.length);
    if (max === 0) return [];
    const found: Expansion[] = [];
    // The tree counts a swap of neighbours as two edits.
    for (const [word, [postings]] of this.#words.fuzzyGet(text, 2 * max)) {
      const typos = typosBetween(text, word, max);
      if (typos > 0 && typos <= max) found.push({ postings, quality: 0.5 - 0.1 * typos });
    }
    return found;
  }

  /** Renumbers the slots; those that map to -1 go. The order of the others must stay. */
  renumber(slots: Int32Array): void {
    const kept = (postings: Postings): Postings => {
      const left: Postings = [];
      for (const posting of postings) {
        const slot = slots[slotOf(posting)]!;
        if (slot >= 0) left.push(slot * 256 + (posting & 255));
      }
      return left;
    };
    const words = new SearchableMap<Postings>();
    for (const [word, postings] of this.#words.entries()) {
      const left = kept(postings);
      if (left.length > 0) words.set(word, left);
    }
    this.#words = words;
    for (const [first, seconds] of this.#pairs) {
      for (const [second, postings] of seconds) {
        const left = kept(postings);
        if (left.length > 0) seconds.set(second, left);
        else seconds.delete(second);
      }
      if (seconds.size === 0) this.#pairs.delete(first);
    }
  }
}

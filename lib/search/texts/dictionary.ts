/** Which documents have which terms, lean enough for tens of thousands of long texts. */
import SearchableMap from "minisearch/SearchableMap";
import { NumberMap } from "../number-map.ts";
import { Postings } from "../postings.ts";
import { typosBetween } from "../typos.ts";
import type { TextTerms } from "./terms.ts";

/** Bits of a posting that hold flags; the others are the slot of the document. */
const FLAG_BITS = 4;
const FLAGS = (1 << FLAG_BITS) - 1;

export type Visit = (slot: number, flags: number) => void;

/** Both code units in one number; null where a character is more than one, which is rare. */
function codeOf(pair: string): number | null {
  return pair.length > 2 ? null : pair.charCodeAt(0) * 0x10000 + pair.charCodeAt(1);
}

export class Dictionary {
  #words = new SearchableMap<number>();
  #sounds = new SearchableMap<number>();
  #pairs = new NumberMap();
  /** Pairs of characters of which one is beyond the basic plane. */
  #rarePairs = new Map<string, number>();
  /** By character the terms of the pairs that begin with it. */
  #characters = new Map<string, number[]>();
  #postings = new Postings();

  /** Slots must not decrease from call to call. */
  add(slot: number, { words, pairs, sounds }: TextTerms): void {
    for (const [word, flags] of words) this.#note(this.#wordTerm(this.#words, word), slot, flags);
    for (const sound of sounds) this.#note(this.#wordTerm(this.#sounds, sound), slot, 0);
    for (const [pair, flags] of pairs) this.#note(this.#pairTerm(pair), slot, flags);
  }

  word(text: string, visit: Visit): void {
    this.#read(this.#words.get(text), visit);
  }

  /** The word itself and the words that begin with it. */
  words(prefix: string, visit: Visit): void {
    for (const [, term] of this.#words.atPrefix(prefix).entries()) this.#read(term, visit);
  }

  pair(text: string, visit: Visit): void {
    const code = codeOf(text);
    this.#read(code === null ? this.#rarePairs.get(text) : this.#pairs.get(code), visit);
  }

  character(text: string, visit: Visit): void {
    for (const term of this.#characters.get(text) ?? []) this.#read(term, visit);
  }

  sound(text: string, visit: Visit): void {
    this.#read(this.#sounds.get(text), visit);
  }

  sounds(prefix: string, visit: Visit): void {
    for (const [, term] of this.#sounds.atPrefix(prefix).entries()) this.#read(term, visit);
  }

  /** Words, or sounds, with up to `max` typos. */
  near(what: "words" | "sounds", text: string, max: number, visit: Visit): void {
    const map = what === "words" ? this.#words : this.#sounds;
    // The tree counts a swap of neighbours as two edits.
    for (const [near, [term]] of map.fuzzyGet(text, 2 * max))
      if (typosBetween(text, near, max) <= max) this.#read(term, visit);
  }

  /** The same with the slots renumbered; those that map to -1 go. The order of the others must stay. */
  renumbered(slots: Int32Array): Dictionary {
    const next = new Dictionary();
    const copy = (from: number, term: () => number): void => {
      let to: number | undefined;
      this.#read(from, (slot, flags) => {
        const now = slots[slot]!;
        if (now < 0) return;
        to ??= term();
        next.#note(to, now, flags);
      });
    };
    for (const [word, term] of this.#words.entries()) copy(term, () => next.#wordTerm(next.#words, word));
    for (const [sound, term] of this.#sounds.entries()) copy(term, () => next.#wordTerm(next.#sounds, sound));
    for (const [pair, term] of this.#rarePairs) copy(term, () => next.#pairTerm(pair));
    for (const [code, term] of this.#pairs.entries())
      copy(term, () => next.#pairTerm(String.fromCharCode(code >>> 16, code & 0xffff)));
    return next;
  }

  #wordTerm(map: SearchableMap<number>, text: string): number {
    return map.fetch(text, () => this.#postings.newTerm());
  }

  #pairTerm(pair: string): number {
    const code = codeOf(pair);
    const known = code === null ? this.#rarePairs.get(pair) : this.#pairs.get(code);
    if (known !== undefined) return known;
    const term = this.#postings.newTerm();
    if (code === null) this.#rarePairs.set(pair, term);
    else this.#pairs.set(code, term);
    const [first = ""] = pair;
    const beside = this.#characters.get(first);
    if (beside) beside.push(term);
    else this.#characters.set(first, [term]);
    return term;
  }

  #note(term: number, slot: number, flags: number): void {
    this.#postings.add(term, slot * (FLAGS + 1) + flags);
  }

  #read(term: number | undefined, visit: Visit): void {
    if (term !== undefined)
      this.#postings.each(term, (posting) => visit(posting >>> FLAG_BITS, posting & FLAGS));
  }
}

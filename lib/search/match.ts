import type { Entry } from "./entry.ts";
import type { AnalyzedQuery, Clause } from "./query.ts";
import { findSpelled, hasInitials, lettersOf } from "./sound.ts";
import { type Expansion, fieldOf, slotOf, type Terms, weightOf } from "./terms.ts";
import { allowedTypos, Misspelling } from "./typos.ts";

/** What a search accepts: all clauses or any, as written or with typos and homophones. */
export interface Mode {
  all: boolean;
  typos: boolean;
}

export const STRICT: Mode = { all: true, typos: false };

/** What to try, one after the other, until something is found; without what would find the same again. */
export function modesFor(query: AnalyzedQuery): Mode[] {
  const guesses = query.clauses.some((clause) =>
    clause.kind === "word" ? allowedTypos(clause.text.length) > 0 : clause.sounds.length > 0,
  );
  return [
    STRICT,
    ...(guesses ? [{ all: true, typos: true }] : []),
    ...(query.clauses.length > 1 ? [{ all: false, typos: true }] : []),
  ];
}

/** The parts of an index that matching reads; entries by slot, boosts by field number. */
export interface Source {
  entries: (Entry | undefined)[];
  terms: Terms;
  boosts: number[];
  nameBoost: number;
  tagsBoost: number;
  /** Number of documents. */
  size: number;
}

/** How good a match by pronunciation is; a written word is 1. */
const SPELLED = 0.7;
const INITIALS = 0.45;
const GUESSED = 0.3;
/** What further fields and words add to the best one. */
const REST = 0.2;

/** Finds and weighs the documents for one query. The work space grows with the index and is used again. */
export class Matcher {
  #total = new Float64Array(0);
  #matched = new Uint8Array(0);
  #best = new Float64Array(0);
  #sum = new Float64Array(0);
  #touched: number[] = [];

  /** Slots of the documents that match. Their relevance can be asked until the next call. */
  match(source: Source, query: AnalyzedQuery, mode: Mode): number[] {
    this.#reset(source.entries.length);
    // Written characters first: they are looked up, and leave few documents for the scans to look at.
    const clauses = query.clauses.toSorted((a, b) => Number(a.kind === "word") - Number(b.kind === "word"));
    clauses.forEach((clause, number) => {
      const least = mode.all ? number : 0;
      this.#look(source, expand(source.terms, clause));
      if (clause.kind === "word") this.#listen(source, spelled(clause, 0), least);
      // Where any clause will do, one that is found as written needs no guesses.
      if (mode.typos && (mode.all || this.#touched.length === 0)) this.#guess(source, clause, least);
      this.#settle(source, 1);
    });
    const whole = wholeQuery(query, mode);
    if (whole !== null) {
      this.#listen(source, whole, 0);
      this.#settle(source, clauses.length);
    }
    const enough = mode.all ? Math.max(1, clauses.length) : 1;
    const found: number[] = [];
    for (let slot = 0; slot < source.entries.length; slot++)
      if (this.#matched[slot]! >= enough) found.push(slot);
    return found;
  }

  /** Between 0 and 1, both excluded. */
  relevance(slot: number, query: AnalyzedQuery): number {
    const coverage = Math.min(1, this.#matched[slot]! / query.clauses.length);
    const total = this.#total[slot]! * coverage;
    return total / (total + 100);
  }

  #reset(length: number): void {
    if (this.#total.length < length) {
      const room = Math.ceil(length * 1.5);
      this.#total = new Float64Array(room);
      this.#matched = new Uint8Array(room);
      this.#best = new Float64Array(room);
      this.#sum = new Float64Array(room);
      return;
    }
    this.#total.fill(0);
    this.#matched.fill(0);
  }

  #note(slot: number, weight: number): void {
    if (this.#best[slot] === 0) this.#touched.push(slot);
    if (weight > this.#best[slot]!) this.#best[slot] = weight;
    this.#sum[slot]! += weight;
  }

  /** Ends a clause: the rarer it is, the more it counts. */
  #settle(source: Source, clauses: number): void {
    const frequency = this.#touched.length;
    const rarity = Math.log(1 + (source.size - frequency + 0.5) / (frequency + 0.5));
    for (const slot of this.#touched) {
      this.#total[slot]! += rarity * (this.#best[slot]! + REST * (this.#sum[slot]! - this.#best[slot]!));
      this.#matched[slot]! += clauses;
      this.#best[slot] = 0;
      this.#sum[slot] = 0;
    }
    this.#touched = [];
  }

  #look(source: Source, expansions: Expansion[]): void {
    for (const { postings, quality } of expansions) {
      for (const posting of postings) {
        const slot = slotOf(posting);
        if (source.entries[slot] === undefined) continue;
        this.#note(slot, quality * source.boosts[fieldOf(posting)]! * weightOf(posting));
      }
    }
  }

  /** Looks through the sounds of all documents that match at least so many clauses already. */
  #listen(source: Source, wanted: Spelled, least: number): void {
    for (let slot = 0; slot < source.entries.length; slot++) {
      const entry = source.entries[slot];
      if (entry === undefined || this.#matched[slot]! < least) continue;
      const missing = wanted.letters & ~entry.sound.letters;
      if (missing !== 0 && (wanted.typos === 0 || bits(missing) > wanted.typos)) continue;
      const weight = heard(source, entry, wanted);
      if (weight > 0) this.#note(slot, weight);
    }
  }

  /** Words with typos; for written characters others of the same sound. */
  #guess(source: Source, clause: Clause, least: number): void {
    if (clause.kind === "word") {
      const typos = allowedTypos(clause.text.length);
      if (typos === 0) return;
      this.#look(source, source.terms.misspelled(clause.text));
      this.#listen(source, spelled(clause, typos), least);
      return;
    }
    for (const sound of clause.sounds) this.#listen(source, homophone(sound), least);
  }
}

/** What is listened for. */
interface Spelled {
  text: string;
  letters: number;
  /** The last syllable may be unfinished, and the letters may be initials. */
  open: boolean;
  typos: number;
  misspelling: Misspelling;
}

function spelled({ text, sounds: [sound = text] }: Pick<Clause, "text" | "sounds">, typos: number): Spelled {
  return {
    text: sound,
    letters: lettersOf(sound),
    open: true,
    typos,
    misspelling: new Misspelling(sound, typos),
  };
}

function homophone(sound: string): Spelled {
  return { ...spelled({ text: sound, sounds: [sound] }, 0), open: false };
}

/** The query as one: "du shu" is also "dushu", and where guessing is allowed 读书 is also 毒书. Null if that adds nothing. */
function wholeQuery(query: AnalyzedQuery, mode: Mode): Spelled | null {
  if (query.clauses.every((clause) => clause.text === query.plain)) return null;
  if (!query.words) return mode.typos ? homophone(query.sound) : null;
  return spelled(
    { text: query.plain, sounds: [query.sound] },
    mode.typos ? allowedTypos(query.plain.length) : 0,
  );
}

function bits(set: number): number {
  let count = 0;
  for (let left = set; left !== 0; left &= left - 1) count++;
  return count;
}

function expand(terms: Terms, clause: Clause): Expansion[] {
  if (clause.kind === "pair") return terms.pair(clause.text);
  if (clause.kind === "character") return terms.character(clause.text);
  return clause.open ? terms.prefixed(clause.text) : terms.word(clause.text);
}

/** The weight of a match by pronunciation in one document; 0 for none. */
function heard(source: Source, { sound }: Entry, wanted: Spelled): number {
  const boost = (inName: boolean): number => (inName ? source.nameBoost : source.tagsBoost);
  const { text } = wanted;
  if (wanted.typos > 0) {
    const end = wanted.misspelling.endIn(sound.text, sound.marks, true);
    return end < 0 ? 0 : boost(end <= sound.nameEnd) * GUESSED;
  }
  const at = findSpelled(sound, text);
  if (!wanted.open)
    return at >= 0 && sound.marks[at + text.length] === "1" ? boost(at < sound.nameEnd) * GUESSED : 0;
  // A single letter is the beginning of too many syllables.
  if (at === 0 || (at > 0 && text.length > 1)) return boost(at < sound.nameEnd) * SPELLED;
  const initials = hasInitials(sound, text);
  return initials === null ? 0 : boost(initials === "name") * INITIALS;
}

/**
 * How a whole query stands in a name: 5 it is the name, 4 the name begins with it, 3 the name's pinyin begins with
 * it or its initials are it, 2 it stands within the name, 1 none of these.
 */
export function nameRank(entry: Entry, query: AnalyzedQuery): number {
  if (entry.plain === query.plain) return 5;
  if (entry.plain.startsWith(query.plain)) return 4;
  if (!query.words) return entry.plain.includes(query.plain) ? 2 : 1;
  const { sound } = entry;
  if (sound.text.startsWith(query.sound) || (query.sound.length > 1 && sound.acronym === query.sound))
    return 3;
  const at = findSpelled(sound, query.sound);
  return at > 0 && at < sound.nameEnd ? 2 : 1;
}

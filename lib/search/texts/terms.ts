/** The terms of a text, for every engine alike: words, pairs of Chinese characters, and what the title sounds like. */
import { fold } from "../fold.ts";
import { unitsOf } from "../sound.ts";
import { compact, pairs, type Token, tokens } from "../tokens.ts";
import type { TextDocument } from "./types.ts";

/** How a document has a term; what each counts is in {@link WEIGHTS}. */
export const WRITTEN = 1;
export const TITLE = 2;
export const TAGS = 4;
/** It makes much of the text. */
export const OFTEN = 8;
/** By its sound or with a typo. */
export const GUESSED = 16;
/** With a typo in the title. */
export const GUESSED_TITLE = 32;

/** Multiples of a half, so that sums are exact in floats of any size and engines agree. */
export const WEIGHTS = { written: 1, title: 2, tags: 1, often: 0.5, guessed: 0.5, guessedTitle: 1 };

/** Stands for the end of a run in a pair. */
export const END = "$";
/** As much of a word as is kept. */
const LONGEST = 100;
/** What a term must make of a text at least to count as often; as lib/search/terms.ts weighs. */
const MUCH = 0.35;

export interface TextTerms {
  /** Words, and pairs as two characters. Each with a sum of flags. */
  words: Map<string, number>;
  pairs: Map<string, number>;
  /** Of the title's Chinese: two syllables together, and the last one of each run. */
  sounds: Set<string>;
  /** The folded title without spaces and punctuation. */
  plain: string;
}

/** Each pair of a run as one string. */
function pairsOf(run: string): string[] {
  if (/[\ud800-\udfff]/.test(run)) return pairs(run).map(([first, second]) => first + (second || END));
  // Nearly all texts: no array for each character.
  const found: string[] = [];
  const closed = run + END;
  for (let i = 0; i < run.length; i++) found.push(closed.slice(i, i + 2));
  return found;
}

function note(terms: TextTerms, found: Token[], flags: number): void {
  const set = (of: Map<string, number>, term: string): void => {
    of.set(term, (of.get(term) ?? 0) | flags);
  };
  for (const token of found) {
    if (token.kind === "word") set(terms.words, token.text.slice(0, LONGEST));
    else for (const pair of pairsOf(token.text)) set(terms.pairs, pair);
  }
}

/** Notes a text first, in empty terms: what stands there often enough for its length gets a flag for it. */
function noteText(terms: TextTerms, found: Token[]): void {
  let length = 0;
  const count = (of: Map<string, number>, term: string): void => {
    of.set(term, (of.get(term) ?? 0) + 1);
    length += 1;
  };
  for (const token of found) {
    if (token.kind === "word") count(terms.words, token.text.slice(0, LONGEST));
    else for (const pair of pairsOf(token.text)) count(terms.pairs, pair);
  }
  for (const kind of [terms.words, terms.pairs]) {
    for (const [term, times] of kind) {
      const often = times / (times + 0.3 + 0.035 * length) >= MUCH;
      kind.set(term, often ? WRITTEN | OFTEN : WRITTEN);
    }
  }
}

function soundsOf(title: Token[]): Set<string> {
  const sounds = new Set<string>();
  for (const token of title) {
    if (token.kind === "word") continue;
    const units = unitsOf([token]);
    units.forEach(({ text }, i) => sounds.add(text + (units[i + 1]?.text ?? "")));
  }
  return sounds;
}

/** Takes a document apart. */
export function termsOf({ title, text, tags }: Pick<TextDocument, "title" | "text" | "tags">): TextTerms {
  const named = tokens(fold(title));
  const terms: TextTerms = {
    words: new Map(),
    pairs: new Map(),
    sounds: soundsOf(named),
    plain: compact(named),
  };
  noteText(terms, tokens(fold(text)));
  for (const tag of tags) note(terms, tokens(fold(tag)), WRITTEN | TAGS);
  note(terms, named, WRITTEN | TITLE);
  return terms;
}

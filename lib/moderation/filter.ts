/** The word filter: what a list of words says of a text. See docs/moderation.md. */
import { flags, FLAGS } from "./fold.ts";
import { Folded, isMarkedOff } from "./folded.ts";
import { isEnglish, isPinyin, learn, spellingsOf, syllableOf } from "./pinyin.ts";
import { isMixed, isSpelled, isWritten } from "./spelling.ts";
import type { Spelling } from "./spelling.ts";
import { Trie } from "./trie.ts";

export interface ListedWord {
  word: string;
  action: "block" | "hold" | "mask" | "allow";
}

export interface Verdict {
  /** The strongest of what was found. */
  action: "block" | "hold" | "mask" | null;
  /** The text with a `*` for each character of what is to be masked. */
  masked: string;
}

/** Words between two chances to do something else. */
const SLICE = 400;
/** Of a pattern that is the word as it is written. */
const WRITTEN = -1;

/** Its arrays are for thousands of letters: one for all words. */
const reader = new Folded();

interface Match {
  /** UTF-16 units. */
  start: number;
  end: number;
  action: ListedWord["action"];
}

/** What a word is compared by: its letters without case, width, accents and what stands between them. */
export function normalize(word: string): string {
  return String.fromCodePoint(...lettersOf(word));
}

export class WordFilter {
  #words: readonly ListedWord[] = [];
  readonly #trie = new Trie();
  /** By pattern: which word, and which of its spellings. */
  readonly #word: number[] = [];
  readonly #variant: number[] = [];
  readonly #spellings = new Map<number, Spelling>();
  readonly #folded = new Folded();
  readonly #sounding = new Folded();
  #allows = false;

  constructor(words: readonly ListedWord[]) {
    if (words.length === 0) return;
    const filling = this.#fill(words);
    while (!filling.next().done);
  }

  /** The same, but others get their turn in between: `pause` is awaited at each chance. */
  static async build(words: readonly ListedWord[], pause: () => Promise<void>): Promise<WordFilter> {
    const filter = new WordFilter([]);
    for (const _ of filter.#fill(words)) await pause();
    return filter;
  }

  check(text: string): Verdict {
    const matches = this.#find(text);
    const counted = this.#allows ? withoutAllowed(matches) : matches;
    const has = (action: Verdict["action"]): boolean => counted.some((each) => each.action === action);
    const action = has("block") ? "block" : has("hold") ? "hold" : has("mask") ? "mask" : null;
    return { action, masked: has("mask") ? mask(text, counted) : text };
  }

  #find(text: string): Match[] {
    const matches: Match[] = [];
    if (this.#word.length === 0) return matches;
    const folded = this.#folded.read(text);
    if (this.#scan(folded, matches)) return matches;
    if (folded.chinese && folded.spaced && this.#scanMixed(folded, matches)) return matches;
    if (folded.doubtful) this.#scan(folded.read(text, true), matches);
    return matches;
  }

  /** True when nothing further could change what is said of the text. */
  #scan(folded: Folded, matches: Match[]): boolean {
    let over = false;
    this.#trie.scan(folded, (pattern, first, last) => {
      const is = (this.#variant[pattern] as number) === WRITTEN ? isWritten : isSpelled;
      const spelling = this.#spellingOf(pattern);
      if (is(folded, spelling, first, last) && !isOnlyEnglish(folded, spelling, first, last))
        over = this.#note(folded, pattern, first, last, matches);
      return over;
    });
    return over;
  }

  /** Characters of which some are written and the others spelled: 法lun功. */
  #scanMixed(folded: Folded, matches: Match[]): boolean {
    const written = (at: number): number => letterAt(folded, at);
    const sounding = this.#sounding.spell(folded, syllableOf, isPinyin);
    let over = false;
    this.#trie.scan(sounding, (pattern, first, last) => {
      if (
        (this.#variant[pattern] as number) !== WRITTEN &&
        isMixed(sounding, written, this.#spellingOf(pattern), first)
      )
        over = this.#note(sounding, pattern, first, last, matches);
      return over;
    });
    return over;
  }

  #note({ text, at }: Folded, pattern: number, first: number, last: number, matches: Match[]): boolean {
    const { action } = this.#words[this.#word[pattern] as number] as ListedWord;
    matches.push({ start: at[first] as number, end: endOf(text, at[last] as number), action });
    return action === "block" && !this.#allows;
  }

  *#fill(words: readonly ListedWord[]): Generator<void> {
    this.#words = words;
    this.#allows = words.some(({ action }) => action === "allow");
    for (let start = 0; start < words.length; start += SLICE) {
      const slice = words.slice(start, start + SLICE);
      learn(slice.flatMap(({ word }) => lettersOf(word)));
      for (const index of slice.keys()) this.#add(start + index);
      yield;
    }
    yield* this.#trie.finish();
  }

  #add(index: number): void {
    const { word } = this.#words[index] as ListedWord;
    const { letters, length } = this.#folded.read(word, true);
    if (length === 0) return;
    this.#trie.add(letters, length);
    this.#word.push(index);
    this.#variant.push(WRITTEN);
    if (this.#folded.spaced || !this.#folded.chinese) return;
    for (const [variant, syllables] of spellingsOf(letters.subarray(0, length)).entries()) {
      const spelled = codesOf(syllables.join(""));
      this.#trie.add(spelled, spelled.length);
      this.#word.push(index);
      this.#variant.push(variant);
    }
  }

  /** Made when a pattern is found first: few ever are. */
  #spellingOf(pattern: number): Spelling {
    let known = this.#spellings.get(pattern);
    if (!known) {
      const { word } = this.#words[this.#word[pattern] as number] as ListedWord;
      const variant = this.#variant[pattern] as number;
      known = variant === WRITTEN ? writtenAs(word) : spelledAs(lettersOf(word), variant);
      this.#spellings.set(pattern, known);
    }
    return known;
  }
}

/** The letter that stands at a place of the text. */
function letterAt({ letters, at, length }: Folded, place: number): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((at[middle] as number) < place) low = middle + 1;
    else high = middle;
  }
  return letters[low] as number;
}

function lettersOf(word: string): number[] {
  const { letters, length } = reader.read(word, true);
  return Array.from(letters.subarray(0, length));
}

function codesOf(letters: string): number[] {
  const codes: number[] = [];
  for (let i = 0; i < letters.length; i++) codes.push(letters.charCodeAt(i));
  return codes;
}

function writtenAs(word: string): Spelling {
  const folded = reader.read(word, true);
  const letters = [...folded.letters.subarray(0, folded.length)];
  const breaks = [...letters.keys()].filter((i) => i > 0 && isMarkedOff(folded, i - 1, i));
  return { letters, breaks: new Set(breaks) };
}

function spelledAs(sounds: number[], variant: number): Spelling {
  const syllables = spellingsOf(sounds)[variant] as string[];
  const breaks = new Set<number>();
  let length = 0;
  for (const syllable of syllables.slice(0, -1)) breaks.add((length += syllable.length));
  return { letters: codesOf(syllables.join("")), breaks, sounds };
}

/** Whether a spelling in pinyin is rather the English word that is written so. */
function isOnlyEnglish(
  { text, at }: Folded,
  { letters, sounds }: Spelling,
  first: number,
  last: number,
): boolean {
  if (!sounds) return false;
  const start = at[first] as number;
  const end = (at[last] as number) + 1;
  // With something between its letters, or with tones, it is none.
  return (
    end - start === letters.length &&
    /^[a-z]+$/i.test(text.slice(start, end)) &&
    isEnglish(text.slice(start, end).toLowerCase())
  );
}

/** Behind the last character, with the marks that belong to it. */
function endOf(text: string, last: number): number {
  let end = last + ((text.codePointAt(last) as number) > 0xffff ? 2 : 1);
  while (end < text.length && ((flags[text.charCodeAt(end)] as number) & FLAGS.invisible) > 0) end++;
  return end;
}

/** Without those that lie within a phrase that is allowed. */
function withoutAllowed(matches: Match[]): Match[] {
  const phrases = matches.filter(({ action }) => action === "allow").toSorted((a, b) => a.start - b.start);
  const reach: number[] = [];
  for (const { end } of phrases) reach.push(Math.max(end, reach.at(-1) ?? 0));
  return matches.filter(({ action, start, end }) => {
    if (action === "allow") return false;
    let [low, high] = [0, phrases.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((phrases[middle] as Match).start <= start) low = middle + 1;
      else high = middle;
    }
    return low === 0 || (reach[low - 1] as number) < end;
  });
}

function mask(text: string, matches: Match[]): string {
  const spans = matches.filter(({ action }) => action === "mask").toSorted((a, b) => a.start - b.start);
  let masked = "";
  let done = 0;
  for (const { start, end } of spans) {
    if (end <= done) continue;
    const from = Math.max(start, done);
    masked += text.slice(done, from) + "*".repeat(Array.from(text.slice(from, end)).length);
    done = end;
  }
  return masked + text.slice(done);
}

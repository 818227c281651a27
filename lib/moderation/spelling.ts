/** Whether what the trie has found is the word: the letters themselves, the borders, what stands between them. */
import type { Folded } from "./folded.ts";
import { isMarkedOff, isParted } from "./folded.ts";
import { isChinese, isChineseAt, isDigit, isSame } from "./fold.ts";
import { isAcross } from "./segments.ts";

/** A word as it is compared. */
export interface Spelling {
  letters: readonly number[];
  /** After how many letters a blank may stand, though it is written as one: between the words of a phrase, syllables. */
  breaks: ReadonlySet<number>;
  /** Chinese characters of a spelling in pinyin, one for each syllable. */
  sounds?: readonly number[];
}

/** So long a word is found beside digits: `forbidden123`. */
const LONG = 4;

const A = 97;
const I = 105;
const L = 108;

/** Whether the letters from `first` to `last` are a written word. */
export function isWritten(
  folded: Folded,
  { letters, breaks }: Spelling,
  first: number,
  last: number,
): boolean {
  if (!hasLetters(folded, letters, first)) return false;
  if (!isBordered(folded, first, last)) return false;
  if (!isHeldTogether(folded, first, last, breaks)) return false;
  const chinese = isChinese(letters[0] as number) && isChinese(letters.at(-1) as number);
  return !chinese || !isAcross(folded, first, last);
}

/** Whether they are a word in pinyin: whole syllables, all of them written in letters. */
export function isSpelled(
  folded: Folded,
  { letters, breaks }: Spelling,
  first: number,
  last: number,
): boolean {
  return (
    hasLetters(folded, letters, first) &&
    isBordered(folded, first, last) &&
    isHeldTogether(folded, first, last, breaks, true)
  );
}

/**
 * Whether they are a word of which some characters are written and the others spelled. `folded` is the text as it
 * sounds, `written` what its Chinese characters are, by where they stand.
 */
export function isMixed(
  folded: Folded,
  written: (at: number) => number,
  spelling: Spelling,
  first: number,
): boolean {
  const { text, at } = folded;
  const { letters, breaks, sounds = [] } = spelling;
  const ends = [...breaks, letters.length];
  let spelled = 0;
  let start = first;
  for (const [index, end] of ends.entries()) {
    const next = first + end;
    if (isChineseAt(text, at[start] as number)) {
      if (at[next - 1] !== at[start] || (next < folded.length && at[next] === at[start])) return false;
      if (written(at[start] as number) !== sounds[index]) return false;
    } else {
      for (let i = start; i < next; i++)
        if (
          !isSame(folded.letters[i] as number, letters[i - first] as number) ||
          isChineseAt(text, at[i] as number)
        )
          return false;
      if (!isHeldTogether(folded, start, next - 1, new Set(), true)) return false;
      spelled++;
    }
    start = next;
  }
  const last = first + letters.length - 1;
  return spelled > 0 && spelled < ends.length && isBordered(folded, first, last);
}

function hasLetters(folded: Folded, letters: readonly number[], first: number): boolean {
  const { text, at } = folded;
  let meant = 0;
  let digits = 0;
  let same = true;
  for (let i = 0; i < letters.length; i++) {
    const inText = folded.letters[first + i] as number;
    const inWord = letters[i] as number;
    if (inText !== inWord) {
      same = false;
      // A capital I looks like an l, but only among small letters.
      const small =
        inWord === L && inText === I && text[at[first + i] as number] === "I" && hasSmall(folded, first, i);
      if (!small && !isSame(inText, inWord)) return false;
    }
    if (isDigit(inText)) digits++;
    else if (inText >= A && inText !== 124 && inText !== 0xa3 && inText !== 0x20ac) meant++;
  }
  // Digits and symbols alone are a number or a price, and digits before a letter are a measure: 71t.
  const measure = isDigit(folded.letters[first] as number) && digits >= 2 * meant;
  return same || (meant > 0 && !measure);
}

function hasSmall({ text, at, letters }: Folded, first: number, i: number): boolean {
  const isSmall = (index: number): boolean => /\p{Ll}/u.test(text[at[index] as number] ?? "");
  return (
    isSmall(first) || isSmall(first + i - 1) || (first + i + 1 < letters.length && isSmall(first + i + 1))
  );
}

function isBordered(folded: Folded, first: number, last: number): boolean {
  const long = last - first + 1 >= LONG;
  return opens(folded, first, long) && closes(folded, last, long);
}

function opens(folded: Folded, first: number, long: boolean): boolean {
  const { letters, at, text } = folded;
  if (first === 0) return true;
  if (at[first] === at[first - 1]) return false;
  if (isChineseAt(text, at[first] as number) || isChineseAt(text, at[first - 1] as number)) return true;
  let before = first - 1;
  if (isMarkedOff(folded, before, first)) return true;
  if (!long || isDigit(letters[first] as number)) return false;
  while (before >= 0 && isDigit(letters[before] as number)) {
    if (
      before === 0 ||
      isChineseAt(text, at[before - 1] as number) ||
      isMarkedOff(folded, before - 1, before)
    )
      return true;
    before--;
  }
  return false;
}

function closes(folded: Folded, last: number, long: boolean): boolean {
  const { letters, at, text, length } = folded;
  if (last === length - 1) return true;
  if (at[last] === at[last + 1]) return false;
  if (isChineseAt(text, at[last] as number) || isChineseAt(text, at[last + 1] as number)) return true;
  let after = last + 1;
  if (isMarkedOff(folded, last, after)) return true;
  if (!long || isDigit(letters[last] as number)) return false;
  while (after < length && isDigit(letters[after] as number)) {
    if (
      after === length - 1 ||
      isChineseAt(text, at[after + 1] as number) ||
      isMarkedOff(folded, after, after + 1)
    )
      return true;
    after++;
  }
  return false;
}

/**
 * Whether letters with something between them are one word: `for-bidden`, `f o r b i d d e n`, but not `the rapist`.
 * Between Chinese characters anything may stand.
 * @param strict nothing parts them but where they may be parted
 */
function isHeldTogether(
  folded: Folded,
  first: number,
  last: number,
  breaks: ReadonlySet<number>,
  strict = false,
): boolean {
  const pieces: number[] = [];
  let piece = 1;
  let allowed = true;
  let blank = false;
  for (let i = first + 1; i <= last; i++) {
    if (isMarkedOff(folded, i - 1, i) && !isEitherChinese(folded, i - 1, i)) {
      const parted = isParted(folded, i - 1, i);
      blank ||= parted;
      allowed &&= breaks.has(i - first) || !(parted || strict);
      pieces.push(piece);
      piece = 0;
    }
    piece++;
  }
  if (pieces.length === 0) return true;
  pieces.push(piece);
  if (isSpelledOut(pieces)) return !goesOn(folded, first, last, blank);
  return allowed;
}

function isSpelledOut(pieces: number[]): boolean {
  const singles = pieces.filter((each) => each === 1).length;
  return singles === pieces.length || (pieces.length > 2 && singles > 1 && Math.max(...pieces) === 2);
}

/** Whether a word that is spelled out is the middle of a longer one: the `ass` of `c l a s s`. */
function goesOn(folded: Folded, first: number, last: number, blank: boolean): boolean {
  return (
    isSingle(folded, first - 1, first, first - 2, blank) || isSingle(folded, last + 1, last, last + 2, blank)
  );
}

function isSingle(
  folded: Folded,
  i: number,
  beside: number,
  beyond: number,
  blank: boolean,
  more = true,
): boolean {
  const { letters, length } = folded;
  if (i < 0 || i >= length || isEitherChinese(folded, i, beside)) return false;
  const [low, high] = i < beside ? [i, beside] : [beside, i];
  if (blank !== isParted(folded, low, high)) return false;
  const letter = letters[i] as number;
  if (isDigit(letter)) return false;
  const alone =
    beyond < 0 ||
    beyond >= length ||
    isEitherChinese(folded, i, beyond) ||
    isMarkedOff(folded, Math.min(i, beyond), Math.max(i, beyond));
  if (!alone || (letter !== A && letter !== I)) return alone;
  // "a" and "I" are words, unless they too are among letters that are spelled out.
  return more && isSingle(folded, beyond, i, beyond + (beyond - i), blank, false);
}

function isEitherChinese({ text, at }: Folded, one: number, other: number): boolean {
  return isChineseAt(text, at[one] as number) || isChineseAt(text, at[other] as number);
}

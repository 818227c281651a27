/** A text as the filter reads it: letter by letter, with the way back to where each stands. */
import { beyond, flags, FLAGS, isChinese, letters, NONE, several, SPECIAL } from "./fold.ts";

/** So many Chinese characters, and letters of others, belong to a word that is partly spelled, at most. */
const WRITTEN = 8;
const TYPED = 24;

/** A text as the letters that it is made of, and where they are in it. Its arrays are used again by the next one. */
export class Folded {
  text = "";
  length = 0;
  letters = new Uint32Array(4_096);
  /** The first UTF-16 unit of each letter's character. */
  at = new Uint32Array(4_096);
  /** Whether a word may begin at a letter: one of a script with spaces only where something is before it. */
  begins = new Uint8Array(4_096);
  /** Which scripts there are: a letter without and one with FLAGS.chinese. */
  spaced = false;
  chinese = false;
  /** Whether a symbol may be meant for a letter: `sh!t`, `a$$`, `@ss`; not the end of `well!`, nor a price. */
function isMeant(text: string, i: number): boolean {
  const after = text[i + 1];
  const before = isLatin(text.charCodeAt(i - 1));
  if (text[i] === "$" || text[i] === "@")
    return isLatin(text.charCodeAt(i + 1)) || after === "$" || after === "@" || (text[i] === "$" && (before || text[i - 1] === "$"));
  return before && isLatin(text.charCodeAt(i + 1));
}

function isLatin(unit: number): boolean {
  const lower = unit | 32;
  return lower >= 97 && lower <= 122;
}

/** Whether something that is seen stands between two letters that follow one another. */
export function isMarkedOff(folded: Folded, first: number, second: number): boolean {
  const { text, at } = folded;
  const end = at[second] as number;
  let i = at[first] as number;
  if (end - i <= 1) return false;
  for (i += (text.codePointAt(i) as number) > 0xffff ? 2 : 1; i < end; i++)
    if (((flags[text.charCodeAt(i)] as number) & FLAGS.invisible) === 0) return true;
  return false;
}

/** Whether a blank stands between two letters that follow one another. */
export function isParted({ text, at }: Folded, first: number, second: number): boolean {
  for (let i = (at[first] as number) + 1; i < (at[second] as number); i++)
    if (((flags[text.charCodeAt(i)] as number) & FLAGS.blank) > 0) return true;
  return false;
}

function isChineseLetter({ letters: all }: Folded, i: number): boolean {
  return isChinese(all[i] as number);
}

/** The letters from `i` on, one way or the other, that nothing parts. */
function pieceAt(from: Folded, i: number, step: 1 | -1): string {
  let piece = "";
  for (let each = i; piece.length < TYPED && each >= 0 && each < from.length; each += step) {
    if (isChineseLetter(from, each)) break;
    if (each !== i && isMarkedOff(from, Math.min(each, each - step), Math.max(each, each - step))) break;
    const letter = String.fromCodePoint(from.letters[each] as number);
    piece = step > 0 ? piece + letter : letter + piece;
  }
  return piece;
}

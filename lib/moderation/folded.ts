/** A text as the filter reads it: letter by letter, with the way back to where each stands. */
import { beyond, flags, FLAGS, isChinese, letters, NONE, several, SPECIAL } from "./fold.ts";

/** So many Chinese characters, and letters of others, belong to a word that is partly spelled, at most. */
const WRITTEN = 8;
const TYPED = 24;

/** Letters, and digits that may stand for one, with which a syllable of pinyin ends. */
const SYLLABLE_ENDS = new Set(Array.from("aeginoruv0123456789", (each) => each.charCodeAt(0)));

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
  /** Whether a symbol may be meant for a letter. */
  doubtful = false;
  /** How often it was asked whether a word only seems to be there; see segments.ts. */
  doubts = 0;

  /** @param symbols read as the letters that they look like, where they stand within a word */
  read(text: string, symbols = false): this {
    this.text = text;
    this.length = 0;
    this.doubts = 0;
    this.doubtful = false;
    if (this.letters.length < text.length) this.#grow(text.length);
    let seen = 0;
    let before: number = FLAGS.blank;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      const letter = letters[unit] as number;
      const flag = flags[unit] as number;
      seen |= flag === FLAGS.letter ? FLAGS.spaced : flag;
      if (letter === SPECIAL) i += this.#special(i, unit);
      else if (letter !== NONE) {
        if (this.length === this.letters.length) this.#grow(this.length);
        this.letters[this.length] = letter;
        this.begins[this.length] = flag === FLAGS.letter && before === FLAGS.letter ? 0 : 1;
        this.at[this.length++] = i;
      } else if (flag === FLAGS.symbol && isMeant(text, i)) {
        this.doubtful = true;
        if (symbols) this.#push(unit, i);
      }
      before = flag;
    }
    this.spaced = (seen & FLAGS.spaced) > 0;
    this.chinese = (seen & FLAGS.chinese) > 0;
    return this;
  }

  #push(letter: number, at: number): void {
    if (this.length === this.letters.length) this.#grow(this.length);
    this.letters[this.length] = letter;
    this.begins[this.length] = this.length === 0 || this.at[this.length - 1] !== at ? 1 : 0;
    this.at[this.length++] = at;
  }

  /**
   * The same text with its Chinese characters as what they sound like, as far as it is near to where a script with
   * spaces meets them.
   */
  spell(from: Folded, syllableOf: (code: number) => string, isPinyin: (letters: string) => boolean): this {
    this.text = from.text;
    this.length = 0;
    for (let i = 1, until = 0; i < from.length; i++) {
      const chinese = isChineseLetter(from, i);
      if (chinese === isChineseLetter(from, i - 1)) continue;
      if (!isPinyin(pieceAt(from, chinese ? i - 1 : i, chinese ? -1 : 1))) continue;
      const start = Math.max(until, i - (chinese ? TYPED : WRITTEN));
      until = Math.max(until, Math.min(from.length, i + (chinese ? WRITTEN : TYPED)));
      for (let each = start; each < until; each++) this.#sound(from, each, syllableOf);
    }
    return this;
  }

  #sound({ letters: all, at }: Folded, i: number, syllableOf: (code: number) => string): void {
    const letter = all[i] as number;
    const syllable = isChinese(letter) ? syllableOf(letter) : "";
    if (syllable === "") this.#push(letter, at[i] as number);
    else for (let k = 0; k < syllable.length; k++) this.#push(syllable.charCodeAt(k), at[i] as number);
  }

  /** Returns how many units more it took. */
  #special(i: number, unit: number): number {
    const code = this.text.codePointAt(i) as number;
    for (const letter of code > 0xffff ? beyond(code) : (several.get(unit) ?? [])) this.#push(letter, i);
    return code > 0xffff ? 1 : 0;
  }

  #grow(length: number): void {
    const size = Math.max(length + 64, this.letters.length * 2);
    const { letters: before, at, begins } = this;
    this.letters = new Uint32Array(size);
    this.at = new Uint32Array(size);
    this.begins = new Uint8Array(size);
    this.letters.set(before);
    this.at.set(at);
    this.begins.set(begins);
  }
}

/** Whether a symbol may be meant for a letter: `sh!t`, `a$$`, `@ss`; not the end of `well!`, nor a price. */
function isMeant(text: string, i: number): boolean {
  const before = isNear(text, i - 1);
  const after = isNear(text, i + 1);
  if (text[i] === "$") return before || after;
  return after && (before || text[i] === "@");
}

/** Whether a letter stands there, or what often stands for one. */
function isNear(text: string, i: number): boolean {
  return isLatin(text.charCodeAt(i)) || text[i] === "$" || text[i] === "@" || text[i] === "!";
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

/** The letters from `i` on, one way or the other, that nothing parts, cut where they are too many; "" if they cannot be pinyin. */
function pieceAt(from: Folded, i: number, step: 1 | -1): string {
  let end = i;
  for (let next = i + step; Math.abs(next - i) < TYPED && next >= 0 && next < from.length; next += step) {
    if (isChineseLetter(from, next) || isMarkedOff(from, Math.min(next, end), Math.max(next, end))) break;
    end = next;
  }
  const [first, last] = step > 0 ? [i, end] : [end, i];
  if (!SYLLABLE_ENDS.has(from.letters[last] as number) && first !== last) return "";
  return String.fromCodePoint(...from.letters.subarray(first, last + 1));
}

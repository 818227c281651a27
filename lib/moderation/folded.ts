/** A text as the filter reads it: letter by letter, with the way back to where each stands. */
import { beyond, flags, FLAGS, isChinese, letters, NONE, several, SPECIAL } from "./fold.ts";

/** A text as the letters that it is made of, and where they are in it. Its arrays are used again by the next one. */
export class Folded {
  text = "";
  length = 0;
  letters = new Uint32Array(4_096);
  /** The first UTF-16 unit of each letter's character. */
  at = new Uint32Array(4_096);
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
    this.spaced = this.chinese = this.doubtful = false;
    if (this.letters.length < text.length) this.#grow(text.length);
    let seen = 0;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      const letter = letters[unit] as number;
      const flag = flags[unit] as number;
      seen |= flag === FLAGS.letter ? FLAGS.spaced : flag;
      if (letter === SPECIAL) i += this.#special(i, unit);
      else if (letter !== NONE) {
        if (this.length === this.letters.length) this.#grow(this.length);
        this.letters[this.length] = letter;
        this.at[this.length++] = i;
      } else if (flag === FLAGS.symbol && isMeant(text, i)) {
        this.doubtful = true;
        if (symbols) this.#push(unit, i);
      }
    }
    this.spaced = (seen & FLAGS.spaced) > 0;
    this.chinese = (seen & FLAGS.chinese) > 0;
    return this;
  }

  #push(letter: number, at: number): void {
    if (this.length === this.letters.length) this.#grow(this.length);
    this.letters[this.length] = letter;
    this.at[this.length++] = at;
  }

  /** The same text with its Chinese characters as what they sound like. */
  spell(from: Folded, syllableOf: (character: string) => string | null): this {
    this.text = from.text;
    this.length = 0;
    for (let i = 0; i < from.length; i++) {
      const letter = from.letters[i] as number;
      const at = from.at[i] as number;
      const syllable = isChinese(letter) ? syllableOf(String.fromCodePoint(letter)) : null;
      if (syllable === null) this.#push(letter, at);
      else for (let k = 0; k < syllable.length; k++) this.#push(syllable.charCodeAt(k), at);
    }
    return this;
  }

  /** Returns how many units more it took. */
  #special(i: number, unit: number): number {
    const code = this.text.codePointAt(i) as number;
    for (const letter of code > 0xffff ? beyond(code) : (several.get(unit) ?? [])) this.#push(letter, i);
    return code > 0xffff ? 1 : 0;
  }

  #grow(length: number): void {
    const size = Math.max(length + 64, this.letters.length * 2);
    const [wider, further] = [new Uint32Array(size), new Uint32Array(size)];
    wider.set(this.letters);
    further.set(this.at);
    this.letters = wider;
    this.at = further;
  }
}

/** Whether a symbol may be meant for a letter: `sh!t`, `a$$`, `@ss`; not the end of `well!`. */
function isMeant(text: string, i: number): boolean {
  if (isLatin(text.charCodeAt(i + 1)) || text[i + 1] === "$" || text[i + 1] === "@") return true;
  return text[i] === "$" && (text[i - 1] === "$" || isLatin(text.charCodeAt(i - 1)));
}

function isLatin(unit: number): boolean {
  const lower = unit | 32;
  return (lower >= 97 && lower <= 122) || (unit >= 48 && unit <= 57);
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

/** Typing errors that a word of `length` letters may have: none below 4 letters, 1 below 8, else 2. */
export function allowedTypos(length: number): number {
  if (length >= 8) return 2;
  return length >= 4 ? 1 : 0;
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours between two strings (optimal string alignment),
 * counted up to `max`; anything above is `max + 1`.
 */
export function typosBetween(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
      if (cost < least) least = cost;
    }
    // A swap reaches back two rows, so one row above the limit does not settle it; two do not occur below it.
    if (least > max && Math.min(...last) > max) return max + 1;
    beforeLast = last;
    last = row;
  }
  return Math.min(last[b.length]!, max + 1);
}

/** Longer patterns do not fit into the bits of a number; they are not looked for with typos. */
const MAX_PATTERN = 29;
const MARK = 49; // "1"
const LINE_FEED = 10;

/**
 * Strings of which one at least is in every text that has the pattern with up to `max` typos. Of max + 1 pieces one
 * stays unharmed, unless a swap harms two of them at their border; then what is around that border is known.
 */
function unharmedPieces(pattern: string, max: number): string[] {
  const borders = Array.from({ length: max + 2 }, (_, i) => Math.floor((i * pattern.length) / (max + 1)));
  const pieces = borders.slice(1).map((border, i) => pattern.slice(borders[i], border));
  const swapped = borders.slice(1, -1).map((border, i) => {
    const swap =
      pattern.slice(0, border - 1) + pattern[border]! + pattern[border - 1]! + pattern.slice(border + 1);
    // A second swap may reach one letter over the border on either side.
    return swap.slice(i === 0 ? 0 : borders[i]! + 1, i === max - 1 ? undefined : borders[i + 2]! - 1);
  });
  return [...pieces, ...swapped];
}

/**
 * Scans texts for a pattern with up to `max` typos, a few operations a letter: Wu and Manber's shift-and automaton
 * (1992) with Navarro's step for swaps (NR-grep, 2001). Bit i of a state says that the first i letters are matched.
 */
export class Misspelling {
  readonly #pattern: string;
  readonly #max: number;
  /** For each code unit the bits of its places in the pattern: of ASCII by index, as that is nearly all there is. */
  readonly #ascii = new Int32Array(128);
  readonly #others = new Map<number, number>();

  readonly #pieces: string[];

  /** @param max 0, 1 or 2. With a pattern of more than 29 UTF-16 units nothing is found. */
  constructor(pattern: string, max: number) {
    this.#pattern = pattern;
    this.#max = max;
    this.#pieces = unharmedPieces(pattern, max);
    for (let i = 0; i < pattern.length; i++) {
      const code = pattern.charCodeAt(i);
      if (code < 128) this.#ascii[code]! |= 2 << i;
      else this.#others.set(code, (this.#others.get(code) ?? 0) | (2 << i));
    }
  }

  /**
   * End of the first stretch of `text` that is the pattern with typos and begins where `marks` has a "1"; with
   * `whole` it also ends there. -1 if there is none. `marks` is one longer than `text`. A line feed is in no stretch.
   */
  endIn(text: string, marks: string, whole: boolean): number {
    if (this.#pattern.length > MAX_PATTERN || !this.#pieces.some((piece) => text.includes(piece))) return -1;
    const goal = 1 << this.#pattern.length;
    const ascii = this.#ascii;
    const max = this.#max;
    // What is matched with no typo, up to one, up to two; and with one, two if the next letter completes a swap.
    // Single variables rather than arrays: this loop sees every letter of every name.
    let [none, one, two, swapOne, swapTwo] = [0, 0, 0, 0, 0];
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === LINE_FEED) {
        none = one = two = swapOne = swapTwo = 0;
        continue;
      }
      if (marks.charCodeAt(at) === MARK) {
        none |= 0b1;
        one |= 0b11;
        two |= 0b111;
      }
      const here = code < 128 ? ascii[code]! : (this.#others.get(code) ?? 0);
      // The letter fits; is one too many or stands for another; completes a swap; or one is missing after it.
      const nextNone = (none << 1) & here;
      const nextOne = ((one << 1) & here) | none | (none << 1) | (swapOne & (here << 1)) | (nextNone << 1);
      const nextTwo = ((two << 1) & here) | one | (one << 1) | (swapTwo & (here << 1)) | (nextOne << 1);
      swapOne = (none << 2) & here;
      swapTwo = (one << 2) & here;
      none = nextNone;
      one = nextOne;
      two = nextTwo;
      const state = max === 0 ? none : max === 1 ? one : two;
      if ((state & goal) !== 0 && (!whole || marks.charCodeAt(at + 1) === MARK)) return at + 1;
    }
    return -1;
  }

  /** As {@link endIn}, with the start: the last from which the stretch is near enough. Null if there is none. */
  rangeIn(text: string, marks: string, whole: boolean): [start: number, end: number] | null {
    const end = this.endIn(text, marks, whole);
    for (let start = end - 1; start >= 0; start--) {
      const near = typosBetween(this.#pattern, text.slice(start, end), this.#max) <= this.#max;
      if (near && marks[start] === "1") return [start, end];
    }
    return null;
  }
}

/**
 * Finds all of many patterns in one pass over a text, starting wherever one may begin. Filled through a hash table, in
 * slices; then laid out so that the children of a state are its neighbours in two typed arrays, six bytes a state.
 */
import { classOf, isChinese, isChineseAt, isDigit } from "./fold.ts";
import type { Folded } from "./folded.ts";
import { isMarkedOff } from "./folded.ts";

/** Work between two chances to do something else. */
const SLICE = 8_192;
/** UTF-16 units from one letter of a word to the next, at most: more between them part words. */
const FARTHEST = 12;

export class Trie {
  /** By letter; 0 for those that no pattern has. */
  readonly #symbols = new Uint16Array(0x10000);
  readonly #beyond = new Map<number, number>();
  #symbolCount = 0;
  #filling: Filling | null = new Filling();
  /** The first pattern that ends in a state; -1 without one. */
  #ends = new Int32Array(0);
  /** The next pattern that ends where this one does, by pattern; -1 after the last. */
  readonly #also: number[] = [];
  readonly #endsFilling: number[] = [];
  #roots = new Int32Array(0);
  /** Where the children of a state begin; those of the next begin where they end. */
  #children = new Int32Array(0);
  /** By which symbol a state is reached. */
  #symbol = new Uint16Array(0);

  /** Adds a pattern; patterns are numbered from 0. */
  add(letters: ArrayLike<number>, length: number): number {
    const filling = this.#filling as Filling;
    let state = 0;
    for (let i = 0; i < length; i++)
      state = filling.follow(state, this.#symbolOf(classOf(letters[i] as number)));
    const pattern = this.#also.length;
    this.#also.push(this.#endsFilling[state] ?? -1);
    this.#endsFilling[state] = pattern;
    return pattern;
  }

  /** After the last pattern; ready when the iterator is at its end. */
  *finish(): Generator<void> {
    const { states, firstChild, sibling, symbol } = this.#filling as Filling;
    this.#filling = null;
    this.#ends = new Int32Array(states).fill(-1);
    this.#children = new Int32Array(states + 1);
    this.#symbol = new Uint16Array(states);
    const order = new Int32Array(states);
    let laid = 1;
    for (let state = 0; state < states; state++) {
      if (state % SLICE === 0) yield;
      const before = order[state] as number;
      this.#ends[state] = this.#endsFilling[before] ?? -1;
      this.#children[state] = laid;
      const first = laid;
      for (let child = firstChild[before] as number; child > 0; child = sibling[child] as number)
        order[laid++] = child;
      if (laid - first > 1)
        order.subarray(first, laid).sort((a, b) => (symbol[a] as number) - (symbol[b] as number));
      for (let at = first; at < laid; at++) this.#symbol[at] = symbol[order[at] as number] as number;
    }
    this.#children[states] = laid;
    this.#endsFilling.length = 0;
    this.#roots = new Int32Array(this.#symbolCount + 1);
    for (let state = 1; state < (this.#children[1] as number); state++)
      this.#roots[this.#symbol[state] as number] = state;
    this.#nameLetters();
  }

  /** Tells each pattern that is found, with the numbers of its first and its last letter, until `hit` answers true. */
  scan(folded: Folded, hit: (pattern: number, first: number, last: number) => boolean): void {
    const { letters, at, length } = folded;
    const roots = this.#roots;
    const ends = this.#ends;
    const symbols = this.#symbols;
    for (let i = 0; i < length; i++) {
      const letter = letters[i] as number;
      let state = roots[letter > 0xffff ? this.#symbolAt(letter) : (symbols[letter] as number)] as number;
      if (state === 0 || (i > 0 && !mayBegin(folded, i, letter))) continue;
      for (let last = i; ;) {
        for (let found = ends[state] as number; found >= 0; found = this.#also[found] as number)
          if (hit(found, i, last)) return;
        if (++last === length || (at[last] as number) - (at[last - 1] as number) > FARTHEST) break;
        const next = letters[last] as number;
        const symbol = next > 0xffff ? this.#symbolAt(next) : (symbols[next] as number);
        if (symbol === 0 || (state = this.#child(state, symbol)) === 0) break;
      }
    }
  }

  #symbolAt(letter: number): number {
    return letter > 0xffff ? (this.#beyond.get(letter) ?? 0) : (this.#symbols[letter] as number);
  }

  #child(state: number, symbol: number): number {
    let low = this.#children[state] as number;
    let high = this.#children[state + 1] as number;
    while (high - low > 4) {
      const middle = (low + high) >>> 1;
      if ((this.#symbol[middle] as number) <= symbol) low = middle;
      else high = middle;
    }
    for (; low < high; low++) if (this.#symbol[low] === symbol) return low;
    return 0;
  }

  #symbolOf(letter: number): number {
    const known = this.#symbolAt(letter);
    if (known > 0) return known;
    const symbol = ++this.#symbolCount;
    if (letter > 0xffff) this.#beyond.set(letter, symbol);
    else this.#symbols[letter] = symbol;
    return symbol;
  }

  /** Every letter has the symbol of its class, so that a text needs one look for each. */
  #nameLetters(): void {
    for (let letter = 0; letter < 0x10000; letter++)
      this.#symbols[letter] = this.#symbols[classOf(letter)] as number;
  }
}

/** Words of scripts with spaces begin at a border of the text, or after digits; others anywhere. */
function mayBegin(folded: Folded, i: number, letter: number): boolean {
  const { at, letters, text } = folded;
  const here = at[i] as number;
  if (here === at[i - 1]) return false;
  if (isChinese(letter) || isChineseAt(text, here)) return true;
  return (
    isDigit(letters[i - 1] as number) ||
    isChineseAt(text, at[i - 1] as number) ||
    isMarkedOff(folded, i - 1, i)
  );
}

/** The transitions while patterns are added: open addressing, beside a list of the children of each state. */
class Filling {
  states = 1;
  firstChild = new Int32Array(1_024);
  sibling = new Int32Array(1_024);
  symbol = new Uint16Array(1_024);
  #parent = new Int32Array(1_024);
  #slots = new Int32Array(4_096);

  /** The state that follows, which is made where it is not there. */
  follow(state: number, symbol: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash(state, symbol) & mask;
    for (let found; (found = this.#slots[slot] as number) > 0; slot = (slot + 1) & mask)
      if (this.#parent[found] === state && this.symbol[found] === symbol) return found;
    const made = this.states++;
    if (made === this.symbol.length) this.#widen();
    this.#parent[made] = state;
    this.symbol[made] = symbol;
    this.sibling[made] = this.firstChild[state] as number;
    this.firstChild[state] = made;
    this.#slots[slot] = made;
    if (this.states * 2 > mask) this.#spread();
    return made;
  }

  #widen(): void {
    const size = this.symbol.length * 2;
    const wide = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(size);
      to.set(from);
      return to;
    };
    this.firstChild = wide(this.firstChild);
    this.sibling = wide(this.sibling);
    this.#parent = wide(this.#parent);
    const symbols = new Uint16Array(size);
    symbols.set(this.symbol);
    this.symbol = symbols;
  }

  #spread(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let state = 1; state < this.states; state++) {
      let slot = hash(this.#parent[state] as number, this.symbol[state] as number) & mask;
      while ((slots[slot] as number) > 0) slot = (slot + 1) & mask;
      slots[slot] = state;
    }
    this.#slots = slots;
  }
}

function hash(state: number, symbol: number): number {
  const mixed = Math.imul(state, 0x9e3779b1) ^ Math.imul(symbol, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

/**
 * Finds all of many patterns in one pass over a text, starting wherever one may begin. Filled through a hash table, in
 * slices; then laid out so that the children of a state are its neighbours in two typed arrays, six bytes a state.
 */
import { classOf, isChinese } from "./fold.ts";
import type { Folded } from "./folded.ts";

/** Work between two chances to do something else. */
const SLICE = 8_192;
/** UTF-16 units from one letter of a word to the next, at most: more between them part words. */
const FARTHEST = 12;

/** Letters of scripts with spaces that are looked at before a walk begins; of Chinese, which has more of them, two. */
const HEAD = 4;
const HEADS = 1 << 15;

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
  /** By symbol: how many letters of a pattern that begins with it count as its head, and whether one has fewer. */
  readonly #headLength = new Uint8Array(0x10000);
  readonly #short = new Uint8Array(0x10000);
  /** A bit for each head that a pattern has. */
  readonly #heads = new Int32Array(HEADS);
  #roots = new Int32Array(0);
  /** Where the children of a state begin; those of the next begin where they end. */
  #children = new Int32Array(0);
  /** By which symbol a state is reached. */
  #symbol = new Uint16Array(0);

  /** Adds a pattern; patterns are numbered from 0. */
  add(letters: ArrayLike<number>, length: number): number {
    const filling = this.#filling as Filling;
    this.#noteHead(letters, length);
    let state = 0;
    for (let i = 0; i < length; i++)
      state = filling.follow(state, this.#symbolOf(classOf(letters[i] as number)));
    const pattern = this.#also.length;
    this.#also.push((filling.about[state * STATE + END] as number) - 1);
    filling.about[state * STATE + END] = pattern + 1;
    return pattern;
  }

  /** After the last pattern; ready when the iterator is at its end. */
  *finish(): Generator<void> {
    const { states, about } = this.#filling as Filling;
    this.#filling = null;
    this.#ends = new Int32Array(states);
    this.#children = new Int32Array(states + 1);
    this.#symbol = new Uint16Array(states);
    const order = new Int32Array(states);
    let laid = 1;
    for (let state = 0; state < states; state++) {
      if (state % SLICE === 0) yield;
      const before = (order[state] as number) * STATE;
      this.#ends[state] = (about[before + END] as number) - 1;
      this.#children[state] = laid;
      const first = laid;
      for (let child = about[before] as number; child > 0; child = about[child * STATE + SIBLING] as number) {
        order[laid] = child;
        this.#symbol[laid++] = about[child * STATE + SYMBOL] as number;
      }
      if (laid - first > 1) sortBy(this.#symbol, order, first, laid);
    }
    this.#children[states] = laid;
    this.#roots = new Int32Array(this.#symbolCount + 1);
    for (let state = 1; state < (this.#children[1] as number); state++)
      this.#roots[this.#symbol[state] as number] = state;
    this.#nameLetters();
  }

  /** Tells each pattern that is found, with the numbers of its first and its last letter, until `hit` answers true. */
  scan(folded: Folded, hit: (pattern: number, first: number, last: number) => boolean): void {
    const { letters, at, begins, length } = folded;
    const roots = this.#roots;
    const ends = this.#ends;
    const symbols = this.#symbols;
    for (let i = 0; i < length; i++) {
      if (begins[i] === 0) continue;
      const letter = letters[i] as number;
      let state = roots[letter > 0xffff ? this.#symbolAt(letter) : (symbols[letter] as number)] as number;
      if (state === 0 || !this.#mayFollow(this.#symbol[state] as number, folded, i)) continue;
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

  /** Remembers how a pattern begins: most of what a text has begins like none. */
  #noteHead(letters: ArrayLike<number>, length: number): void {
    const first = this.#symbolOf(classOf(letters[0] as number));
    const head = isChinese(letters[0] as number) ? 2 : HEAD;
    this.#headLength[first] = head;
    if (length < head) this.#short[first] = 1;
    let mixed = first;
    for (let i = 1; i < Math.min(head, length); i++)
      mixed = mix(mixed, this.#symbolOf(classOf(letters[i] as number)));
    if (length >= head)
      this.#heads[(mixed >>> 5) & (HEADS - 1)] =
        (this.#heads[(mixed >>> 5) & (HEADS - 1)] as number) | (1 << (mixed & 31));
  }

  #mayFollow(first: number, { letters, length }: Folded, i: number): boolean {
    if (this.#short[first] === 1) return true;
    const end = i + (this.#headLength[first] as number);
    if (end > length) return false;
    let mixed = first;
    for (let each = i + 1; each < end; each++) mixed = mix(mixed, this.#symbolAt(letters[each] as number));
    return ((this.#heads[(mixed >>> 5) & (HEADS - 1)] as number) & (1 << (mixed & 31))) !== 0;
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

/** Numbers of a state: its first child, its next sibling, its symbol, one more than the pattern that ends there. */
const STATE = 4;
const SIBLING = 1;
const SYMBOL = 2;
const END = 3;
/** Numbers of a slot: the state before, the symbol, the state; and one so that a slot lies in one line of the cache. */
const SLOT = 4;

/** The transitions while patterns are added: open addressing, beside a list of the children of each state. */
class Filling {
  states = 1;
  about = new Int32Array(STATE * 1_024);
  #slots = new Int32Array(SLOT * 4_096);
  #mask = 4_095;

  /** The state that follows, which is made where it is not there. */
  follow(state: number, symbol: number): number {
    const slots = this.#slots;
    let slot = hash(state, symbol) & this.#mask;
    for (let found; (found = slots[slot * SLOT + 2] as number) > 0; slot = (slot + 1) & this.#mask)
      if (slots[slot * SLOT] === state && slots[slot * SLOT + 1] === symbol) return found;
    const made = this.states++;
    if (made * STATE === this.about.length) this.#widen();
    const at = made * STATE;
    this.about[at + SIBLING] = this.about[state * STATE] as number;
    this.about[at + SYMBOL] = symbol;
    this.about[state * STATE] = made;
    slots[slot * SLOT] = state;
    slots[slot * SLOT + 1] = symbol;
    slots[slot * SLOT + 2] = made;
    if (this.states * 2 > this.#mask) this.#spread();
    return made;
  }

  #widen(): void {
    const wide = new Int32Array(this.about.length * 2);
    wide.set(this.about);
    this.about = wide;
  }

  #spread(): void {
    const before = this.#slots;
    const slots = new Int32Array(before.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let at = 0; at < before.length; at += SLOT) {
      if (before[at + 2] === 0) continue;
      let slot = hash(before[at] as number, before[at + 1] as number) & this.#mask;
      while ((slots[slot * SLOT + 2] as number) > 0) slot = (slot + 1) & this.#mask;
      for (let i = 0; i < SLOT - 1; i++) slots[slot * SLOT + i] = before[at + i] as number;
    }
    this.#slots = slots;
  }
}

/** Sorts states, and their symbols beside them, by symbol. */
function sortBy(symbols: Uint16Array, states: Int32Array, from: number, to: number): void {
  if (to - from > 32) {
    const both = Array.from(
      states.subarray(from, to),
      (state, i) => [symbols[from + i] as number, state] as const,
    );
    for (const [i, [symbol, state]] of both.toSorted(([a], [b]) => a - b).entries()) {
      symbols[from + i] = symbol;
      states[from + i] = state;
    }
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const state = states[i] as number;
    const symbol = symbols[i] as number;
    let at = i;
    for (; at > from && (symbols[at - 1] as number) > symbol; at--) {
      states[at] = states[at - 1] as number;
      symbols[at] = symbols[at - 1] as number;
    }
    states[at] = state;
    symbols[at] = symbol;
  }
}

function mix(mixed: number, symbol: number): number {
  const next = Math.imul(mixed ^ Math.imul(symbol, 0x85ebca6b), 0x9e3779b1);
  return next ^ (next >>> 15);
}

function hash(state: number, symbol: number): number {
  const mixed = Math.imul(state, 0x9e3779b1) ^ Math.imul(symbol, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

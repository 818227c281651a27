/**
 * Lists of numbers by term, in one block of memory: a list grows by chunks that double, each with the place of the next
 * behind it. Four bytes a number and some slack, where an array for each term would take several times as much.
 */
const FIRST_CHUNK = 2;
const LARGEST_CHUNK = 1024;
const START = 1 << 16;

/** What is kept of a term, side by side, as each is looked at for each number that is added. */
const FIELDS = 4;
const HEAD = 0;
const COUNT = 1;
/** Where its next number goes, and how many more fit there. */
const TAIL = 2;
const LEFT = 3;

const nextSize = (size: number): number => Math.min(size * 2, LARGEST_CHUNK);

/** The size of the chunk that follows when so many numbers fill all that are there. */
function sizeAfter(count: number): number {
  // 2, 4, 8… are together two less than the next of them.
  return Math.min(count + FIRST_CHUNK, LARGEST_CHUNK);
}

function grown(from: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  if (length <= from.length) return from;
  const to = new Uint32Array(Math.max(length, Math.ceil(from.length * 1.5)));
  to.set(from);
  return to;
}

export class Postings {
  #pool = new Uint32Array(START);
  #end = 0;
  #terms = new Uint32Array(START);
  #size = 0;

  /** The number of a new term. */
  newTerm(): number {
    const term = this.#size;
    this.#size += FIELDS;
    this.#terms = grown(this.#terms, this.#size);
    const head = this.#chunk(FIRST_CHUNK);
    this.#terms[term + HEAD] = head;
    this.#terms[term + TAIL] = head;
    this.#terms[term + LEFT] = FIRST_CHUNK;
    return term;
  }

  /** @param posting 32 bits, unsigned */
  add(term: number, posting: number): void {
    const terms = this.#terms;
    if (terms[term + LEFT] === 0) {
      const size = sizeAfter(terms[term + COUNT]!);
      const chunk = this.#chunk(size);
      this.#pool[terms[term + TAIL]!] = chunk;
      terms[term + TAIL] = chunk;
      terms[term + LEFT] = size;
    }
    this.#pool[terms[term + TAIL]!] = posting;
    terms[term + TAIL]! += 1;
    terms[term + LEFT]! -= 1;
    terms[term + COUNT]! += 1;
  }

  /** In the order in which they were added. */
  each(term: number, visit: (posting: number) => void): void {
    let at = this.#terms[term + HEAD]!;
    let size = FIRST_CHUNK;
    for (let left = this.#terms[term + COUNT]!; left > 0;) {
      const end = at + Math.min(size, left);
      left -= end - at;
      for (; at < end; at++) visit(this.#pool[at]!);
      if (left > 0) at = this.#pool[at]!;
      size = nextSize(size);
    }
  }

  #chunk(size: number): number {
    const start = this.#end;
    this.#end += size + 1;
    this.#pool = grown(this.#pool, this.#end);
    return start;
  }
}

/** An embedded index: built anew beside the one that answers, and fed with changes all the while. */
import { setImmediate } from "node:timers/promises";
import { AppError } from "../../lib/errors.ts";

/** Milliseconds of building after which others have their turn. */
const SLICE = 10;

/** What clubs and posts alike are kept in. */
export interface Engine<R> {
  /** Takes something in as it is now, or out where it is not shown or gone. */
  apply(id: string, record: R | null): void | Promise<void>;
  /** @returns how many are in it */
  rebuild(pages: () => AsyncIterable<R[]>): Promise<number>;
}

/** How records go into an index. What is older than what is known counts nothing. */
export interface Keeping<R, I> {
  create: () => I;
  isShown: (record: R) => boolean;
  put: (index: I, record: R) => void;
  /** @param record null where it is gone altogether */
  remove: (index: I, id: string, record: R | null) => void;
}

export class KeptIndex<R, I extends { readonly size: number }> implements Engine<R> {
  readonly #keeping: Keeping<R, I>;
  #serving: I | null = null;
  #building: { index: I; done: Promise<number> } | null = null;

  constructor(keeping: Keeping<R, I>) {
    this.#keeping = keeping;
  }

  /** The index that answers. @throws UNAVAILABLE before the first build is done */
  get current(): I {
    if (!this.#serving) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
    return this.#serving;
  }

  apply(id: string, record: R | null): void {
    for (const index of [this.#serving, this.#building?.index]) {
      if (!index) continue;
      if (record && this.#keeping.isShown(record)) this.#keeping.put(index, record);
      else this.#keeping.remove(index, id, record);
    }
  }

  /**
   * Builds the index anew from pages of all that is shown and puts it in place of the present one; where that is under
   * way already, waits for it. Changes that `apply` brings meanwhile are in it. When the pages fail, all stays as it was.
   */
  rebuild(pages: () => AsyncIterable<R[]>): Promise<number> {
    if (this.#building) return this.#building.done;
    const index = this.#keeping.create();
    const done = this.#build(index, pages()).finally(() => (this.#building = null));
    this.#building = { index, done };
    return done;
  }

  async #build(index: I, pages: AsyncIterable<R[]>): Promise<number> {
    for await (const page of pages) {
      let begun = performance.now();
      for (const record of page) {
        this.#keeping.put(index, record);
        if (performance.now() - begun < SLICE) continue;
        await setImmediate();
        begun = performance.now();
      }
    }
    this.#serving = index;
    return index.size;
  }
}

/**
 * Keeps the event loop turning when thousands send at one moment. Node reads from sockets for as long as more than a
 * thousand of them have something (libuv polls up to 48 times 1,024 before it looks at timers and immediates again), so
 * that the first of a rush would not be decided before the last has been refused. Beyond a number in one turn of the
 * loop requests of a rush wait for a later one; those of other routes do not.
 */
/** Of each kind; some 20 ms. */
const IN_ONE_TURN = 64;

export class Turns {
  readonly #served: (() => void)[] = [];
  readonly #refused: (() => void)[] = [];
  #taken = 0;
  #scheduled = false;

  /** Counts a request; true when enough have been taken in this turn of the loop. */
  areTaken(): boolean {
    this.#schedule();
    this.#taken += 1;
    return this.#taken > IN_ONE_TURN || this.#served.length + this.#refused.length > 0;
  }

  /** Does the work in a later turn. @param late it will be refused: those who are served do not wait for it */
  wait(work: () => void, late: boolean): void {
    (late ? this.#refused : this.#served).push(work);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#begin());
  }

  /** Each request is an immediate of its own, so that what it leads to comes before the next. */
  #begin(): void {
    this.#scheduled = false;
    this.#taken = 0;
    for (const list of [this.#served, this.#refused])
      for (const work of list.splice(0, IN_ONE_TURN)) setImmediate(work);
    if (this.#served.length + this.#refused.length > 0) this.#schedule();
  }
}

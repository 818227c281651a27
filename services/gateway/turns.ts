/**
 * Keeps the event loop turning when thousands send at one moment. Node reads from sockets for as long as more than a
 * thousand of them have something (libuv polls up to 48 times 1,024 before it looks at timers and immediates again), so
 * that the first of a rush would not be decided before the last has been read. Beyond a number in one turn of the loop
 * requests of a rush wait for a later one; those of other routes do not.
 */

/** Some 20 ms of either. */
const SERVED_IN_ONE_TURN = 64;
const REFUSED_IN_ONE_TURN = 128;

export class Turns {
  readonly #served: (() => void)[] = [];
  readonly #refused: (() => void)[] = [];
  #taken = 0;
  #scheduled = false;

  /** Counts a request; true when enough have been taken in this turn of the loop. */
  areTaken(): boolean {
    this.#schedule();
    this.#taken += 1;
    return this.#taken > SERVED_IN_ONE_TURN || this.#waiting;
  }

  /** Serves a request in a later turn. */
  serve(work: () => void): void {
    this.#served.push(work);
  }

  /** Refuses one in a later turn, after those who are served in it. */
  refuse(work: () => void): void {
    this.#refused.push(work);
  }

  get #waiting(): boolean {
    return this.#served.length + this.#refused.length > 0;
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
    for (const work of this.#served.splice(0, SERVED_IN_ONE_TURN)) setImmediate(work);
    for (const work of this.#refused.splice(0, REFUSED_IN_ONE_TURN)) setImmediate(work);
    if (this.#waiting) this.#schedule();
  }
}

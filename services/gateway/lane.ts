/**
 * For a route that thousands call at one moment: only so many are in work as are answered in time, so that they are
 * decided quickly and other routes keep their share; each of the others is told when their turn comes.
 */
import { AppError } from "../../lib/errors.ts";
import { Slots } from "../../lib/slots.ts";

/** Requests in work at once: as many as are served in this time (seconds), and never fewer than the number below. */
const WITHIN = 0.25;
const FEWEST = 100;
const FIRST_RATE = 1_200;

export class Lane {
  readonly #slots = new Slots(FIRST_RATE);
  #inFlight = 0;

  /** Takes a request in, which must `leave` in the end; or throws a 503 with its own time to come again. */
  enter(): void {
    if (this.#isFull()) throw new AppError("OVERLOADED", { retryAfter: this.#slots.next() });
    this.#inFlight += 1;
  }

  leave(): void {
    this.#slots.served(this.#isFull());
    this.#inFlight -= 1;
  }

  #isFull(): boolean {
    return this.#inFlight >= Math.max(FEWEST, this.#slots.rate * WITHIN);
  }
}

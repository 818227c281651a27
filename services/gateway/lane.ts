/**
 * For a route that thousands call at one moment: only so many are in work as are answered in time, so that they are
 * decided quickly and other routes keep their share; each of the others is told when their turn comes.
 */
import { AppError } from "../../lib/errors.ts";
import { Slots } from "../../lib/slots.ts";
import type { Exchange } from "./exchange.ts";

/** Requests in line at once: as many as are served in this time (seconds), and never fewer than the number below. */
const WITHIN = 0.2;
const FEWEST = 100;
const FIRST_RATE = 1_500;

export class Lane {
  readonly #slots = new Slots(FIRST_RATE);
  #inLine = 0;

  /** Puts a request in line, which must `leave` in the end; false when the line is too long already. */
  enter(exchange: Exchange): boolean {
    if (this.#isFull()) return false;
    exchange.lane = this;
    this.#inLine += 1;
    return true;
  }

  leave({ user }: Exchange): void {
    // Who has not signed in is sent away at once, which says nothing of the pace of the others.
    if (user !== null) this.#slots.served();
    this.#inLine -= 1;
  }

  /** For who is not taken in: a 503 with a time of its own to come again. */
  refusal(): AppError {
    return new AppError("OVERLOADED", { retryAfter: this.#slots.next() });
  }

  #isFull(): boolean {
    return this.#inLine >= Math.max(FEWEST, this.#slots.rate * WITHIN);
  }
}

/**
 * For a route that thousands call at one moment: only so many are in work as are answered in time, so that they are
 * decided quickly and other routes keep their share; each of the others is told when their turn comes.
 */
import { Slots } from "../../lib/slots.ts";
import type { Exchange } from "./exchange.ts";

/** Requests in line at once: as many as are served in this time (seconds), and never fewer than the number below. */
const WITHIN = 0.25;
const FEWEST = 100;
const FIRST_RATE = 1_200;

export class Lane {
  readonly #slots = new Slots(FIRST_RATE);
  #inLine = 0;

  /** Puts a request in line, which must `leave` in the end; or finds that it is late. */
  enter(exchange: Exchange): void {
    exchange.late = this.#isFull();
    if (exchange.late) return;
    exchange.lane = this;
    this.#inLine += 1;
  }

  leave(): void {
    this.#slots.served(this.#isFull());
    this.#inLine -= 1;
  }

  /** Seconds after which the next one who is refused shall come: each has a time of their own. */
  next(): number {
    return this.#slots.next();
  }

  #isFull(): boolean {
    return this.#inLine >= Math.max(FEWEST, this.#slots.rate * WITHIN);
  }
}

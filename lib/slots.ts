/** What is left of a fast second after each one that was slower. */
const FADING = 0.9;

/** Spreads those who are refused for want of time over the seconds in which they can be served. */
export class Slots {
  readonly #least: number;
  /** How many are served in a second, by what was seen. */
  #rate: number;
  readonly #now: () => number;
  /** When the last of those who were refused is to come (milliseconds). */
  #last = 0;
  #second = 0;
  #served = 0;

  /** @param rate how many a second to begin with, and at least @param now milliseconds */
  constructor(rate: number, now: () => number = () => performance.now()) {
    this.#least = rate;
    this.#rate = rate;
    this.#now = now;
  }

  get rate(): number {
    return this.#rate;
  }

  /** One was served. */
  served(): void {
    const now = this.#now();
    if (now - this.#second >= 1_000) {
      // A slow second is little of a measure: few asked, or many were refused. Who comes too early is refused again,
      // which costs little; who comes too late has waited for nothing.
      const pace = (this.#served * 1_000) / (now - this.#second);
      this.#rate = Math.max(this.#least, pace, this.#rate * FADING);
      this.#second = now;
      this.#served = 0;
    }
    this.#served += 1;
  }

  /** Seconds after which the next one who is refused shall come: each gets a time of their own, in turn. */
  next(): number {
    const now = this.#now();
    this.#last = Math.max(now + 1_000, this.#last) + 1_000 / Math.max(1, this.#rate);
    return Math.min(60, Math.ceil((this.#last - now) / 1_000));
  }
}

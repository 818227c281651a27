/**
 * Which requests are still served when there are too many: those of low priority (feeds, searches) go first, those of
 * high priority (reviews, applications, signing in) last.
 */
import type { ActionContract } from "../../lib/declare.ts";

export type Priority = NonNullable<ActionContract["priority"]>;

/** From where on requests of a priority are refused: requests in flight, or lateness of the event loop (ms). */
export type Thresholds = Record<Priority, { inFlight: number; lagMs: number }>;

/**
 * A bulkhead holds 1,200 calls of one action, so low priority goes before a single rush fills one. Lag is a mean over
 * about half a second: one long garbage collection sheds nothing.
 */
export const THRESHOLDS: Thresholds = {
  low: { inFlight: 1_000, lagMs: 300 },
  normal: { inFlight: 2_000, lagMs: 700 },
  high: { inFlight: 4_000, lagMs: 1_500 },
};

const SAMPLE_MS = 100;
const WEIGHT = 0.2;

export class Overload {
  inFlight = 0;
  /** Mean lateness of the event loop in milliseconds. */
  lagMs = 0;
  readonly #thresholds: Thresholds;
  #timer: NodeJS.Timeout | undefined;

  constructor(thresholds: Thresholds = THRESHOLDS) {
    this.#thresholds = thresholds;
  }

  /** Whether a request of this priority, itself already counted in flight, is served. */
  admits(priority: Priority): boolean {
    const { inFlight, lagMs } = this.#thresholds[priority];
    return this.inFlight <= inFlight && this.lagMs <= lagMs;
  }

  /** A timer came so many milliseconds late. */
  sampled(lateMs: number): void {
    this.lagMs += WEIGHT * (Math.max(0, lateMs) - this.lagMs);
  }

  start(): void {
    let due = performance.now() + SAMPLE_MS;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.sampled(now - due);
      due = now + SAMPLE_MS;
    }, SAMPLE_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Seconds after which to try again, spread so that not all come back at once. */
export function retryAfter(): number {
  return 1 + Math.floor(Math.random() * 5);
}

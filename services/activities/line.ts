/** Who waits at a desk: each is decided in time, or told when to come again. */
import { AppError } from "../../lib/errors.ts";
import { Slots } from "../../lib/slots.ts";
import { MAX_REQUESTS } from "./roster.ts";
import type { Request, Standing } from "./roster.ts";

/** Milliseconds within which a request is decided, or told when to come again. */
export const PATIENCE = 450;
const FIRST_RATE = 2_000;

export interface Waiting {
  request: Request | { kind: "settle"; by: string };
  resolve(standing: Standing | null): void;
  reject(error: unknown): void;
  timer: NodeJS.Timeout;
  settled: boolean;
}

export class Line {
  readonly #slots = new Slots(FIRST_RATE);
  #queue: Waiting[] = [];

  get length(): number {
    return this.#queue.length;
  }

  /** Whether it is so long already that who came now would wait too long. */
  get full(): boolean {
    return this.#queue.length > Math.max(MAX_REQUESTS, (this.#slots.rate * PATIENCE) / 1_000);
  }

  /** A refusal with a time of its own to come again. */
  busy(): AppError {
    return new AppError("OVERLOADED", { retryAfter: this.#slots.next() });
  }

  enter(request: Waiting["request"]): Promise<Standing | null> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        request,
        resolve,
        reject,
        settled: false,
        timer: setTimeout(() => this.refuse(waiting, this.busy()), PATIENCE),
      };
      this.#queue.push(waiting);
    });
  }

  /** The next batch, without those whose time is over. */
  take(): Waiting[] {
    return this.#queue.splice(0, MAX_REQUESTS).filter(({ settled }) => !settled);
  }

  /** Sends everybody away. */
  close(error: AppError): void {
    for (const waiting of this.#queue.splice(0)) this.refuse(waiting, error);
  }

  answer(waiting: Waiting, standing: Standing | null): void {
    this.#slots.served();
    this.#settle(waiting, () => waiting.resolve(standing));
  }

  refuse(waiting: Waiting, error: unknown): void {
    this.#settle(waiting, () => waiting.reject(error));
  }

  #settle(waiting: Waiting, end: () => void): void {
    if (waiting.settled) return;
    waiting.settled = true;
    clearTimeout(waiting.timer);
    end();
  }
}

/**
 * Something that takes a while to find out and that many look at: a store's depth, whether a server answers. However
 * many look, it is asked once at a time, and not again for some seconds; and nobody waits long.
 */

/** Milliseconds that one who looks waits. */
export const PATIENCE = 600;
/** Milliseconds for which an answer is as good as a new one. */
const KEPT = 3_000;
/** Milliseconds for which an answer is told that came too late for whoever had asked. */
const KEPT_LATE = 30_000;

export class Watched<R> {
  readonly #ask: () => Promise<R>;
  readonly #patience: number;
  #asked: Promise<R | null> | null = null;
  #last: { answer: R | null; at: number; late: boolean } | null = null;

  /** @param patience milliseconds that one who looks waits */
  constructor(ask: () => Promise<R>, patience = PATIENCE) {
    this.#ask = ask;
    this.#patience = patience;
  }

  /**
   * What is known; null where asking fails or takes too long. Of what always takes long the answer to an earlier
   * question is told, for half a minute; of what has answered in time before, and does not now, nothing is.
   */
  async get(): Promise<R | null> {
    const last = this.#last;
    if (last && performance.now() - last.at < KEPT) return last.answer;
    const answer = await withinTime((this.#asked ??= this.#begin()), this.#patience);
    if (answer !== LATE) return answer;
    return last?.late && performance.now() - last.at < KEPT_LATE ? last.answer : null;
  }

  async #begin(): Promise<R | null> {
    const begun = performance.now();
    const answer = await this.#ask().catch(() => null);
    const at = performance.now();
    this.#last = { answer, at, late: at - begun > this.#patience };
    this.#asked = null;
    return answer;
  }
}

const LATE = Symbol("late");

async function withinTime<R>(asked: Promise<R>, ms: number): Promise<R | typeof LATE> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(resolve, ms, LATE);
  });
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

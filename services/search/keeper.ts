/** Builds an index as soon as the domain whose records it holds, and Elasticsearch where there is one, answer. */
import type { Logger } from "moleculer";

/** Milliseconds until a build is tried again, growing while a domain is away. */
const FIRST_RETRY = 50;
const LAST_RETRY = 2_000;

export class Keeper {
  readonly #what: string;
  readonly #build: () => Promise<number>;
  readonly #logger: Logger;
  #building = false;
  #retry: NodeJS.Timeout | null = null;
  #ended = false;

  /** @param what the domain's name, for the log */
  constructor(what: string, build: () => Promise<number>, logger: Logger) {
    this.#what = what;
    this.#build = build;
    this.#logger = logger;
  }

  /** Has the index built, unless that is under way or being waited for. */
  start(): void {
    if (this.#building || this.#ended) return;
    this.#building = true;
    void this.#try(FIRST_RETRY);
  }

  stop(): void {
    this.#ended = true;
    if (this.#retry) clearTimeout(this.#retry);
  }

  async #try(wait: number): Promise<void> {
    try {
      const count = await this.#build();
      this.#logger.info("The search index is built", { [this.#what]: count });
      this.#building = false;
    } catch (error) {
      if (this.#ended) return;
      if (wait === LAST_RETRY) this.#logger.warn(`Search waits for ${this.#what}`, { error: String(error) });
      const next = Math.min(wait * 2, LAST_RETRY);
      this.#retry = setTimeout(() => void this.#try(next), wait);
    }
  }
}

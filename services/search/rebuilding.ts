/** A rebuild of both indices that somebody has asked for: it runs by itself, and tells how far it has come. */
import type { Logger } from "moleculer";
import type { Answer } from "../../lib/declare.ts";
import { isAppError } from "../../lib/errors.ts";

type State = Omit<Answer<"search.rebuildState">, "shared">;
type Build = (counted: (count: number) => void) => Promise<number>;

export class Rebuilding {
  readonly #builds: { clubs: Build; posts: Build };
  readonly #logger: Logger;
  #state: State = { running: false, clubs: 0, posts: 0, startedAt: null, endedAt: null, error: null };

  constructor(builds: { clubs: Build; posts: Build }, logger: Logger) {
    this.#builds = builds;
    this.#logger = logger;
  }

  get state(): State {
    return this.#state;
  }

  /** Nothing where one is under way. */
  begin(): void {
    if (this.#state.running) return;
    const state: State = {
      running: true,
      clubs: 0,
      posts: 0,
      startedAt: Date.now(),
      endedAt: null,
      error: null,
    };
    this.#state = state;
    void this.#run(state);
  }

  async #run(state: State): Promise<void> {
    try {
      state.clubs = await this.#builds.clubs((count) => (state.clubs = count));
      state.posts = await this.#builds.posts((count) => (state.posts = count));
      this.#logger.info("The search indices are built anew", { clubs: state.clubs, posts: state.posts });
    } catch (error) {
      // What was there before goes on answering.
      state.error = isAppError(error) ? error.type : "INTERNAL";
      this.#logger.warn("A rebuild of the search indices has failed", { error: String(error) });
    }
    state.running = false;
    state.endedAt = Date.now();
  }
}

/** The pages as they come; `counted` is told how many records they were. */
export async function* counting<R>(
  pages: AsyncIterable<R[]>,
  counted: (count: number) => void,
): AsyncGenerator<R[]> {
  let count = 0;
  for await (const page of pages) {
    count += page.length;
    counted(count);
    yield page;
  }
}

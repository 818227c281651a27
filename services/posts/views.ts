/** Views of posts, counted here and written once a second: many to one post are one write. */
import type { Logger } from "moleculer";
import type { Store } from "./records.ts";

const EVERY = 1_000;
const AT_ONCE = 20;

type Written = { posts: Pick<Store["posts"], "updateOne"> };

export class Views {
  readonly #store: Written;
  readonly #log: Pick<Logger, "warn">;
  readonly #counts = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> = Promise.resolve();

  constructor(store: Written, log: Pick<Logger, "warn">) {
    this.#store = store;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => void this.flush(), EVERY);
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await this.flush();
  }

  count(post: string, views = 1): void {
    this.#counts.set(post, (this.#counts.get(post) ?? 0) + views);
  }

  /** What cannot be written is kept for the next time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flush());
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const due = [...this.#counts];
    this.#counts.clear();
    let failed: string | null = null;
    for (let from = 0; from < due.length; from += AT_ONCE)
      await Promise.all(
        due.slice(from, from + AT_ONCE).map(async ([post, views]) => {
          try {
            await this.#store.posts.updateOne({ _id: post }, { $inc: { viewCount: views } });
          } catch (error) {
            failed = String(error);
            this.count(post, views);
          }
        }),
      );
    if (failed !== null) this.#log.warn("Views could not be written and are kept", { error: failed });
  }
}

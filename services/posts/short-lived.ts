/** Readings that are good for a moment: a key that thousands ask for is read once in that time. */
import { LRUCache } from "lru-cache";

/** What the reading itself threw; else it was forgotten while it was under way. */
class ReadingFailed extends Error {}

export class ShortLived<V extends object> {
  readonly #cache: LRUCache<string, V>;

  /** @param lifetime milliseconds from the beginning of a reading */
  constructor(read: (key: string) => Promise<V>, max: number, lifetime: number) {
    this.#cache = new LRUCache<string, V>({
      max,
      ttl: lifetime,
      ttlResolution: 0,
      async fetchMethod(key, _stale, { options }) {
        const began = performance.now();
        const value = await read(key).catch((error: unknown) => {
          throw new ReadingFailed("", { cause: error });
        });
        // How old it is counts from when it was asked for; 0 would be for ever.
        options.ttl = Math.max(1, lifetime - (performance.now() - began));
        return value;
      },
    });
  }

  /** Whatever is in the answer was so at most a lifetime ago, and after the last `forget` of the key. */
  async get(key: string): Promise<V> {
    for (;;) {
      try {
        const value = this.#cache.get(key) ?? (await this.#cache.fetch(key));
        if (value) return value;
      } catch (error) {
        if (error instanceof ReadingFailed) throw error.cause;
      }
    }
  }

  /** Also a reading that is under way: those who wait for it read again. */
  forget(key: string): void {
    this.#cache.delete(key);
  }

  forgetAll(): void {
    this.#cache.clear();
  }
}

/** Reads that many ask for at once, each answered with what was true after it had asked. */
export class Fresh<K, V> {
  readonly #read: (key: K) => Promise<V>;
  readonly #running = new Map<K, { current: Promise<V>; next: Promise<V> | null }>();

  constructor(read: (key: K) => Promise<V>) {
    this.#read = read;
  }

  /** Joins the read that begins next: one is under way and one waits at most, however many ask. */
  get(key: K): Promise<V> {
    const known = this.#running.get(key);
    if (!known) return this.#start(key);
    known.next ??= known.current.then(
      () => this.#start(key),
      () => this.#start(key),
    );
    return known.next;
  }

  #start(key: K): Promise<V> {
    const current = this.#read(key);
    const entry = { current, next: null as Promise<V> | null };
    this.#running.set(key, entry);
    const end = (): void => {
      if (this.#running.get(key) === entry && !entry.next) this.#running.delete(key);
    };
    current.then(end, end);
    return current;
  }
}

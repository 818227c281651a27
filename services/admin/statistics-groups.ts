/** Work that comes in great numbers at once, done together: what arrives while a group is in work is the next group. */
interface Waiting<T> {
  one: T;
  size: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class Groups<T> {
  readonly #work: (group: T[]) => Promise<void>;
  readonly #most: number;
  #waiting: Waiting<T>[] = [];
  #running = false;

  /** @param most how large a group may be, in the sizes that are told with each */
  constructor(work: (group: T[]) => Promise<void>, most: number) {
    this.#work = work;
    this.#most = most;
  }

  /** Resolves when a group that it was in is done; of a group that fails each is tried alone. */
  add(one: T, size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ one, size, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const group = this.#next();
      if (await this.#succeeds(group)) continue;
      // What nobody can count must not keep the others from it.
      if (group.length > 1) for (const each of group) await this.#succeeds([each]);
    }
    this.#running = false;
  }

  #next(): Waiting<T>[] {
    let size = 0;
    const end = this.#waiting.findIndex((each, i) => (size += each.size) > this.#most && i > 0);
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  async #succeeds(group: Waiting<T>[]): Promise<boolean> {
    try {
      await this.#work(group.map(({ one }) => one));
      for (const { resolve } of group) resolve();
      return true;
    } catch (error) {
      if (group.length === 1) group[0]?.reject(error);
      return false;
    }
  }
}

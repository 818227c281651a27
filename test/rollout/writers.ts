/** People who found clubs, change and read them all the time, and know what must be there. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Balancer, Reply, Sending } from "../support/balancer.ts";

/** Milliseconds between two requests of one person. */
const PACE = 100;

interface Club {
  id: string;
  summary: string;
}

export class Writers {
  /** What went wrong: requests that failed, reads that were not what was written. */
  readonly problems: string[] = [];
  /** The summary of each club, as it was last written. */
  readonly written: Map<string, string>;
  requests = 0;
  readonly #balancer: Balancer;
  readonly #tokens: string[];
  readonly #end = new AbortController();
  #work: Promise<unknown> = Promise.resolve();

  private constructor(balancer: Balancer, tokens: string[], written: Map<string, string>) {
    this.#balancer = balancer;
    this.#tokens = tokens;
    this.written = written;
  }

  /** @param before whose people and clubs they go on with */
  static async begin(balancer: Balancer, count: number, before?: Writers): Promise<Writers> {
    const people = Array.from({ length: count }, async () => {
      const name = `writer-${randomBytes(6).toString("hex")}`;
      const body = { username: name, email: `${name}@example.edu`, password: "a long enough passphrase" };
      const made = await balancer.ok<{ accessToken: string }>("POST", "/auth/register", { body });
      return made.accessToken;
    });
    const writers = new Writers(balancer, await Promise.all(people), new Map(before?.written));
    writers.#work = Promise.all(writers.#tokens.map((token) => writers.#write(token)));
    return writers;
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#work;
  }

  /** Waits for so many more requests. */
  async more(count: number): Promise<void> {
    const enough = this.requests + count;
    while (this.requests < enough) await sleep(20);
  }

  async #write(token: string): Promise<void> {
    const own: string[] = [];
    for (let i = 0; !this.#end.signal.aborted; i++) {
      await (i % 10 === 0 ? this.#found(token, own) : this.#change(token, own[i % own.length]));
      await sleep(PACE);
    }
  }

  async #found(token: string, own: string[]): Promise<void> {
    const summary = randomBytes(8).toString("hex");
    const body = { name: `Club ${randomBytes(8).toString("hex")}`, summary, category: "academic" };
    const made = await this.#send<Club>("POST", "/clubs", { token, body });
    if (!made) return;
    this.written.set(made.id, summary);
    own.push(made.id);
    this.#expect("the answer to POST", made.summary, summary);
  }

  /** Changes a club, and reads it at once: by whichever node it is, and through the cache that they share. */
  async #change(token: string, id: string | undefined): Promise<void> {
    if (!id) return;
    const summary = randomBytes(8).toString("hex");
    const changed = await this.#send<Club>("PATCH", `/clubs/${id}`, { token, body: { summary } });
    if (!changed) return;
    this.written.set(id, summary);
    this.#expect("the answer to PATCH", changed.summary, summary);
    const read = await this.#send<Club>("GET", `/clubs/${id}`, { token });
    if (read) this.#expect("GET", read.summary, summary);
    const list = await this.#send<{ items: Club[] }>("GET", "/clubs?mine=true&limit=100", { token });
    const listed = list?.items.find((each) => each.id === id)?.summary;
    if (listed !== undefined) this.#expect("the list", listed, summary);
  }

  #expect(where: string, found: string, expected: string): void {
    if (found !== expected) this.problems.push(`${where}: ${found} instead of ${expected}`);
  }

  async #send<B>(method: string, path: string, sending: Sending): Promise<B | null> {
    this.requests++;
    const reply = await this.#balancer
      .send<B>(method, path, sending)
      .catch((error: unknown): Reply<string> => ({ status: 0, headers: new Headers(), body: String(error) }));
    if (reply.status >= 200 && reply.status < 300) return reply.body as B;
    this.problems.push(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return null;
  }
}

/**
 * The streams that are open at a gateway. Each has a number, up to which its person's notices were written; what is new
 * is asked for after that number, so that whatever prompts the asking (a broadcast, which may be lost; a look at
 * all numbers every 15 s; a client that is back) nothing is written twice, out of order, or left out.
 */
import type { ServerResponse } from "node:http";
import type { Logger, ServiceBroker } from "moleculer";
import type { Answer, Params } from "../../lib/declare.ts";
import { AppError } from "../../lib/errors.ts";

/** Read at each use; tests change them. Times in milliseconds. */
export interface Streaming {
  /** Between comments that keep the connection, and looks at the numbers. */
  pingMs: number;
  /** After which a client tries again. */
  retryMs: number;
  /** Of one person at this gateway. */
  perUser: number;
  /** How long a client that does not read may keep others waiting for nothing. */
  stalledMs: number;
  /** After which a client comes again with a fresh token. */
  longestMs: number;
}

export const STREAMING: Streaming = {
  pingMs: 15_000,
  retryMs: 3_000,
  perUser: 5,
  stalledMs: 5_000,
  longestMs: 12 * 3_600_000,
};

export interface Stream {
  user: string;
  sid: string;
  res: ServerResponse;
  /** Of the last notice that was written, or left out on purpose. */
  seq: number;
  openedAt: number;
  /** Its head is out. */
  open: boolean;
  /** There may be something new. */
  stale: boolean;
  busy: boolean;
  over: boolean;
}

/** Bytes that may wait for a client. */
const MOST_WAITING = 64 * 1024;
const TICK_MS = 500;
/** Questions to the notifications at once, however many people a message tells. */
const AT_ONCE = 16;
const HEADS = 10_000;
/** Seconds after which somebody may have closed one. */
const RETRY_AFTER = 10;

export class Streams {
  readonly #broker: ServiceBroker;
  readonly #log: Logger;
  readonly #settings: Streaming;
  readonly #byUser = new Map<string, Set<Stream>>();
  readonly #waiting: Stream[] = [];
  #working = 0;
  #nextPing = 0;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(broker: ServiceBroker, log: Logger, settings: Streaming) {
    this.#broker = broker;
    this.#log = log;
    this.#settings = settings;
  }

  start(): void {
    this.#nextPing = Date.now() + this.#settings.pingMs;
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const stream of this.#all()) stream.res.destroy();
  }

  /** A new stream; it counts from now on. @throws TOO_MANY_STREAMS */
  admit(user: string, sid: string, res: ServerResponse): Stream {
    const own = this.#byUser.get(user) ?? new Set<Stream>();
    const limit = this.#settings.perUser;
    if (own.size >= limit) throw new AppError("TOO_MANY_STREAMS", { limit, retryAfter: RETRY_AFTER });
    const openedAt = Date.now();
    const stream = { user, sid, res, openedAt, seq: 0, open: false, stale: true, busy: false, over: false };
    own.add(stream);
    this.#byUser.set(user, own);
    res.once("close", () => this.#left(stream));
    return stream;
  }

  /** Puts it after the notice with this id, or, when that is not known, after the last one. */
  async place(stream: Stream, id: string | null): Promise<void> {
    stream.seq = await this.#ask("notifications.place", { user: stream.user, id });
  }

  /** Its head is out: writes what is there, and whatever comes. */
  begin(stream: Stream): void {
    stream.res.write(`retry: ${this.#settings.retryMs}\n\n`);
    if (stream.over) stream.res.end();
    stream.open = true;
    this.#look(stream);
  }

  /** What a broadcast brought; anybody on the bus may have sent it. */
  told(users: unknown): void {
    if (!Array.isArray(users)) return;
    for (const user of users) for (const stream of this.#byUser.get(user as string) ?? []) this.#look(stream);
  }

  endSession(sid: string): void {
    for (const stream of this.#all()) if (stream.sid === sid) end(stream);
  }

  /** Sends the clients to other gateways. */
  drain(): void {
    for (const stream of this.#all()) end(stream, "retry: 1000\n\n");
  }

  get size(): number {
    return [...this.#all()].length;
  }

  *#all(): Iterable<Stream> {
    for (const own of this.#byUser.values()) yield* own;
  }

  #left(stream: Stream): void {
    stream.over = true;
    const own = this.#byUser.get(stream.user);
    own?.delete(stream);
    if (own?.size === 0) this.#byUser.delete(stream.user);
  }

  #tick(): void {
    const now = Date.now();
    for (const stream of this.#all()) {
      if (now - stream.openedAt > this.#settings.longestMs) end(stream);
      else if (stream.stale && stream.open && !stream.busy) this.#look(stream);
    }
    if (now < this.#nextPing) return;
    this.#nextPing = now + this.#settings.pingMs;
    for (const stream of this.#all()) if (stream.open && !stream.over) stream.res.write(": ping\n\n");
    void this.#compare();
  }

  /** A broadcast may have been lost. */
  async #compare(): Promise<void> {
    const users = [...this.#byUser.keys()];
    for (let i = 0; i < users.length; i += HEADS) {
      try {
        const heads = await this.#ask("notifications.heads", { users: users.slice(i, i + HEADS) });
        for (const { user, seq } of heads)
          for (const stream of this.#byUser.get(user) ?? []) if (stream.seq < seq) this.#look(stream);
      } catch {
        return;
      }
    }
  }

  #look(stream: Stream): void {
    stream.stale = true;
    if (stream.busy || stream.over || !stream.open) return;
    stream.busy = true;
    this.#waiting.push(stream);
    if (this.#working < AT_ONCE) void this.#work();
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    this.#working += 1;
    for (let stream = this.#waiting.shift(); stream; stream = this.#waiting.shift()) {
      try {
        await this.#catchUp(stream);
        this.#failing = false;
      } catch (error) {
        // It stays stale, so the next tick tries again.
        if (!this.#failing) this.#log.warn("Notifications cannot be asked for", { error: String(error) });
        this.#failing = true;
      }
      stream.busy = false;
      if (stream.stale && !stream.over && !this.#failing) this.#look(stream);
    }
    this.#working -= 1;
  }

  async #catchUp(stream: Stream): Promise<void> {
    while (stream.stale && !stream.over) {
      stream.stale = false;
      try {
        const page = await this.#ask("notifications.after", { user: stream.user, seq: stream.seq });
        for (const item of page.items) await this.#write(stream, item);
        stream.seq = page.seq;
        stream.stale ||= page.more;
      } catch (error) {
        stream.stale = true;
        throw error;
      }
    }
  }

  async #write(stream: Stream, item: Answer<"notifications.after">["items"][number]): Promise<void> {
    const { res } = stream;
    if (stream.over) return;
    res.write(`id: ${item.id}\ndata: ${JSON.stringify(item)}\n\n`);
    if (res.writableLength > MOST_WAITING && !(await drained(res, this.#settings.stalledMs))) res.destroy();
  }

  /** Contracts type calls of services; this is the gateway's own, without a request. */
  #ask<F extends "notifications.place" | "notifications.after" | "notifications.heads">(
    action: F,
    params: Params<F>,
  ): Promise<Answer<F>> {
    return this.#broker.call<Answer<F>, Params<F>>(action, params);
  }
}

/** Ends a stream, after a last word where there is one; its client may come again. */
function end(stream: Stream, word?: string): void {
  stream.over = true;
  if (!stream.open) return;
  if (word === undefined) stream.res.end();
  else stream.res.end(word);
}

/** Whether the client has read what waits for it, in time. */
function drained(res: ServerResponse, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      res.off("drain", settle);
      res.off("close", settle);
      resolve(res.writableLength <= MOST_WAITING);
    };
    const timer = setTimeout(settle, ms);
    res.once("drain", settle);
    res.once("close", settle);
  });
}

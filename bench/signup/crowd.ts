/**
 * People who all want one place at one moment: each asks with a token of their own, and whoever is told 503 comes again
 * when Retry-After says. Requests are written and read as bytes, since making them must cost less than answering them.
 */
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");
/** Connections that are opened at once: no more than a server keeps in its backlog. */
const OPENED_AT_ONCE = 200;
/** Milliseconds after which a measurement ends whatever is missing. */
const LIMIT = 120_000;
/** A 503 without Retry-After (seconds). */
const PAUSE = 1;

export interface Rush {
  port: number;
  path: string;
  /** One for each person. */
  tokens: readonly string[];
  /** Those who find none free wait for one, as behind a balancer. */
  connections: number;
}

export interface Outcome {
  /** How often each status was answered. */
  statuses: Map<number, number>;
  /** Milliseconds from a request to its answer, of those that decided. */
  decided: number[];
  /** The same of those that were told to come again. */
  refused: number[];
  /** How often each number of seconds was told. */
  retryAfter: Map<number, number>;
  /** How many were decided in each second. */
  perSecond: number[];
  /** Until everyone was decided. */
  seconds: number;
}

interface Line {
  socket: Socket;
  person: number;
  sentAt: number;
  held: Buffer | null;
}

class Crowd {
  readonly #rush: Rush;
  /** Who may ask now and has no connection yet. */
  readonly #due: number[];
  readonly #idle: Line[] = [];
  readonly #outcome: Outcome = {
    statuses: new Map(),
    decided: [],
    refused: [],
    retryAfter: new Map(),
    perSecond: [],
    seconds: 0,
  };
  #begun = 0;
  #end: (outcome: Outcome) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(rush: Rush) {
    this.#rush = rush;
    this.#due = rush.tokens.map((_, person) => person).toReversed();
  }

  async run(): Promise<Outcome> {
    const { port, connections, tokens } = this.#rush;
    const sockets: Socket[] = [];
    try {
      while (sockets.length < Math.min(connections, tokens.length))
        sockets.push(...(await open(port, Math.min(OPENED_AT_ONCE, connections - sockets.length))));
      return await this.#storm(sockets);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  }

  async #storm(sockets: Socket[]): Promise<Outcome> {
    const done = new Promise<Outcome>((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    const limit = setTimeout(() => this.#fail(new Error(this.#missing())), LIMIT);
    this.#begun = performance.now();
    for (const socket of sockets) this.#use(socket);
    return done.finally(() => clearTimeout(limit));
  }

  #missing(): string {
    const { decided, statuses } = this.#outcome;
    const seen = JSON.stringify([...statuses, ...this.#outcome.retryAfter, this.#outcome.perSecond]);
    return `Only ${decided.length} of ${this.#rush.tokens.length} were decided in time: ${seen}.`;
  }

  #use(socket: Socket): void {
    const line: Line = { socket, person: 0, sentAt: 0, held: null };
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("The server closed a connection.")));
    socket.on("data", (chunk: Buffer) => this.#read(line, chunk));
    this.#next(line);
  }

  #next(line: Line): void {
    const person = this.#due.pop();
    if (person === undefined) return void this.#idle.push(line);
    line.person = person;
    line.sentAt = performance.now();
    line.socket.write(
      `PUT ${this.#rush.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer ${this.#rush.tokens[person]}\r\n\r\n`,
    );
  }

  #read(line: Line, chunk: Buffer): void {
    const data = line.held ? Buffer.concat([line.held, chunk]) : chunk;
    const end = data.indexOf(HEAD_END);
    const head = end < 0 ? "" : data.toString("latin1", 0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    if (end < 0 || data.length < end + HEAD_END.length + length) return void (line.held = data);
    line.held = null;
    this.#answered(line, Number(head.slice(9, 12)), head);
    this.#next(line);
  }

  #answered({ person, sentAt }: Line, status: number, head: string): void {
    const { statuses, decided, refused, retryAfter, perSecond } = this.#outcome;
    const now = performance.now();
    add(statuses, status);
    if (status >= 500) {
      const seconds = Number(/\r\nretry-after: *(\d+)/i.exec(head)?.[1] ?? PAUSE);
      if (status === 503) add(retryAfter, seconds);
      refused.push(now - sentAt);
      setTimeout(() => this.#again(person), seconds * 1_000);
      return;
    }
    decided.push(now - sentAt);
    const second = Math.floor((now - this.#begun) / 1_000);
    perSecond[second] = (perSecond[second] ?? 0) + 1;
    if (decided.length < this.#rush.tokens.length) return;
    this.#end({ ...this.#outcome, seconds: (now - this.#begun) / 1_000 });
  }

  #again(person: number): void {
    this.#due.push(person);
    const line = this.#idle.pop();
    if (line) this.#next(line);
  }
}

/** Lets the people come, until everyone has been told yes or no. */
export function rush(all: Rush): Promise<Outcome> {
  return new Crowd(all).run();
}

async function open(port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, "127.0.0.1").setNoDelay(true));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  return sockets;
}

function add(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Requests as a client makes them, over connections that end with the test. */
import { Agent, request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

export interface Answer<T = unknown> {
  status: number;
  headers: IncomingHttpHeaders;
  /** Parsed where it is JSON, else text; undefined where there is none. */
  body: T;
}

export interface RequestOptions {
  /** Access token. */
  token?: string | undefined;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in place of `body`. */
  raw?: string | Buffer;
  headers?: Record<string, string>;
}

export class Client {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = url;
  }

  async send<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const { token, body, raw } = options;
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(payload !== undefined && { "content-length": Buffer.byteLength(payload) }),
      ...options.headers,
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(`${this.#url}${path}`, { method, headers, agent: this.#agent }, resolve);
      sent.on("error", reject);
      sent.end(payload);
    });
    const content = await text(response);
    const json = /[/+]json\b/.test(response.headers["content-type"] ?? "");
    const parsed: unknown = content === "" ? undefined : json ? JSON.parse(content) : content;
    return { status: response.statusCode ?? 0, headers: response.headers, body: parsed as T };
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Milliseconds, and how often. */
const PAUSE = 250;
const TRIES = 80;

/** As a client does that is told to come again: what was refused for overload, as on a busy machine, is not done. */
export async function comingAgain<T>(ask: () => Promise<Answer<T>>): Promise<Answer<T>> {
  for (let tries = 1; ; tries++) {
    const answer = await ask();
    const { code } = (answer.body ?? {}) as { code?: string };
    if (answer.status !== 503 || code !== "OVERLOADED" || tries === TRIES) return answer;
    await sleep(PAUSE);
  }
}

/** A REST client for the demo: signs in, refreshes, honours Retry-After, repeats writes with their Idempotency-Key. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

/** Tries of one request before the demo counts it as failed. */
const TRIES = 200;

export interface Answer<B = Record<string, unknown>> {
  status: number;
  body: B;
}

export interface Figures {
  requests: number;
  failed: number;
  waited: number;
}

interface Tokens {
  user: { id: string };
  accessToken: string;
  refreshToken: string;
}

export class Client {
  readonly #base: string;
  readonly figures: Figures = { requests: 0, failed: 0, waited: 0 };

  constructor(base: string) {
    this.#base = base;
  }

  /** Sends until there is an answer other than 429 and 503; a failure (status over 400) is counted and thrown. */
  async send<B = Record<string, unknown>>(
    method: string,
    path: string,
    body?: object,
    token?: string,
  ): Promise<B> {
    const headers: Record<string, string> = {
      ...(body && { "content-type": "application/json" }),
      ...(token && { authorization: `Bearer ${token}` }),
      ...(method === "POST" && token && { "idempotency-key": randomUUID() }),
    };
    for (let attempt = 1; ; attempt++) {
      this.figures.requests++;
      const response = await fetch(this.#base + path, {
        method,
        headers,
        body: body && JSON.stringify(body),
      });
      const text = await response.text();
      if (response.ok) return (text ? JSON.parse(text) : null) as B;
      const wait = Number(response.headers.get("retry-after") ?? 0);
      if (![429, 503].includes(response.status) || attempt >= TRIES) {
        this.figures.failed++;
        throw new Error(`${method} ${path}: ${response.status} ${text}`);
      }
      this.figures.waited++;
      await sleep(wait * 1000 + Math.random() * 500);
    }
  }
}

/** Someone who is signed in; access tokens are renewed before they expire. */
export class Person {
  readonly id: string;
  readonly #client: Client;
  #tokens: Tokens;
  #until: number;
  #renewal: Promise<void> | null = null;

  constructor(client: Client, tokens: Tokens) {
    this.#client = client;
    this.#tokens = tokens;
    this.id = tokens.user.id;
    this.#until = Date.now() + 8 * 60_000;
  }

  async send<B = Record<string, unknown>>(method: string, path: string, body?: object): Promise<B> {
    if (Date.now() > this.#until)
      await (this.#renewal ??= this.#renew().finally(() => (this.#renewal = null)));
    return this.#client.send<B>(method, path, body, this.#tokens.accessToken);
  }

  async #renew(): Promise<void> {
    this.#tokens = await this.#client.send<Tokens>("POST", "/auth/refresh", {
      refreshToken: this.#tokens.refreshToken,
    });
    this.#until = Date.now() + 8 * 60_000;
  }
}

/** Runs `work` for each item, `atOnce` at a time. */
export async function forEach<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      await work(items[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
}

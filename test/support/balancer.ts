/** What stands before the gateways: probes readiness, sends to those that are ready, in turn. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";
import { isReady } from "./node-process.ts";
import type { ClusterNode } from "./node-process.ts";

export interface Reply<B = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: B;
}

export interface Sending {
  token?: string;
  body?: object;
  headers?: Record<string, string>;
  /** One gateway instead of the next in turn. */
  through?: ClusterNode;
}

export class Balancer {
  readonly #cluster: Pick<Cluster, "of">;
  #ready: ClusterNode[] = [];
  #turn = 0;
  #probing = true;
  readonly #probes: Promise<void>;

  constructor(cluster: Pick<Cluster, "of">) {
    this.#cluster = cluster;
    this.#probes = this.#probe();
  }

  async #probe(): Promise<void> {
    while (this.#probing) {
      const gateways = this.#cluster.of("gateway");
      const ready = await Promise.all(gateways.map(isReady));
      this.#ready = gateways.filter((_, i) => ready[i]);
      await sleep(100);
    }
  }

  async stop(): Promise<void> {
    this.#probing = false;
    await this.#probes;
  }

  /** How many gateways it would send to. */
  get ready(): number {
    return this.#ready.length;
  }

  async send<B = Record<string, unknown>>(
    method: string,
    path: string,
    { token, body, headers, through }: Sending = {},
  ): Promise<Reply<B>> {
    while (!through && this.#ready.length === 0) await sleep(20);
    const gateway = through ?? this.#ready[this.#turn++ % this.#ready.length];
    if (!gateway) throw new Error("No gateway is ready.");
    const response = await fetch(gateway.url + path, {
      method,
      headers: {
        ...(body && { "content-type": "application/json" }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text ? JSON.parse(text) : null) as B,
    };
  }

  /** Sends until it is not told to wait; the answer must be a success. */
  async ok<B = Record<string, unknown>>(method: string, path: string, sending: Sending = {}): Promise<B> {
    for (let i = 0; ; i++) {
      const reply = await this.send<B>(method, path, sending);
      if (reply.status < 400) return reply.body;
      const wait = reply.headers.get("retry-after");
      if (![409, 503].includes(reply.status) || !wait || i > 300)
        throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
      await sleep(Number(wait) * 500);
    }
  }
}

/** Waits until `holds`, 30 s at most. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await holds()) return;
    await sleep(100);
  }
  throw new Error(`30 s passed before ${what}.`);
}

/** The client of moleculer-elasticsearch, behind a breaker: while Elasticsearch does not answer nobody waits for it. */
import { createRequire } from "node:module";
import type { Client } from "@elastic/elasticsearch";
import type { ServiceBroker, ServiceSchema } from "moleculer";
import { AppError } from "../../lib/errors.ts";

/** Milliseconds for an answer, and for one to a batch of documents. */
export const PATIENCE = 1_000;
export const BULK_PATIENCE = 5_000;
/** Milliseconds until Elasticsearch is tried again, by one call. */
const PAUSE = 1_000;

/** An index or alias that was expected is not there: the server is new, or has lost it. */
export class IndexLost extends AppError {
  constructor() {
    super("UNAVAILABLE", { retryAfter: 1 });
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && "statusCode" in error ? Number(error.statusCode) : undefined;
}

export class Elastic {
  readonly #client: Client;
  #openUntil = 0;
  #broken = false;

  constructor(client: Client) {
    this.#client = client;
  }

  /** @throws UNAVAILABLE while it does not answer, IndexLost where an index is missing; other errors as they are */
  async call<R>(work: (client: Client) => Promise<R>): Promise<R> {
    const now = Date.now();
    if (this.#broken && now < this.#openUntil) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
    // While this call tries, the others go on without.
    if (this.#broken) this.#openUntil = now + BULK_PATIENCE;
    try {
      const answer = await work(this.#client);
      this.#broken = false;
      return answer;
    } catch (error) {
      const status = statusOf(error);
      // A connection that fails or a time-out has no status.
      if (status === undefined || [429, 502, 503, 504].includes(status)) {
        this.#broken = true;
        this.#openUntil = Date.now() + PAUSE;
        throw new AppError("UNAVAILABLE", { retryAfter: 1 });
      }
      this.#broken = false;
      if (status === 404) throw new IndexLost();
      // It is there but cannot do this one: no reason for the others to go without.
      if (status >= 500) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
      throw error;
    }
  }

  /** Closes the connections; the mixin leaves them open. */
  close(): Promise<void> {
    return this.#client.close();
  }
}

/** Starts moleculer-elasticsearch as a service of its own, without actions: only its client is used. */
export async function startElastic(broker: ServiceBroker, url: string): Promise<Elastic> {
  // It has no types.
  const mixin = createRequire(import.meta.url)("moleculer-elasticsearch") as ServiceSchema;
  const none = Object.fromEntries(Object.keys(mixin.actions ?? {}).map((name) => [name, false as const]));
  return new Promise((resolve) => {
    broker.createService({
      name: "elasticsearch",
      mixins: [mixin],
      settings: {
        // Not told to other nodes: it may hold a password.
        $secureSettings: ["elasticsearch"],
        elasticsearch: { node: url, requestTimeout: PATIENCE, maxRetries: 0 },
      },
      actions: none,
      async started() {
        resolve(new Elastic((this as unknown as { client: Client }).client));
      },
    });
  });
}

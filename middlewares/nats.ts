/**
 * Moleculer's NATS transporter, without two things that cost more than all that a call does otherwise
 * (`npm run bench -- gateway`).
 */
import { Transporters } from "moleculer";
import type { Transit } from "moleculer";

type Packet = [topic: string, data: Buffer];
interface Client {
  info?: { max_payload: number };
  publish(topic: string, data: Buffer): void;
}

export class Nats extends Transporters.NATS {
  #waiting: Packet[] = [];
  #sending: Promise<void> | null = null;

  override init(transit: Transit, ...handlers: Handlers): void {
    // A Map by its methods, those that Moleculer calls.
    transit.pendingRequests = new PendingRequests() as unknown as Transit["pendingRequests"];
    super.init(transit, ...handlers);
  }

  /**
   * What is sent in one turn of the event loop is handed to the client together, and so written together: alone it
   * would write to its socket for each message, which costs as much again at the server and at the receiver.
   * Resolves when that is done.
   */
  override send(topic: string, data: Buffer): Promise<void> {
    const client = this.client as Client | null;
    // Fails by itself, and not together with what else goes out.
    if (data.length > (client?.info?.max_payload ?? Infinity)) return super.send(topic, data);
    this.#waiting.push([topic, data]);
    this.#sending ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        try {
          this.#sendAll();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    return this.#sending;
  }

  #sendAll(): void {
    const packets = this.#waiting;
    this.#waiting = [];
    this.#sending = null;
    const client = this.client as Client | null;
    if (client) for (const [topic, data] of packets) client.publish(topic, data);
  }
}

type Handlers = Parameters<Transporters.NATS["init"]> extends [unknown, ...infer Rest] ? Rest : never;

/**
 * The calls that wait for their answers, in boxes that are emptied when they go. A Map whose table is full goes on in a
 * new one (V8 keeps a pointer from the old table to it, and what was in the old one). Once a dead table has grown old,
 * all its successors live until the next full collection, and with them a good part of all requests: each collection
 * of young objects then copied ten megabytes, a sixth of the gateway's time.
 */
export class PendingRequests<R> {
  readonly #boxes = new Map<string, { request: R | undefined }>();

  get size(): number {
    return this.#boxes.size;
  }

  get(id: string): R | undefined {
    return this.#boxes.get(id)?.request;
  }

  set(id: string, request: R): void {
    this.#boxes.set(id, { request });
  }

  delete(id: string): boolean {
    const box = this.#boxes.get(id);
    if (box) box.request = undefined;
    return this.#boxes.delete(id);
  }

  forEach(each: (request: R, id: string) => void): void {
    for (const [id, { request }] of this.#boxes) if (request !== undefined) each(request, id);
  }
}

/** A client of Server-Sent Events (WHATWG HTML, 9.2), as much of it as the tests need. */
import { request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { eventually } from "./eventually.ts";

export interface StreamedNotification {
  id: string;
  kind: string;
  title: string;
  body: string;
  subject: { type: string; id: string } | null;
  createdAt: string;
  readAt: string | null;
}

export interface StreamOptions {
  token: string | undefined;
  lastEventId?: string | undefined;
  headers?: Record<string, string>;
  /** After the path. */
  query?: string;
  /** Without this nothing is read. */
  reads?: boolean;
}

const WAIT_MS = 40_000;

export class EventStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly events: { id: string; data: StreamedNotification }[] = [];
  readonly comments: string[] = [];
  /** What the server said last. */
  retry: number | null = null;
  /** How it ended, once it has. */
  ended: "by the server" | "cut off" | null = null;
  /** Of an answer that is no stream. */
  problem: { code: string } | null = null;
  readonly #response: IncomingMessage;
  #text = "";

  constructor(response: IncomingMessage, reads: boolean) {
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    response.on("error", () => (this.ended ??= "cut off"));
    response.on("end", () => (this.ended ??= "by the server"));
    response.on("close", () => (this.ended ??= "cut off"));
    if (reads && this.status === 200)
      response.setEncoding("utf8").on("data", (chunk: string) => this.#take(chunk));
  }

  /** Resolves with the head of the answer; a refusal has its problem document. */
  static async open(url: string, { token, lastEventId, headers, query, reads = true }: StreamOptions) {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(`${url}/notifications/stream${query ?? ""}`, {
        agent: false,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
          ...headers,
        },
      });
      sent.on("response", resolve).on("error", reject).end();
    });
    const stream = new EventStream(response, reads);
    if (stream.status >= 400) stream.problem = JSON.parse(await text(response)) as { code: string };
    return stream;
  }

  get ids(): string[] {
    return this.events.map(({ id }) => id);
  }

  get titles(): string[] {
    return this.events.map(({ data }) => data.title);
  }

  /** Waits until there are as many events, and returns them. */
  async until(count: number): Promise<EventStream["events"]> {
    await eventually(
      async () => this.events.length >= count || undefined,
      WAIT_MS,
      () => `${this.events.length} of ${count} events; the stream has ended: ${this.ended}`,
    );
    return this.events;
  }

  async end(): Promise<string> {
    return eventually(async () => this.ended ?? undefined, WAIT_MS);
  }

  close(): void {
    this.#response.destroy();
  }

  #take(chunk: string): void {
    this.#text += chunk;
    const blocks = this.#text.split("\n\n");
    this.#text = blocks.pop() as string;
    for (const block of blocks) this.#read(block);
  }

  #read(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === "") this.comments.push(value);
      else fields.set(name, value);
    }
    if (fields.has("retry")) this.retry = Number(fields.get("retry"));
    const [id, data] = [fields.get("id"), fields.get("data")];
    if (id !== undefined && data !== undefined)
      this.events.push({ id, data: JSON.parse(data) as StreamedNotification });
  }
}

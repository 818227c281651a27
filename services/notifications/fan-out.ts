/**
 * Messages that many people are to be told of: kept when they come, so that whoever brings one waits for nothing, and
 * told one after another, so that others who are told something meanwhile do not wait for them either.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "moleculer";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import type { Notice } from "./recipients.ts";

/** More recipients than these are told later. */
export const MANY = 100;

interface FanOut {
  /** The message's, so that one that comes again meets it. */
  _id: string;
  /** When it happened (milliseconds). */
  at: number;
  notices: Notice[];
  /** When it is told, or told by another node if this one dies (milliseconds). */
  dueAt: number;
}

/** Longer than all the people of one message take. */
const LEASE = 60_000;
/** After a failure. */
const PAUSE = 5_000;
const AT_ONCE = 10;
/** Between two messages: others come first. */
const BREAK = 10;

export class FanOuts {
  readonly #all: Collection<FanOut>;
  readonly #tell: (message: { id: string; at: number }, notices: Notice[]) => Promise<void>;
  readonly #log: Pick<Logger, "warn">;
  #working = false;
  #stopped = false;

  constructor(
    all: Collection<FanOut>,
    tell: (message: { id: string; at: number }, notices: Notice[]) => Promise<void>,
    log: Pick<Logger, "warn">,
  ) {
    this.#all = all;
    this.#tell = tell;
    this.#log = log;
  }

  static async open(
    store: DocumentStore,
    tell: (message: { id: string; at: number }, notices: Notice[]) => Promise<void>,
    log: Pick<Logger, "warn">,
  ): Promise<FanOuts> {
    const all = await store.collection<FanOut>("fanOuts", { indexes: [{ fields: ["dueAt"] }] });
    return new FanOuts(all, tell, log);
  }

  /** When it resolves, they will be told, whatever becomes of this node. */
  async keep({ id, at }: { id: string; at: number }, notices: Notice[]): Promise<void> {
    await this.#all.insertOne({ _id: id, at, notices, dueAt: Date.now() });
    void this.work();
  }

  /** Tells what is due, unless this node is at it already; never rejects. */
  async work(): Promise<void> {
    if (this.#working || this.#stopped) return;
    this.#working = true;
    try {
      for (let due = await this.#due(); due.length > 0; due = await this.#due())
        for (const each of due) await this.#one(each);
    } catch (error) {
      this.#log.warn("Messages to many people wait", { error: String(error) });
    }
    this.#working = false;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #due(): Promise<FanOut[]> {
    if (this.#stopped) return [];
    return this.#all.find({ dueAt: { $lte: Date.now() } }, { sort: { dueAt: 1, _id: 1 }, limit: AT_ONCE });
  }

  async #one({ _id, at, notices, dueAt }: FanOut): Promise<void> {
    const mine = Date.now() + LEASE;
    const { matched } = await this.#all.updateOne({ _id, dueAt }, { $set: { dueAt: mine } });
    // Another node was faster.
    if (matched === 0) return;
    try {
      await this.#tell({ id: _id, at }, notices);
      await this.#all.deleteMany({ _id });
    } catch (error) {
      this.#log.warn("A message to many people is told later", { message: _id, error: String(error) });
      await this.#all.updateOne({ _id, dueAt: mine }, { $set: { dueAt: Date.now() + PAUSE } });
    }
    await sleep(BREAK);
  }
}

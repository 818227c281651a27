/**
 * Messages that many people are to be told of: kept when they come, so that whoever brings one waits for nothing, and
 * told one after another, so that others who are told something meanwhile do not wait for them either.
 */
import { setImmediate as breath } from "node:timers/promises";
import type { Logger } from "moleculer";
import type { Collection, DocumentStore } from "../../lib/documents.ts";
import { newId } from "../../lib/ids.ts";
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
  /** Names the turn in which it is told; of a node that may be gone. */
  turn?: string;
}

/** Longer than all the people of one turn take. */
const LEASE = 60_000;
/** After a failure. */
const PAUSE = 5_000;
/** Messages of one turn: each write of a store costs about as much as a hundred people do. */
const AT_ONCE = 10;

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
      while (!this.#stopped && (await this.#turn())) await breath();
    } catch (error) {
      this.#log.warn("Messages to many people wait", { error: String(error) });
    }
    this.#working = false;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Tells some of those that are due; whether there were any. */
  async #turn(): Promise<boolean> {
    const now = Date.now();
    const due = { dueAt: { $lte: now } };
    const found = await this.#all.find(due, {
      sort: { dueAt: 1, _id: 1 },
      limit: AT_ONCE,
      projection: ["dueAt"],
    });
    if (found.length === 0) return false;
    const ids = { $in: found.map(({ _id }) => _id) };
    const turn = newId();
    await this.#all.updateMany({ _id: ids, ...due }, { $set: { dueAt: now + LEASE, turn } });
    // Of the others another node was faster.
    const mine = await this.#all.find({ _id: ids, turn });
    const told: string[] = [];
    for (const each of mine) {
      if (this.#stopped) break;
      if (await this.#one(each)) told.push(each._id);
      await breath();
    }
    await this.#all.deleteMany({ _id: { $in: told } });
    if (this.#stopped) await this.#all.updateMany({ _id: ids, turn }, { $set: { dueAt: Date.now() } });
    return true;
  }

  async #one({ _id, at, notices, turn }: FanOut): Promise<boolean> {
    try {
      await this.#tell({ id: _id, at }, notices);
      return true;
    } catch (error) {
      this.#log.warn("A message to many people is told later", { message: _id, error: String(error) });
      await this.#all.updateOne({ _id, turn: turn ?? null }, { $set: { dueAt: Date.now() + PAUSE } });
      return false;
    }
  }
}

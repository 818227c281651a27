/**
 * The word list: kept in parts under a version of its own, which is in force once the head names it. So a list is
 * replaced in one write, and of two at once the later one wins whole.
 */
import { Readable } from "node:stream";
import type { Logger } from "moleculer";
import type { Envelope } from "../../lib/declare.ts";
import { audited } from "../../lib/audit.ts";
import { AppError } from "../../lib/errors.ts";
import { newId } from "../../lib/ids.ts";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import { userOf } from "../../lib/implement.ts";
import { starterList } from "../../lib/moderation/live.ts";
import type { DocumentsMethods } from "../../mixins/documents.ts";
import type { SweeperMethods } from "../../mixins/sweeper.ts";
import type { KeepingMethods } from "./keeping.ts";
import type { Word } from "./moderation.contract.ts";
import type { Told } from "../../lib/queue-documents.ts";
import type { Store, WordListDocument, WordPartDocument } from "./records.ts";
import { readWordList } from "./word-list.ts";

export interface WordKeepingMethods {
  /** The list in force. It is a stream of JSON, which the gateway sends as the array that the contract says. */
  readWords(): Promise<Word[]>;
  /** Replaces the list by the JSON array in the body; throws a 422 that names what is wrong. */
  storeWords(ctx: Ctx, body: Readable | null | undefined): Promise<{ words: number }>;
  /** The version in force; "" where it is the starter list. */
  wordsVersion(): Promise<{ version: string }>;
  /** A part of a version; `words` is null when that version is in force no more. */
  wordsPart(version: string, part: number): Promise<{ words: Word[] | null; parts: number }>;
}

type Self = WordKeepingMethods & KeepingMethods & DocumentsMethods & SweeperMethods & { logger: Logger };

const HEAD = "head";
/** So that an answer with the longest words is under NATS' megabyte, and a chunk of a stream far under. */
const IN_PART = 2_000;
const IN_CHUNK = 200;
/** Who has begun to read a part has long read it by then, and who writes one has named it. */
const KEPT = 10 * 60_000;
const SWEEP = 60_000;
/** Others who replace the list at the same moment. */
const TRIES = 50;

/** Needs `keeping()`, `sweeper()` and the documents of the domain behind it: what stands last in a list starts first. */
export function wordKeeping(): Mixin<WordKeepingMethods> {
  const mixin = {
    async started(this: Self) {
      this.every(SWEEP, () => sweep(this));
    },
    methods: {
      async readWords(this: Self) {
        const head = await this.store.wordLists.findOne({ _id: HEAD });
        const texts = head ? textsOf(this.store, head) : starterTexts();
        // As the contract says it once the gateway has sent it.
        return Readable.from(texts, { objectMode: false }).setEncoding("utf8") as unknown as Word[];
      },
      async storeWords(this: Self, ctx: Ctx, body: Readable | null | undefined) {
        const by = userOf(ctx);
        const words = await readWordList(body);
        const list = newId();
        const at = Date.now();
        const parts = partsOf(words, list, at);
        for (const part of parts) await this.store.wordParts.insertOne(part);
        const was = (await this.store.wordLists.findOne({ _id: HEAD }))?.words;
        audited(ctx, { subject: list, before: { words: was }, after: { words: words.length } });
        const told = [toldOf(ctx, list, by, at), ...this.messagesOf(ctx, 1, [])];
        await replaceHead(this.store, { list, parts: parts.length, words: words.length, at, by }, told);
        await passOn(this).catch(() => undefined);
        return { words: words.length };
      },
      async wordsVersion(this: Self) {
        return { version: (await this.store.wordLists.findOne({ _id: HEAD }))?.list ?? "" };
      },
      async wordsPart(this: Self, version: string, part: number) {
        const head = await this.store.wordLists.findOne({ _id: HEAD });
        if (head?.list !== version) return { words: null, parts: 0 };
        if (head.parts === 0) return { words: [], parts: 0 };
        const found = await this.store.wordParts.findOne({ _id: partId(version, part) });
        return { words: found?.words ?? null, parts: head.parts };
      },
    },
  };
  return mixin as unknown as Mixin<WordKeepingMethods>;
}

function partId(list: string, part: number): string {
  return `${list}:${part}`;
}

function partsOf(words: Word[], list: string, at: number): WordPartDocument[] {
  const parts: WordPartDocument[] = [];
  for (let start = 0; start < words.length; start += IN_PART)
    parts.push({ _id: partId(list, parts.length), list, at, words: words.slice(start, start + IN_PART) });
  return parts;
}

function toldOf(ctx: Ctx, list: string, by: string, at: number): Told {
  return {
    id: newId(),
    type: "moderation.acted",
    at,
    version: 1,
    actor: by,
    requestId: ctx.requestID ?? null,
    data: { action: "words", subject: { type: "words", id: list }, comment: null },
  };
}

async function replaceHead(
  { wordLists }: Store,
  next: Pick<WordListDocument, "list" | "parts" | "words" | "at" | "by">,
  told: Told[],
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const head = await wordLists.findOne({ _id: HEAD });
    if (!head) {
      if (await wordLists.insertOne({ _id: HEAD, ...next, outbox: told, pending: true })) return;
      continue;
    }
    const { matched } = await wordLists.updateOne(
      { _id: HEAD, list: head.list },
      { $set: { ...next, pending: true }, $push: { outbox: { $each: told } } },
    );
    if (matched > 0) return;
  }
  throw new AppError("UNAVAILABLE", { retryAfter: 1 });
}

/** Puts the head's messages into the outbox; what another list has added meanwhile stays. */
async function passOn({ store, outbox, relay }: Self): Promise<void> {
  const head = await store.wordLists.findOne({ _id: HEAD });
  if (!head?.pending) return;
  await outbox.tell(head.outbox.map(envelopeOf));
  relay.nudge();
  await store.wordLists.updateOne({ _id: HEAD, list: head.list }, { $set: { outbox: [], pending: false } });
}

function envelopeOf({ version, ...told }: Told): Envelope {
  const { subject } = told.data as { subject: { id: string } };
  return { ...told, aggregate: { type: "words", id: subject.id, version } };
}

/** Passes on what a node that died has left, and drops the parts of lists that are in force no more. */
async function sweep(self: Self): Promise<void> {
  await passOn(self);
  const head = await self.store.wordLists.findOne({ _id: HEAD });
  const old = { at: { $lt: Date.now() - KEPT } };
  await self.store.wordParts.deleteMany(head ? { ...old, list: { $ne: head.list } } : old);
}

async function* textsOf({ wordParts }: Store, { list, parts }: WordListDocument): AsyncGenerator<string> {
  let first = true;
  for (let part = 0; part < parts; part++) {
    const found = await wordParts.findOne({ _id: partId(list, part) });
    if (!found) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
    for (const text of chunksOf(found.words)) {
      yield `${first ? "[" : ","}${text}`;
      first = false;
    }
  }
  yield first ? "[]" : "]";
}

function* starterTexts(): Generator<string> {
  yield JSON.stringify(starterList());
}

/** The items, without the brackets. */
function* chunksOf(words: Word[]): Generator<string> {
  for (let start = 0; start < words.length; start += IN_CHUNK)
    yield JSON.stringify(words.slice(start, start + IN_CHUNK)).slice(1, -1);
}

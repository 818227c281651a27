/** The word list: how it is replaced, kept in parts, and read. */
import type { Readable } from "node:stream";
import type { Ctx, Mixin } from "../../lib/implement.ts";
import type { Word } from "./moderation.contract.ts";

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

/** Needs `keeping()` behind it: what stands last in a list starts first. */
export function wordKeeping(): Mixin<WordKeepingMethods> {
  const notYet = (): never => {
    throw new Error("not written yet");
  };
  const methods = { readWords: notYet, storeWords: notYet, wordsVersion: notYet, wordsPart: notYet };
  return { methods } as unknown as Mixin<WordKeepingMethods>;
}

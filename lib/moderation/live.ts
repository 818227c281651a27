/** The word list in force, on a node that filters: asked for every two seconds, loaded when it is another. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "moleculer";
import { WordFilter } from "./filter.ts";
import type { ListedWord } from "./filter.ts";

const EVERY = 2_000;
/** Longer than a list of 100,000 words takes to load. */
const FIRST = 5_000;

/** What keeps the list; each may reject. */
export interface WordSource {
  version(): Promise<string>;
  /** `words` is null when the version is in force no more. */
  part(version: string, part: number): Promise<{ words: ListedWord[] | null; parts: number }>;
}

/** The list that is in force until another is put in its place. */
export function starterList(): ListedWord[] {
  const file = path.join(import.meta.dirname, "data/starter.tsv");
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line) => {
    const [action, word] = line.split("\t");
    return line.startsWith("#") || !word ? [] : [{ word, action: action as ListedWord["action"] }];
  });
}

export class LiveWords {
  readonly #source: WordSource;
  readonly #log: Logger;
  #filter: WordFilter | null = null;
  /** Of what is in force; null until it is known. */
  #version: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #warned = false;
  #stopped = false;
  #settle: () => void = () => undefined;
  /** Resolves when the list is known, or cannot be for now. */
  #first: Promise<void> | null = new Promise((resolve) => (this.#settle = resolve));

  constructor(source: WordSource, log: Logger) {
    this.#source = source;
    this.#log = log;
  }

  get filter(): WordFilter {
    return (this.#filter ??= new WordFilter(starterList()));
  }

  /** The list in force; who asks just after the start waits until it is known. */
  async current(): Promise<WordFilter> {
    if (this.#first) await this.#first;
    return this.filter;
  }

  /** Begins to ask; the list that is there stays in force whenever there is no answer. */
  start(): void {
    this.#stopped = false;
    setTimeout(() => this.#settle(), FIRST).unref();
    void this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
  }

  async #turn(): Promise<void> {
    try {
      await this.#update();
      this.#warned = false;
    } catch (error) {
      if (!this.#warned && !this.#stopped)
        this.#log.warn("The word list cannot be asked for; the last one stays in force", {
          error: String(error),
        });
      this.#warned = true;
    }
    this.#settle();
    this.#first = null;
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#turn(), EVERY).unref();
  }

  async #update(): Promise<void> {
    const version = await this.#source.version();
    if (version === this.#version) return;
    const words = version === "" ? starterList() : await this.#load(version);
    if (!words || this.#stopped) return;
    this.#filter = await WordFilter.build(words, () => nextTurn());
    this.#version = version;
  }

  /** Null when another version has come meanwhile. */
  async #load(version: string): Promise<ListedWord[] | null> {
    const all: ListedWord[] = [];
    for (let part = 0, parts = 1; part < parts; part++) {
      const answer = await this.#source.part(version, part);
      if (!answer.words) return null;
      parts = answer.parts;
      for (const each of answer.words) all.push(each);
    }
    return all;
  }
}

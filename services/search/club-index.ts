/** The embedded index of clubs: built anew beside the one that answers, and fed with changes all the while. */
import { setImmediate } from "node:timers/promises";
import { AppError } from "../../lib/errors.ts";
import { SearchIndex } from "../../lib/search/index.ts";
import type { SearchDocument, SearchQuery, SearchResult, Suggestion } from "../../lib/search/index.ts";
import type { ClubRecord } from "../clubs/clubs.contract.ts";

const OPTIONS = {
  fields: { name: 5, tags: 3, summary: 2, category: 1, description: 1 },
  nameField: "name",
};
/** Milliseconds of building after which others have their turn. */
const SLICE = 10;

/** Where clubs are found: the index in this process, or Elasticsearch. */
export interface ClubEngine {
  /** Throws UNAVAILABLE where it cannot answer now. */
  search(asked: SearchQuery): SearchResult | Promise<SearchResult>;
  suggest(q: string): Suggestion[] | Promise<Suggestion[]>;
  /** Takes a club in as it is now, or out where it is not active or gone. */
  apply(id: string, club: ClubRecord | null): void | Promise<void>;
  rebuild(pages: () => AsyncIterable<ClubRecord[]>): Promise<number>;
}

export class ClubIndex implements ClubEngine {
  #serving: SearchIndex | null = null;
  #building: { index: SearchIndex; done: Promise<number> } | null = null;

  /** The index that answers. @throws UNAVAILABLE before the first build is done */
  get current(): SearchIndex {
    if (!this.#serving) throw new AppError("UNAVAILABLE", { retryAfter: 1 });
    return this.#serving;
  }

  search(asked: SearchQuery): SearchResult {
    return this.current.search(asked);
  }

  suggest(q: string): Suggestion[] {
    return this.current.suggest(q);
  }

  /** Takes a club in as it is now, or out where it is not active or gone; what is older than what is known counts nothing. */
  apply(id: string, club: ClubRecord | null): void {
    for (const index of [this.#serving, this.#building?.index]) {
      if (club?.status === "active") index?.put(documentOf(club));
      // Ids are never used again.
      else index?.remove(id, club?.revision ?? Number.MAX_SAFE_INTEGER);
    }
  }

  /**
   * Builds the index anew from pages of all active clubs and puts it in place of the present one; where that is under
   * way already, waits for it. Changes that `apply` brings meanwhile are in it. When the pages fail, all stays as it was.
   * @returns how many clubs are in it
   */
  rebuild(pages: () => AsyncIterable<ClubRecord[]>): Promise<number> {
    if (this.#building) return this.#building.done;
    const index = new SearchIndex(OPTIONS);
    const done = this.#build(index, pages()).finally(() => (this.#building = null));
    this.#building = { index, done };
    return done;
  }

  async #build(index: SearchIndex, pages: AsyncIterable<ClubRecord[]>): Promise<number> {
    for await (const page of pages) {
      let begun = performance.now();
      for (const club of page) {
        index.put(documentOf(club));
        if (performance.now() - begun < SLICE) continue;
        await setImmediate();
        begun = performance.now();
      }
    }
    this.#serving = index;
    return index.size;
  }
}

/** A club as both engines take it. */
export function documentOf(club: ClubRecord): SearchDocument {
  const { id, revision, name, summary, description, category, tags, memberCount, createdAt } = club;
  const fields = { name, summary, description, category };
  return { id, version: revision, fields, tags, category, popularity: memberCount, createdAt };
}

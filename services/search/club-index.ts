/** The embedded index of clubs. */
import { SearchIndex } from "../../lib/search/index.ts";
import type { SearchDocument, SearchQuery, SearchResult, Suggestion } from "../../lib/search/index.ts";
import type { ClubRecord } from "../clubs/clubs.contract.ts";
import { KeptIndex } from "./kept-index.ts";
import type { Engine } from "./kept-index.ts";

const OPTIONS = {
  fields: { name: 5, tags: 3, summary: 2, category: 1, description: 1 },
  nameField: "name",
};

/** Where clubs are found: the index in this process, or Elasticsearch. */
export interface ClubEngine extends Engine<ClubRecord> {
  /** Throws UNAVAILABLE where it cannot answer now. */
  search(asked: SearchQuery): SearchResult | Promise<SearchResult>;
  suggest(q: string): Suggestion[] | Promise<Suggestion[]>;
}

export class ClubIndex extends KeptIndex<ClubRecord, SearchIndex> implements ClubEngine {
  constructor() {
    super({
      create: () => new SearchIndex(OPTIONS),
      isShown: ({ status }) => status === "active",
      put: (index, club) => void index.put(documentOf(club)),
      // Ids are never used again.
      remove: (index, id, club) => void index.remove(id, club?.revision ?? Number.MAX_SAFE_INTEGER),
    });
  }

  search(asked: SearchQuery): SearchResult {
    return this.current.search(asked);
  }

  suggest(q: string): Suggestion[] {
    return this.current.suggest(q);
  }
}

/** A club as both engines take it. */
export function documentOf(club: ClubRecord): SearchDocument {
  const { id, revision, name, summary, description, category, tags, memberCount, createdAt } = club;
  const fields = { name, summary, description, category };
  return { id, version: revision, fields, tags, category, popularity: memberCount, createdAt };
}

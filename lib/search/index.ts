import { analyzeDocument, type Entry, type Facet, sameText, TAGS } from "./entry.ts";
import { highlightsOf } from "./highlights.ts";
import { Matcher, type Mode, modesFor, nameRank, STRICT, type Source } from "./match.ts";
import { FacetCounter, type Hit, pageOf } from "./page.ts";
import { type AnalyzedQuery, analyzeQuery } from "./query.ts";
import { suggestFrom } from "./suggest.ts";
import { MAX_FIELDS, Terms } from "./terms.ts";
import type { SearchDocument, SearchQuery, SearchResult, Suggestion } from "./types.ts";

export type * from "./types.ts";

export interface SearchIndexOptions {
  /** Searched fields with what a match in them counts; "tags" stands for the tags. At most 8. */
  fields: Record<string, number>;
  /** The field that is matched as a whole, by pinyin, and suggested. */
  nameField: string;
}

/** Popularity decides among equal relevance only: it adds less than this. */
const POPULARITY = 0.001;
/** Documents that were replaced or removed may stay in the postings until they are so many, and a third of all. */
const STALE = 1000;

/**
 * Full-text search in memory, for Chinese and languages with spaces: by words, prefixes, pinyin, initials, with
 * typos. Ids are compared as strings. Not persistent: who owns it fills it at start.
 */
export class SearchIndex {
  readonly #options: SearchIndexOptions;
  readonly #fields: string[];
  readonly #matcher = new Matcher();
  #terms = new Terms();
  /** By slot; a slot whose document was replaced or removed is undefined until the next compaction. */
  #entries: (Entry | undefined)[] = [];
  #slots = new Map<string, number>();
  /** Also of documents that were removed. */
  #versions = new Map<string, number>();
  #facets = { category: new Map<string, Facet>(), tag: new Map<string, Facet>() };
  #searches = 0;

  /** @throws RangeError for more than 8 fields, or a name that is none of them. */
  constructor(options: SearchIndexOptions) {
    this.#options = options;
    this.#fields = Object.keys(options.fields);
    if (this.#fields.length > MAX_FIELDS)
      throw new RangeError(`At most ${MAX_FIELDS} fields can be searched.`);
    if (!this.#fields.includes(options.nameField)) {
      throw new RangeError(`nameField "${options.nameField}" must be one of the fields.`);
    }
  }

  /** Number of documents. */
  get size(): number {
    return this.#slots.size;
  }

  /** Takes a document in, or its new version. False when that version, or a later one, was known or removed. */
  put(document: SearchDocument): boolean {
    const known = this.#versions.get(document.id);
    if (known !== undefined && document.version <= known) return false;
    this.#versions.set(document.id, document.version);
    const slot = this.#slots.get(document.id);
    const entry = slot === undefined ? undefined : this.#entries[slot];
    if (slot !== undefined && entry !== undefined && sameText(entry.document, document, this.#fields)) {
      this.#entries[slot] = this.#entry(document, entry);
      return true;
    }
    this.#forget(document.id);
    this.#insert(document);
    this.#compact();
    return true;
  }

  /** Takes a document out. False when a later version was put or removed. It need not be known: its puts may be late. */
  remove(id: string, version: number): boolean {
    const known = this.#versions.get(id);
    if (known !== undefined && version < known) return false;
    this.#versions.set(id, version);
    this.#forget(id);
    this.#compact();
    return true;
  }

  /** Changes what a known document counts in sorting, which has no versions: the last call wins. False if unknown. */
  setPopularity(id: string, popularity: number): boolean {
    const slot = this.#slots.get(id);
    const entry = slot === undefined ? undefined : this.#entries[slot];
    if (entry === undefined) return false;
    entry.document = { ...entry.document, popularity };
    return true;
  }

  /** Forgets everything, versions too. */
  clear(): void {
    this.#terms = new Terms();
    this.#entries = [];
    this.#slots.clear();
    this.#versions.clear();
    this.#facets = { category: new Map(), tag: new Map() };
  }

  /**
   * One page of hits. All words of the query must match; where no document has them all, typos and other characters
   * of the same sound are allowed; where that finds nothing either, any of the words will do.
   */
  search(request: SearchQuery): SearchResult {
    const query = analyzeQuery(request.q);
    const { hits, mode } = this.#hits(query, request);
    const category = new FacetCounter(++this.#searches);
    const tag = new FacetCounter(this.#searches);
    for (const { entry } of hits) {
      if (entry.category !== null) category.count(entry.category);
      for (const facet of entry.tags) tag.count(facet);
    }
    const { page, next } = pageOf(hits, request.limit, request.after);
    return {
      items: page.map((hit) => ({
        id: hit.entry.document.id,
        score: request.sort === "relevance" ? hit.key : this.#score(hit.entry, hit.slot, query, mode),
        highlights: this.#highlights(hit.entry.document, query, mode),
      })),
      facets: { category: category.counts(), tag: tag.counts() },
      total: hits.length,
      next,
    };
  }

  /** Names for what was typed so far, the popular ones first; with a typo only where nothing else is found. */
  suggest(q: string, limit = 10): Suggestion[] {
    return suggestFrom(this.#entries, analyzeQuery(q), limit).map(({ document }) => ({
      id: document.id,
      name: document.fields[this.#options.nameField] ?? "",
    }));
  }

  #hits(query: AnalyzedQuery, request: SearchQuery): { hits: Hit[]; mode: Mode } {
    const category = request.category === undefined ? null : this.#facets.category.get(request.category);
    const tag = request.tag === undefined ? null : this.#facets.tag.get(request.tag);
    // Unknown values, or nothing to look for.
    if (category === undefined || tag === undefined || query.clauses.length === 0)
      return { hits: [], mode: STRICT };
    const source = this.#source();
    for (const mode of modesFor(query)) {
      const hits: Hit[] = [];
      for (const slot of this.#matcher.match(source, query, mode)) {
        const entry = this.#entries[slot]!;
        if (category !== null && entry.category !== category) continue;
        if (tag !== null && !entry.tags.includes(tag)) continue;
        hits.push({ entry, slot, key: this.#key(request.sort, entry, slot, query, mode) });
      }
      if (hits.length > 0) return { hits, mode };
    }
    return { hits: [], mode: STRICT };
  }

  #key(sort: SearchQuery["sort"], entry: Entry, slot: number, query: AnalyzedQuery, mode: Mode): number {
    if (sort === "relevance") return this.#score(entry, slot, query, mode);
    return sort === "popular" ? entry.document.popularity : entry.createdAt;
  }

  /** The rank of the name (0 where the query was taken loosely) plus the relevance, which is less than 1. */
  #score(entry: Entry, slot: number, query: AnalyzedQuery, mode: Mode): number {
    const rank = mode.typos ? 0 : nameRank(entry, query);
    const popularity = Math.max(0, entry.document.popularity);
    const within =
      this.#matcher.relevance(slot, query) * (1 - POPULARITY) + (POPULARITY * popularity) / (popularity + 50);
    return Math.round((rank + within) * 1e6) / 1e6;
  }

  #highlights(document: SearchDocument, query: AnalyzedQuery, { typos }: Mode): Record<string, string> {
    const { nameField } = this.#options;
    return highlightsOf(document, query, { fields: this.#fields, nameField, typos });
  }

  #source(): Source {
    const { fields, nameField } = this.#options;
    return {
      entries: this.#entries,
      terms: this.#terms,
      boosts: Object.values(fields),
      nameBoost: fields[nameField]!,
      tagsBoost: fields[TAGS] ?? 0,
      size: this.size,
    };
  }

  #insert(document: SearchDocument): void {
    const analyzed = analyzeDocument(document, this.#fields, this.#options.nameField);
    const slot = this.#entries.length;
    this.#fields.forEach((name, number) => this.#terms.add(slot, number, analyzed.fields.get(name) ?? []));
    this.#entries.push(this.#entry(document, analyzed));
    this.#slots.set(document.id, slot);
  }

  #entry(document: SearchDocument, { plain, sound }: Pick<Entry, "plain" | "sound">): Entry {
    const createdAt = Date.parse(document.createdAt);
    return {
      document,
      plain,
      sound,
      createdAt: Number.isNaN(createdAt) ? 0 : createdAt,
      category: document.category === "" ? null : facetOf(this.#facets.category, document.category),
      tags: [...new Set(document.tags)].map((tag) => facetOf(this.#facets.tag, tag)),
    };
  }

  #forget(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#entries[slot] = undefined;
    this.#slots.delete(id);
  }

  /** Drops what belongs to no document any more: a pass over all postings, so only when it is worth it. */
  #compact(): void {
    const stale = this.#entries.length - this.size;
    if (stale < STALE || stale * 3 < this.#entries.length) return;
    const slots = new Int32Array(this.#entries.length).fill(-1);
    const left: Entry[] = [];
    this.#facets = { category: new Map(), tag: new Map() };
    this.#entries.forEach((entry, slot) => {
      if (entry === undefined) return;
      slots[slot] = left.length;
      this.#slots.set(entry.document.id, left.length);
      left.push(this.#entry(entry.document, entry));
    });
    this.#terms.renumber(slots);
    this.#entries = left;
  }
}

function facetOf(known: Map<string, Facet>, value: string): Facet {
  let facet = known.get(value);
  if (facet === undefined) known.set(value, (facet = { value, count: 0, search: 0 }));
  return facet;
}

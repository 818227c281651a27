/** What a search index takes and gives, whichever engine is behind it. */

/** A document as it is indexed. `fields` hold plain text; tags are searched as a field of their own, "tags". */
export interface SearchDocument {
  id: string;
  /** Grows with every change; an older or equal one never replaces what is known. */
  version: number;
  fields: Record<string, string>;
  tags: string[];
  /** "" where there are no categories. */
  category: string;
  popularity: number;
  /** RFC 3339. */
  createdAt: string;
}

/** Where a page ended: the sort key and the id of its last item. The caller makes it opaque. */
export interface SearchCursor {
  key: number;
  id: string;
}

export interface SearchQuery {
  q: string;
  category?: string;
  /** One tag, exactly as it stands in the document. */
  tag?: string;
  sort: "relevance" | "popular" | "new";
  limit: number;
  after?: SearchCursor;
}

export interface FacetCount {
  value: string;
  count: number;
}

export interface SearchItem {
  id: string;
  /** The higher the better; comparable within one query only. */
  score: number;
  /** Field → escaped HTML with `<em>` around what matched; only fields that matched. */
  highlights: Record<string, string>;
}

export interface SearchResult {
  items: SearchItem[];
  /** Counted over all hits, the most frequent first, at most 20 values each. */
  facets: { category: FacetCount[]; tag: FacetCount[] };
  /** All hits, exactly. */
  total: number;
  next: SearchCursor | null;
}

export interface Suggestion {
  id: string;
  name: string;
}

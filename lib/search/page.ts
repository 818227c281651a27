import type { Entry, Facet } from "./entry.ts";
import type { FacetCount, SearchCursor } from "./types.ts";

interface Keyed {
  entry: { document: { id: string } };
  key: number;
}

export interface Hit extends Keyed {
  entry: Entry;
  slot: number;
}

/** The greater key first, among equals the greater id (with UUIDv7: the newer). */
function precedes(a: SearchCursor, b: SearchCursor): boolean {
  return a.key !== b.key ? a.key > b.key : a.id > b.id;
}

const place = (hit: Keyed): SearchCursor => ({ key: hit.key, id: hit.entry.document.id });

/** The best `limit` hits after the cursor, in order, without sorting all of them; and where to go on. */
export function pageOf<H extends Keyed>(
  hits: H[],
  limit: number,
  after: SearchCursor | undefined,
): { page: H[]; next: SearchCursor | null } {
  const page: H[] = [];
  let more = false;
  for (const hit of hits) {
    const at = place(hit);
    if (after !== undefined && !precedes(after, at)) continue;
    const last = page.at(-1);
    if (page.length === limit && (last === undefined || !precedes(at, place(last)))) {
      more = true;
      continue;
    }
    let low = 0;
    let high = page.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (precedes(at, place(page[middle]!))) high = middle;
      else low = middle + 1;
    }
    page.splice(low, 0, hit);
    if (page.length > limit) {
      page.pop();
      more = true;
    }
  }
  const end = page.at(-1);
  return { page, next: more && end !== undefined ? place(end) : null };
}

const FACET_VALUES = 20;

/** Counts values over hits. A number of its own for each search saves resetting the counts. */
export class FacetCounter {
  #search: number;
  #seen: Facet[] = [];

  constructor(search: number) {
    this.#search = search;
  }

  count(facet: Facet): void {
    if (facet.search !== this.#search) {
      facet.search = this.#search;
      facet.count = 0;
      this.#seen.push(facet);
    }
    facet.count += 1;
  }

  /** The most frequent first, equal ones by value. */
  counts(): FacetCount[] {
    return this.#seen
      .toSorted((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
      .slice(0, FACET_VALUES)
      .map(({ value, count }) => ({ value, count }));
  }
}

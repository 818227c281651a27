/** The index of clubs on Elasticsearch. */
import type { estypes } from "@elastic/elasticsearch";
import { highlightsOf } from "../../lib/search/highlights.ts";
import type { SearchItem, SearchQuery, SearchResult, Suggestion } from "../../lib/search/index.ts";
import { type Mode, modesFor } from "../../lib/search/match.ts";
import { type AnalyzedQuery, analyzeQuery } from "../../lib/search/query.ts";
import type { ClubRecord } from "../clubs/clubs.contract.ts";
import { documentOf, type ClubEngine } from "./club-index.ts";
import type { Elastic } from "./elastic-client.ts";
import { FIELDS, MAPPINGS, SETTINGS, type StoredClub, storedOf } from "./elastic-document.ts";
import { ElasticIndex, type Kind, totalOf } from "./elastic-index.ts";
import { countsOf, type Plan, planOf, requestOf, suggestionsOf } from "./elastic-query.ts";

const SUGGESTIONS = 10;
const KIND: Kind<ClubRecord> = {
  name: "clubs",
  mappings: MAPPINGS,
  settings: SETTINGS,
  batch: 500,
  idOf: ({ id }) => id,
  storedOf: (club) => ({
    version: club.revision,
    stored: club.status === "active" ? storedOf(documentOf(club)) : { active: false },
  }),
};

const rarity = (all: number, found: number): number => Math.log(1 + (all - found + 0.5) / (found + 0.5));

export class ElasticClubs extends ElasticIndex<ClubRecord> implements ClubEngine {
  constructor(elastic: Elastic, namespace: string, onLost: () => void) {
    super(elastic, namespace, KIND, onLost);
  }

  async search(asked: SearchQuery): Promise<SearchResult> {
    const query = analyzeQuery(asked.q);
    const nothing = { items: [], facets: { category: [], tag: [] }, total: 0, next: null };
    if (query.clauses.length === 0) return nothing;
    let found: number[] | undefined;
    for (const mode of modesFor(query)) {
      const plan = planOf(query, mode, found);
      const { all, hits, parts, whole } = await this.#count(plan, asked);
      found ??= parts;
      if (hits === 0) continue;
      const rarities = { parts: parts.map((count) => rarity(all, count)), whole: rarity(all, whole) };
      return resultOf(
        await this.ask<StoredClub>(requestOf(query, plan, rarities, asked)),
        query,
        mode,
        asked,
      );
    }
    return nothing;
  }

  async suggest(q: string): Promise<Suggestion[]> {
    const query = analyzeQuery(q);
    if (query.plain === "") return [];
    for (const loose of [false, true]) {
      const { hits } = await this.ask<StoredClub>(suggestionsOf(query, loose, SUGGESTIONS));
      if (hits.hits.length > 0)
        return hits.hits.flatMap(({ _source: stored }) =>
          stored ? [{ id: stored.document.id, name: stored.document.fields["name"] ?? "" }] : [],
        );
    }
    return [];
  }

  async #count(
    plan: Plan,
    asked: SearchQuery,
  ): Promise<{ all: number; hits: number; parts: number[]; whole: number }> {
    const { hits, aggregations } = await this.ask<StoredClub>(countsOf(plan, asked));
    const counts = aggregations?.["counts"] as estypes.AggregationsFiltersAggregate | undefined;
    const buckets = (counts?.buckets ?? {}) as Record<string, { doc_count: number }>;
    const of = (key: string): number => buckets[key]?.doc_count ?? 0;
    return {
      all: totalOf(hits),
      hits: of("hits"),
      parts: plan.parts.map((_, i) => of(`${i}`)),
      whole: of("whole"),
    };
  }
}

function resultOf(
  { hits, aggregations }: estypes.SearchResponse<StoredClub>,
  query: AnalyzedQuery,
  { typos }: Mode,
  { limit }: SearchQuery,
): SearchResult {
  const page = hits.hits.slice(0, limit);
  const last = page.at(-1)?.sort;
  const items = page.flatMap(({ _source: stored, _score: score }): SearchItem[] => {
    if (!stored) return [];
    const highlights = highlightsOf(stored.document, query, { fields: FIELDS, nameField: "name", typos });
    return [{ id: stored.document.id, score: Math.round((score ?? 0) * 1e6) / 1e6, highlights }];
  });
  return {
    items,
    facets: { category: facetOf(aggregations?.["category"]), tag: facetOf(aggregations?.["tag"]) },
    total: totalOf(hits),
    next: last && hits.hits.length > limit ? { key: Number(last[0]), id: String(last[1]) } : null,
  };
}

function facetOf(found: estypes.AggregationsAggregate | undefined): SearchResult["facets"]["tag"] {
  const { buckets } = found as estypes.AggregationsStringTermsAggregate;
  return (buckets as estypes.AggregationsStringTermsBucket[]).map(({ key, doc_count: count }) => ({
    value: String(key),
    count,
  }));
}
